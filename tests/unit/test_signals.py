"""Ends that signals set: `drm.signals`."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

import pytest

from drm.signals import End

DEADLOCKED_SECONDS = 5.0


class Interrupted:
    """Runs a handler at each line of what is traced, as a signal could; not within itself, since a handler is not interrupted for ever."""

    def __init__(self, end: Any) -> None:
        self.end, self.times, self._inside = end, 0, False

    def __call__(self, frame: FrameType, event: str, argument: object) -> Interrupted:
        if not self._inside and event == "line":
            self._inside, self.times = True, self.times + 1
            self.end.set()
            self._inside = False
        return self


def ends(interrupted: Interrupted, waits: bool) -> bool:
    """Whether a thread that is interrupted at each line of its `set` or `wait` comes back."""

    def main_thread() -> None:
        sys.settrace(interrupted)
        interrupted.end.wait() if waits else interrupted.end.set()
        sys.settrace(None)

    thread = threading.Thread(target=main_thread, daemon=True)
    thread.start()
    thread.join(DEADLOCKED_SECONDS)
    return not thread.is_alive() and interrupted.times > 0


@pytest.mark.parametrize("waits", [True, False])
def test_a_signal_may_come_at_any_line(waits: bool) -> None:
    """`threading.Event` waits for its own lock then, and the program never ends."""
    interrupted = Interrupted(End())
    assert ends(interrupted, waits) and interrupted.end.is_set()


def test_all_who_wait_are_woken_and_whoever_comes_later_does_not_wait() -> None:
    """However many there are."""
    end = End()
    assert not end.is_set() and not end.wait(0.0)
    threads = [threading.Thread(target=end.wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    end.set()
    for thread in threads:
        thread.join(DEADLOCKED_SECONDS)
        assert not thread.is_alive()
    assert end.is_set() and end.wait()
