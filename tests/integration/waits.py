"""Waiting for what another thread or process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

DEADLINE_SECONDS = 90.0
"""Many times what any of it takes: machines are shared."""


def until(condition: Callable[[], Found], what: str, seconds: float = DEADLINE_SECONDS) -> Found:
    """What the condition gives once it is true; AssertionError that names it where it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        time.sleep(0.02)
    return found
