"""One manager per server: of the processes that a prefork server (gunicorn -w 4) starts, each with a manager of its own, one may tick.

The others wait for its end, as at a graceful restart, and say so to whoever asks them.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from platformdirs import user_runtime_path

logger = logging.getLogger(__name__)

SERVERS = ("gunicorn", "uvicorn", "hypercorn", "uwsgi", "granian")
"""Programs that start several processes of one application."""


class Turn:
    """The right of one process among those of its server to manage pools; of a process that no such server started it is never contested.

    All that one process asks for is its own: two pools in one process tick both.
    """

    def __init__(self, folder: Path | None = None, parent: psutil.Process | None = None) -> None:
        parent = parent or psutil.Process().parent()
        self._server = "" if parent is None else server_name(parent)
        self._master = parent.pid if parent else 0
        self._folder = folder
        self._lock: FileLock | None = None
        self.hindrance = ""
        """Why it is another one's; empty once it is ours."""

    def take(self) -> bool:
        """Whether it is ours from now on; returns at once."""
        if not self._server or self._lock is not None:
            return True
        try:
            # Each process of a server has the same parent; a lock ends with the process that holds it, however that ends.
            folder = self._folder or user_runtime_path("drm", ensure_exists=True)
            lock = FileLock(folder / f"server-{self._master}.lock", timeout=0, mode=0o600, is_singleton=True, thread_local=False)
            lock.acquire()
        except Timeout:
            self.hindrance = (
                f"another process of this {self._server} (process {self._master}) manages the pool, and this one, {os.getpid()}, would "
                "manage a second one beside it: serve from one process (gunicorn -w 1 --threads 8)"
            )
            return False
        except OSError as error:
            logger.warning("whether another process of this %s manages the pool cannot be found out: %s", self._server, error)
            self._server = ""
            return True
        self._lock, self.hindrance = lock, ""
        return True

    def give_back(self) -> None:
        """Lets the next one have it; may be called twice."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


def server_name(process: psutil.Process) -> str:
    """Which of `SERVERS` a process is, by its command line; empty where it is none of them."""
    try:
        words = process.cmdline()[:3]
    except psutil.Error:
        return ""
    # `gunicorn: master [app]`, `/usr/bin/python /usr/bin/gunicorn`, `python -m gunicorn`
    names = [match[0] for word in words if (match := re.match(r"[A-Za-z]+\b", word.rpartition("/")[2]))]
    return next((name for name in names if name in SERVERS), "")
