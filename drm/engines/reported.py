"""What a worker of an external pool says of itself over the network, and who may say it: one program under each id.

A program names itself by an `instance` that it makes up when it starts. As long as one is heard of, another one under the same id is
refused; once it has been silent, or has said that it leaves, the next one takes its place, as after a restart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from drm.errors import DuplicateIdError, InvalidValueError
from drm.model import NAME_LIMIT, RESOURCES, UNITS, FloatArray, Resources
from drm.observation import Notice

LABELS_LIMIT = 64
RIVAL_SHOWN_SECONDS = 150.0
"""So long after it was refused last a second program is told of on the page: an agent tries again each minute at least."""
TOLD_AGAIN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class PastSample:
    """What was used so many seconds before the report that tells it."""

    age_seconds: float
    used: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """`used` is of now, however the clock of the worker stands; what it leaves out was not measured."""

    instance: str
    capacity: Resources
    used: Mapping[str, float]
    labels: Mapping[str, str] | None = None
    """None: as they were."""
    sequence: int | None = None
    """Counts the reports of an instance, so that one that was overtaken is not taken for the present."""
    past: tuple[PastSample, ...] = ()


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of a report."""

    registered: bool
    """It was the first of this worker, or the first after it was lost."""
    is_newest: bool
    """It counts as the present; False where a later one of the same program has arrived before it."""
    kept: int = 0
    """Past samples that history is asked to take."""
    dropped: int = 0
    """Past samples that are older than history keeps in detail, or for which there was no room."""


@dataclass(slots=True)
class _Holder:
    instance: str
    sequence: int = -1
    rival: str = ""
    refused_at: float = -math.inf
    """When the rival was refused last."""
    both_live: bool = False
    """It was heard of after the rival was refused: a program that took the place of an ended one has no such rival."""
    told_at: float = -math.inf


@dataclass(slots=True)
class Identities:
    """Which program reports under each id. Times are those of the engine's observations; not thread-safe."""

    takeover_seconds: float
    """A program that was silent for so long has made room."""
    _holders: dict[str, _Holder] = field(default_factory=dict)
    _notices: list[Notice] = field(default_factory=list)

    def claim(self, worker_id: str, report: WorkerReport, silence_seconds: float, now: float) -> bool:
        """Whether the report is the newest of its program. DuplicateIdError where another one is heard of under this id."""
        holder = self._holders.get(worker_id)
        if holder is None:
            holder = self._holders[worker_id] = _Holder(report.instance)
        elif holder.instance != report.instance:
            if silence_seconds < self.takeover_seconds:
                holder.rival, holder.refused_at = report.instance, now
                raise DuplicateIdError(
                    f"another program reports as worker {worker_id!r} and was heard of {silence_seconds:.0f} s ago: give each host an id "
                    f"of its own; after a restart the old one makes room within {self.takeover_seconds:g} s"
                )
            holder = self._holders[worker_id] = _Holder(report.instance, told_at=holder.told_at)
        elif holder.rival and now - holder.refused_at <= RIVAL_SHOWN_SECONDS:
            self._tell(worker_id, holder, now)
        is_newest = report.sequence is None or report.sequence > holder.sequence
        holder.sequence = holder.sequence if report.sequence is None else max(holder.sequence, report.sequence)
        return is_newest

    def release(self, worker_id: str, instance: str) -> None:
        """A program ends: the next one under this id need not wait."""
        holder = self._holders.get(worker_id)
        if holder is not None and holder.instance == instance:
            del self._holders[worker_id]

    def forget(self, worker_id: str) -> None:
        """The worker is gone."""
        self._holders.pop(worker_id, None)

    def take_notices(self) -> tuple[Notice, ...]:
        """What is to be kept of conflicts since the last call."""
        notices, self._notices = tuple(self._notices), []
        return notices

    def contested(self, now: float) -> tuple[str, ...]:
        """Ids under which two programs report now."""
        return tuple(one for one, holder in self._holders.items() if holder.both_live and now - holder.refused_at <= RIVAL_SHOWN_SECONDS)

    def _tell(self, worker_id: str, holder: _Holder, now: float) -> None:
        """Both have been heard of now. Kept once an hour, however long it goes on."""
        holder.both_live = True
        if now - holder.told_at < TOLD_AGAIN_SECONDS:
            return
        holder.told_at = now
        text = (
            f"two programs report as worker {worker_id}: the one that came second ({holder.rival[:12]}) is refused; give each host an id "
            "of its own (drm agent --id)"
        )
        self._notices.append(Notice("two_reporters", text, (worker_id,), actor="worker"))


def check_worker(worker_id: str, capacity: Resources, labels: Mapping[str, str] | None) -> None:
    """InvalidValueError where one of them is none."""
    if not isinstance(worker_id, str) or not 0 < len(worker_id) <= NAME_LIMIT:
        raise InvalidValueError(f"a worker id must be a string of 1 to {NAME_LIMIT} characters, got {worker_id!r}"[:NAME_LIMIT])
    if not isinstance(capacity, Resources) or not capacity:
        raise InvalidValueError(f"capacity must be Resources of which at least one is more than 0, got {capacity!r}")
    if labels is not None and len(labels) > LABELS_LIMIT:
        raise InvalidValueError(f"a worker has at most {LABELS_LIMIT} labels, got {len(labels)}")


def cut_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """No longer than they may be."""
    return {str(key)[:NAME_LIMIT]: str(value)[:NAME_LIMIT] for key, value in labels.items()}


def read_used(worker_id: str, used: Resources | Mapping[str, float]) -> FloatArray:
    """(4,), NaN where nothing was measured; InvalidValueError for what is no amount."""
    if isinstance(used, Resources):
        return used.vector()
    unknown = set(used) - set(RESOURCES)
    if unknown:
        raise InvalidValueError(f"worker {worker_id!r} reports {sorted(unknown)[0]!r}; resources are {', '.join(RESOURCES)}")
    measured = np.full(len(RESOURCES), np.nan)
    for index, name in enumerate(RESOURCES):
        amount = used.get(name)
        if amount is None:
            continue
        if not isinstance(amount, (int, float, np.number)) or not math.isfinite(amount) or amount < 0:
            raise InvalidValueError(f"worker {worker_id!r}: used {name} must be finite {UNITS[name]} and not negative, got {amount!r}")
        measured[index] = amount
    return measured
