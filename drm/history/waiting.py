"""What waits to be written: a bounded queue. Where there is no room samples go first, of the oldest batches; then records."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

from drm.history.batch import Batch
from drm.history.gaps import Gap
from drm.history.writing import COST_SECONDS, without_samples

MOST_SAMPLES, MOST_RECORDS, MOST_BATCHES = 500_000, 100_000, 20_000
"""So many wait to be written at most."""
BATCHES_AT_ONCE, SAMPLES_AT_ONCE = 500, 100_000


@dataclass(frozen=True, slots=True)
class Dropped:
    """What could not be kept, and of which time."""

    samples: int = 0
    records: int = 0
    since: float = math.inf
    until: float = -math.inf

    @classmethod
    def of(cls, batch: Batch) -> Dropped:
        """The whole of a batch."""
        return cls(batch.samples, batch.records, batch.epoch, batch.epoch)

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(
            self.samples + other.samples, self.records + other.records, min(self.since, other.since), max(self.until, other.until)
        )

    def __bool__(self) -> bool:
        return bool(self.samples or self.records)

    def gap(self) -> Gap:
        """The hole that it leaves."""
        return Gap(self.since, self.until, f"{self.samples} samples and {self.records} records of this time could not be kept")


class WaitingBatches:
    """Not thread-safe: the lock of the recorder guards it."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self.samples = self.records = 0
        """How many of them wait."""

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, batch: Batch) -> Dropped:
        """Appends a batch; what had to go for it."""
        if self._batches:
            self._shorten_last(batch)
        self._batches.append(batch)
        self._count(batch, 1)
        return self._make_room()

    def take(self) -> list[Batch]:
        """The oldest ones, as many as are written at once."""
        taken: list[Batch] = []
        samples = 0
        while self._batches and len(taken) < BATCHES_AT_ONCE and samples < SAMPLES_AT_ONCE:
            batch = self._batches.popleft()
            samples += batch.samples
            self._count(batch, -1)
            taken.append(batch)
        return taken

    def _count(self, batch: Batch, sign: int) -> None:
        self.samples += sign * batch.samples
        self.records += sign * batch.records

    def _shorten_last(self, new: Batch) -> None:
        """Takes out of the last batch that waits what a new one makes idle: a run of evaluations is one decision that grows."""
        last = self._batches.pop()
        grown = {one.id for one in new.decisions}
        shorter = replace(last, decisions=tuple(one for one in last.decisions if one.id not in grown))
        self.records -= last.records - shorter.records
        if shorter.samples or shorter.records or shorter.epoch // COST_SECONDS != new.epoch // COST_SECONDS:
            self._batches.append(shorter)

    def _make_room(self) -> Dropped:
        dropped = Dropped()
        for index, batch in enumerate(self._batches):
            if self.samples <= MOST_SAMPLES:
                break
            if batch.samples:
                dropped += replace(Dropped.of(batch), records=0)
                self.samples -= batch.samples
                self._batches[index] = without_samples(batch)
        while (self.records > MOST_RECORDS or len(self._batches) > MOST_BATCHES) and len(self._batches) > 1:
            gone = self._batches.popleft()
            dropped += Dropped.of(gone)
            self._count(gone, -1)
        return dropped
