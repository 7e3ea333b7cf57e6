"""The limits of the container that a process is in: what it may have, and what is used of that.

Read at the root of the control groups as the process sees it: a machine has no such files there, a container has its own. The group of a
service of the machine itself is none of a host's limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED_BYTES = 1 << 60
"""The first version says a number near this where there is no limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """None: not limited."""

    cores: float | None = None
    memory_bytes: float | None = None


class ContainerGroup:
    """The files of either version of control groups under a folder."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._is_second = (root / "cgroup.controllers").is_file()

    def limits(self) -> Limits:
        """As they stand now; what cannot be read is no limit."""
        if self._is_second:
            quota, _, period = _text(self._root / "cpu.max").partition(" ")
            memory = _number(self._root / "memory.max")
        else:
            quota, period = (_text(self._root / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
            memory = _number(self._root / "memory" / "memory.limit_in_bytes")
        cores = float(quota) / float(period) if quota.isdigit() and period.isdigit() and int(period) else None
        return Limits(cores or None, memory if memory is not None and 0 < memory < UNLIMITED_BYTES else None)

    def cpu_seconds(self) -> float | None:
        """What the container has taken of processors since it began; None where that cannot be read."""
        if self._is_second:
            micro = _line(self._root / "cpu.stat", "usage_usec")
            return None if micro is None else micro / 1e6
        nano = _number(self._root / "cpuacct" / "cpuacct.usage")
        return None if nano is None else nano / 1e9

    def memory_used(self) -> float | None:
        """Bytes that it holds, without files that can be let go; None where that cannot be read."""
        name, held, inactive = (
            ("", "memory.current", "inactive_file") if self._is_second else ("memory", "memory.usage_in_bytes", "total_inactive_file")
        )
        used, cached = _number(self._root / name / held), _line(self._root / name / "memory.stat", inactive)
        return None if used is None else max(0.0, used - (cached or 0.0))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if text.isdigit() else None


def _line(path: Path, name: str) -> float | None:
    """The number behind a name in a file of names and numbers."""
    found = (line.split() for line in _text(path).splitlines())
    return next((float(words[1]) for words in found if len(words) == 2 and words[0] == name and words[1].isdigit()), None)
