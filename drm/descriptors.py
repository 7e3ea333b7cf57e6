"""How many files and connections this process may hold open, and how many of them a server takes: the rest is for everything else."""

from __future__ import annotations

import contextlib
import sys

import psutil

if sys.platform != "win32":
    import resource

ENOUGH = 8192
"""All that the program could ever open, and as much again."""
LEAST = 8
RESERVED = 256
"""What is left to everything but connections, or a quarter where there is less: history, pipes to workers, answers that wait in a file."""


def raise_limit() -> None:
    """Lets this process open as many files as it may, up to `ENOUGH`; for a process that is all one program. Many systems begin at 1024."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(ValueError, OSError):  # it stays as it is
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connection_limit(most: int) -> int:
    """How many connections a server may take at once, of at most so many: further ones wait in the system's queue until others end."""
    if sys.platform != "win32":
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            held: int = psutil.Process().num_fds()
            return max(LEAST, min(most, soft - min(RESERVED, soft // 4) - held))
    return most
