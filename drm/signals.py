"""The signals that end a program."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

ENDING = (signal.SIGTERM, signal.SIGINT)
LOOKS_EVERY_SECONDS = 0.25


class End:
    """Something to wait for that a signal handler may set, at any moment.

    A handler runs between two instructions of the main thread. Where that thread is inside `threading.Event.set` or `.wait` (a second
    signal right behind the first), an Event would wait for its own lock for ever. `SimpleQueue.put` is reentrant.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Wakes everybody who waits; may be done again."""
        self._is_set = True
        self._wake.put(None)

    def wait(self, timeout_seconds: float = math.inf) -> bool:
        """Until it is set, or the time is over; whether it is set."""
        until = time.monotonic() + timeout_seconds
        while not self._is_set and (left := until - time.monotonic()) > 0:
            # Of two signals at once the system gives one to another thread; handlers run in this one, once it wakes for whatever reason.
            with suppress(Empty):
                self._wake.get(timeout=min(left, LOOKS_EVERY_SECONDS))
                # For the next one who waits.
                self._wake.put(None)
        return self._is_set


def end_on_signals() -> End:
    """What SIGTERM and SIGINT set from now on, however often: for a process that is all one program. Only in the main thread."""
    end = End()
    for number in ENDING:
        signal.signal(number, lambda *_: end.set())
    return end


@contextmanager
def ended_by_signals(end: End) -> Iterator[None]:
    """SIGTERM and SIGINT set it, and do what they did before once this is over; only the main thread may ask for that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: end.set()) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: a handler that Python did not install, and cannot install again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
