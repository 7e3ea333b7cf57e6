"""What this process takes of the machine."""

from __future__ import annotations

import math
import platform
import threading
import time
from dataclasses import dataclass

import psutil

LEAST_SECONDS = 5.0
"""Over which the present use of CPU is measured, however many ask."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """At one moment."""

    python: str
    uptime_seconds: float
    memory_bytes: int
    """Resident."""
    cores: float
    """CPU that it uses now, in cores; NaN in the first seconds of being asked."""
    mean_cores: float
    """Since its start."""


class OwnProcess:
    """Any thread asks."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._lock = threading.Lock()
        self._sampled = (time.monotonic(), self._cpu_seconds())
        self._cores = math.nan

    def facts(self) -> ProcessFacts:
        """Now."""
        used, now = self._cpu_seconds(), time.monotonic()
        with self._lock:
            since, before = self._sampled
            if now - since >= LEAST_SECONDS:
                self._cores, self._sampled = (used - before) / (now - since), (now, used)
            cores = self._cores
        uptime = max(0.0, time.time() - self._process.create_time())
        mean = used / uptime if uptime > 0 else math.nan
        return ProcessFacts(platform.python_version(), uptime, self._process.memory_info().rss, cores, mean)

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
