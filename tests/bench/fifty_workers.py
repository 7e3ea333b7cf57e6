"""A program of its own, run by the peers' Python: 50 small Dask workers that always have something to do, under distributed's dashboard.

Prints the scheduler's address and its dashboard's, and ends with its input.
"""

from __future__ import annotations

import sys
import threading
import time

WORKERS, TASK_SECONDS = 50, 5.0


def main() -> None:
    """Runs until its input ends."""
    import dask
    from distributed import Client, LocalCluster, as_completed

    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver", "distributed.admin.low-level-log-length": 100})
    cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=1, memory_limit="400MiB", dashboard_address="127.0.0.1:0")
    with cluster, Client(cluster) as client:
        client.wait_for_workers(WORKERS, timeout=300)
        over = threading.Event()

        def keep_busy() -> None:
            waits = as_completed([client.submit(time.sleep, TASK_SECONDS, pure=False) for _ in range(2 * WORKERS)])
            for _ in waits:
                if over.is_set():
                    return
                waits.add(client.submit(time.sleep, TASK_SECONDS, pure=False))

        threading.Thread(target=keep_busy, daemon=True).start()
        print(cluster.scheduler_address, cluster.dashboard_link, flush=True)
        sys.stdin.read()
        over.set()


if __name__ == "__main__":
    main()
