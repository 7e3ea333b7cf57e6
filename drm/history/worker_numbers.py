"""The numbers that stand for workers in the sample tables; one that was given is never given to another worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from drm.history.batch import Batch
from drm.history.buckets import ClosedCells
from drm.history.file import HistoryFile
from drm.history.schema import LEVEL_NAMES, SPEND_LEVEL_NAMES

SAMPLES = " UNION ".join(
    f"SELECT worker FROM {table}"
    for table in (*(f"samples_{name}" for name in LEVEL_NAMES), *(f"worker_costs_{name}" for name in SPEND_LEVEL_NAMES))
)


class WorkerNumbers:
    """Those that the file knows, by worker id. For the one thread that writes."""

    def __init__(self, file: HistoryFile) -> None:
        self._file = file
        self.all: dict[str, int] = dict(file.read("SELECT worker_id, worker FROM workers ORDER BY worker"))
        self._last = max(self.all.values(), default=0)
        self._last_before = 0
        """The last one when some were last forgotten."""

    @contextmanager
    def given_for(self, batches: Sequence[Batch]) -> Iterator[list[tuple[str, int]]]:
        """Numbers the workers of batches that have none, and tells them; they are taken back where the batches cannot be written."""
        last, new = self._last, []
        for worker_id in (worker_id for batch in batches for worker_id in _workers_of(batch)):
            if worker_id not in self.all:
                self._last += 1
                self.all[worker_id] = self._last
                new.append((worker_id, self._last))
        try:
            yield new
        except BaseException:
            for worker_id, _ in new:
                del self.all[worker_id]
            self._last = last
            raise

    def forget(self) -> None:
        """Takes away the numbers of those of whom no sample is kept any more."""
        # Who has got one since the last time may stand in the open bucket only; and the highest number says which comes next.
        most = min(self._last_before, self._last - 1)
        self._file.write([], [(f"DELETE FROM workers WHERE worker <= ? AND worker NOT IN ({SAMPLES})", [most])])
        self._last_before = self._last
        still = {number for (number,) in self._file.read("SELECT worker FROM workers")}
        self.all = {worker_id: number for worker_id, number in self.all.items() if number in still}


def _workers_of(batch: Batch) -> Iterator[str]:
    for block in batch.worker_spends:
        for piece in block.pieces:
            yield from piece.worker_ids
    for one in (*batch.closed, *(batch.open.cells if batch.open else ())):
        if isinstance(one, ClosedCells):
            yield from one.worker_ids
