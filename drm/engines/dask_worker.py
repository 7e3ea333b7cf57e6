"""The program of a local worker process: one Dask worker that ends with its parent.

It is run by path, not imported: neither drm nor the user's main module is loaded, so a worker stays small and a script needs no guard.
Its parent writes one line of JSON to its standard input and holds that open: its end is the order to leave.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
from typing import Any

GRACE_SECONDS = 1.0
"""How long a worker that has to leave may take to tidy up."""


async def serve(options: dict[str, Any]) -> None:
    """Runs a worker with these options of `distributed.Worker` until it is closed, or the standard input ends."""
    import distributed

    logging.getLogger("distributed").setLevel(logging.ERROR)
    # What it calls errors are its own farewells (a heartbeat cut short, a state passed twice); why a worker went, its parent says.
    logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
    loop = asyncio.get_running_loop()
    worker: Any = distributed.Worker(**options)

    def leave_with_parent() -> None:
        sys.stdin.read()
        # A task in pure C may hold everything else up: this thread ends the process whatever happens.
        threading.Timer(GRACE_SECONDS, os._exit, (0,)).start()
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(worker.close(timeout=GRACE_SECONDS, executor_wait=False)))

    threading.Thread(target=leave_with_parent, name="drm-parent", daemon=True).start()
    await worker
    await worker.finished()


def main() -> None:
    """Reads the order and serves it."""
    order = json.loads(sys.stdin.readline())
    sys.path[:] = order["path"]
    asyncio.run(serve(order["worker"]))
    # Threads of tasks that still run would hold the interpreter here.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
