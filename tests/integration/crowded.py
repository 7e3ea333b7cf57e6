"""A program that many look at: what it takes and how its ticks keep their time, by its own `/metrics`."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil
import requests

from tests.integration.crowd import ROOT

LOOK_SECONDS = 0.5


@dataclass
class Program:
    """One that runs."""

    url: str
    process: psutil.Process

    @property
    def memory(self) -> float:
        """Resident, MB."""
        return float(self.process.memory_info().rss / 1e6)

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(*arguments: str) -> Iterator[Program]:
    """`python -m drm --port 0 ...`; it must end well within some seconds of SIGTERM."""
    command = [sys.executable, "-m", "drm", "--port", "0", *arguments]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert program.stdout is not None
        found = re.search(r"http://\S+", program.stdout.readline())
        assert found, "the program did not start"
        yield Program(found.group(0), psutil.Process(program.pid))
    finally:
        program.terminate()
        status = program.wait(40)
        program.stdout.close()
    assert status == 0


@dataclass
class Watch:
    """Looks at a program's ticks while something goes on, as one more reader, and times itself at it.

    A tick that begins or ends more than an interval after it was due makes the Runner leave one out: `missed` counts those.
    """

    program: Program
    interval: float = 1.0
    seconds: list[float] = field(default_factory=list)
    """How long each look took."""
    errors: list[str] = field(default_factory=list)
    ticks: int = 0
    elapsed: float = 0.0
    longest_tick: float = 0.0
    overdue: float = 0.0
    """The longest time, seen by looks, that a tick was not there after it was due, seconds."""
    cpu: float = 0.0
    """Of a core."""

    def __post_init__(self) -> None:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._looks: list[tuple[float, float, float]] = []

    @property
    def missed(self) -> int:
        """Ticks that were left out, as far as whole intervals tell."""
        return max(0, int(self.elapsed / self.interval) - self.ticks - 1)

    def wait(self, seconds: float) -> None:
        """Goes on looking for so long."""
        self._done.wait(seconds)

    def __enter__(self) -> Self:
        self._cpu, self._began = self.program.cpu_seconds, time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join(70)
        self.cpu = (self.program.cpu_seconds - self._cpu) / (time.monotonic() - self._began)
        if len(self._looks) > 1:
            (_, first, count), (_, last, newest) = self._looks[0], self._looks[-1]
            self.ticks, self.elapsed = int(newest - count), last - first
            # A tick was there at the latest when it was first seen, and none could have been before it was due.
            due = min(seen - number * self.interval for _, seen, number in self._looks)
            self.overdue = max(0.0, *(asked - due - (number + 1) * self.interval for asked, _, number in self._looks))

    def _look(self) -> None:
        address = self.program.url.replace("/drm-dashboard/", "/metrics")
        with requests.Session() as session:
            while not self._done.wait(LOOK_SECONDS):
                asked = time.monotonic()
                try:
                    answer = session.get(address, timeout=60)
                    answer.raise_for_status()
                except requests.RequestException as error:
                    self.errors.append(repr(error))
                    continue
                seen = time.monotonic()
                self.seconds.append(seen - asked)
                self._looks.append((asked, seen, _value(answer.text, "drm_ticks_total")))
                self.longest_tick = max(self.longest_tick, _value(answer.text, "drm_last_tick_duration_seconds"))


def _value(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found.group(1))
