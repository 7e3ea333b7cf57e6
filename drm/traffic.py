"""What pages ask for: each callback's calls, seconds and bytes, and how many pages look on. All servers over one state share it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from drm.durations import Durations

VIEWER_SECONDS = 90.0
"""A page that was not heard of for so long is closed, paused or hidden: the slowest refresh is a minute."""
MOST_VIEWERS = 10_000
MOST_CALLBACKS = 200
"""Names of callbacks are ours, and few."""
LONGEST_ID = 40


@dataclass(frozen=True, slots=True)
class Calls:
    """Those of one callback."""

    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0
    """Of the answers."""
    errors: int = 0
    """Calls that failed by our fault, and were answered with 500."""


class Traffic:
    """Any thread notes and reads. Times are those of `time.monotonic()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, Calls] = {}
        self._seen: dict[str, float] = {}
        self.durations = Durations()
        self.last_error = ""
        """Of a callback, in one line; empty where none has failed."""

    def note(self, callback: str, seconds: float, size: int, error: str = "") -> None:
        """A callback has answered with so many bytes, or failed."""
        with self._lock:
            if callback not in self._calls and len(self._calls) >= MOST_CALLBACKS:
                return
            one = self._calls.get(callback, Calls())
            self._calls[callback] = replace(
                one, calls=one.calls + 1, seconds=one.seconds + seconds, bytes=one.bytes + size, errors=one.errors + bool(error)
            )
            self.durations.note(seconds)
            self.last_error = error or self.last_error

    def saw(self, page: object, now: float) -> None:
        """A page, by the id that it gave itself, has asked for the present."""
        if not isinstance(page, str) or not 0 < len(page) <= LONGEST_ID:
            return
        with self._lock:
            if page not in self._seen and len(self._seen) >= MOST_VIEWERS:
                self._seen = {one: at for one, at in self._seen.items() if now - at < VIEWER_SECONDS}
                if len(self._seen) >= MOST_VIEWERS:
                    return
            self._seen[page] = now

    def viewers(self, now: float) -> int:
        """Pages that were heard of in the last `VIEWER_SECONDS`."""
        with self._lock:
            self._seen = {one: at for one, at in self._seen.items() if now - at < VIEWER_SECONDS}
            return len(self._seen)

    def calls(self) -> Mapping[str, Calls]:
        """By the name of the callback: a copy."""
        with self._lock:
            return dict(self._calls)
