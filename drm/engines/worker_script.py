"""The script that an instance runs at its start: one Dask worker, which joins a scheduler under the name that was ordered.

No credentials and no token stand in it: whoever is on an instance can read its user data.
"""

from __future__ import annotations

import shlex

from drm.engines.dask_local import slots
from drm.model import Resources

DEATH_SECONDS = 120
"""A worker that cannot reach its scheduler for so long ends."""


def worker_script(scheduler: str, name: str, shape: Resources, *, command: str, setup: str = "") -> str:
    """Runs `setup`, then `command` (as in `dask worker`, which must be on the image) with a worker's options, and ends with it."""
    options = {
        "--name": name,
        "--nthreads": str(slots(shape)),
        "--memory-limit": str(int(shape.memory)),
        "--death-timeout": str(DEATH_SECONDS),
    }
    words = [scheduler, *(word for pair in options.items() for word in pair), "--no-nanny", "--no-dashboard"]
    lines = [
        "#!/bin/sh",
        f"# Written by drm: worker {name}.",
        *([setup.strip()] if setup.strip() else []),
        f"{command} {shlex.join(words)}",
    ]
    return "\n".join(lines) + "\n"
