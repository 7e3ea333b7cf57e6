"""What a host has and uses, in the names and units of `Resources`: cpu in cores, memory in bytes, gpu in devices, gpu_memory in bytes."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from drm.agent.cgroup import ContainerGroup
from drm.agent.gpus import Gpus


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured at a monotonic time; what is left out of `used` was not measured."""

    at: float
    capacity: dict[str, float]
    used: dict[str, float]


class Host:
    """This host, or the container that the process is in: where that is limited, the limit and its own use count."""

    def __init__(self, group: ContainerGroup | None = None, gpus: Gpus | None = None) -> None:
        self._group = group or ContainerGroup()
        self._gpus = gpus or Gpus()
        self._cores = float(psutil.cpu_count() or 1)
        self._busy: dict[bool, tuple[float, float]] = {}
        """When processors were last looked at, and the busy seconds until then: of the host, and of a limited container."""

    def read(self, now: float) -> Reading:
        """At a monotonic time. The first reading says nothing of cpu, which is measured between two."""
        limits = self._group.limits()
        memory = psutil.virtual_memory()
        has_less_memory = limits.memory_bytes is not None and limits.memory_bytes < memory.total
        capacity = {
            "cpu": min(self._cores, limits.cores or self._cores),
            "memory": limits.memory_bytes if has_less_memory and limits.memory_bytes else float(memory.total),
        }
        used: dict[str, float | None] = {
            "cpu": self._cpu(now, is_limited=capacity["cpu"] < self._cores),
            "memory": self._group.memory_used() if has_less_memory else float(memory.total - memory.available),
        }
        gpus = self._gpus.read(now)
        if gpus is not None:
            capacity |= {"gpu": float(gpus.devices), "gpu_memory": gpus.memory_bytes}
            used |= {"gpu": gpus.used, "gpu_memory": gpus.memory_used}
        # Two clocks, and a quota that may be overdrawn for a moment.
        return Reading(now, capacity, {name: min(value, capacity[name]) for name, value in used.items() if value is not None})

    def _cpu(self, now: float, *, is_limited: bool) -> float | None:
        """Mean cores since the last reading."""
        if is_limited:
            busy = self._group.cpu_seconds()
        else:
            times = psutil.cpu_times()
            # What guests took is part of what users took.
            idle = times.idle + getattr(times, "iowait", 0.0)
            guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
            busy = sum(times) - guests - idle
        if busy is None:
            return None
        before = self._busy.get(is_limited)
        self._busy[is_limited] = now, busy
        if before is None or now <= before[0]:
            return None
        return max(0.0, busy - before[1]) / (now - before[0])
