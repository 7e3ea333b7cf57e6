"""Buckets that are still open, level above level: a sample goes into the finest, and what closes goes on into the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from drm.history.accumulator import Accumulator, Samples
from drm.history.buckets import Cells, ClosedCells, KeptCells, metric_names
from drm.history.cells import CellRing
from drm.history.levels import STEPS_SECONDS
from drm.history.series import SeriesRing
from drm.model import RESOURCES, FloatArray

Ring = TypeVar("Ring", CellRing, SeriesRing)


class Cascade(Generic[Ring]):
    """The four levels of one kind of ring, with the open bucket of each; cells are in the order of the samples."""

    def __init__(self, rings: Sequence[Ring], shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.rings: Sequence[Ring] = rings
        self.open = [Accumulator(shape, dtype) for _ in rings]

    def written(self, level: int) -> tuple[Samples, Samples]:
        """(mean, max) of the open bucket of a level: what it was given, and what is still open below."""
        if level == 0:
            return self.open[0].result()
        whole = Accumulator(self.open[level].sum.shape, self.open[level].sum.dtype)
        for accumulator in self.open[: level + 1]:
            whole.merge(accumulator)
        return whole.result()

    def close(self, level: int) -> None:
        """Passes what a closed bucket held on to the next level."""
        if level + 1 < len(self.open):
            self.open[level + 1].merge(self.open[level])
        self.open[level].clear()

    def take(self, cells: npt.NDArray[np.intp], size: int) -> None:
        """Moves the open buckets to a new order of cells, `size` in all."""
        self.open = [accumulator.taken(cells, size) for accumulator in self.open]


class WorkerCells(Cascade[CellRing]):
    """The cells of one set of workers: those of all for cpu and memory, those with a GPU for gpu and gpu_memory."""

    def __init__(self, resources: slice, kept: Sequence[int]) -> None:
        self.resources = resources
        self.names = metric_names(resources)
        super().__init__([CellRing(len(self.names), buckets) for buckets in kept], (len(self.names), 0), np.float32)
        self.ids: tuple[str, ...] = ()
        self._rows: list[npt.NDArray[np.intp]] = [np.empty(0, np.intp) for _ in STEPS_SECONDS]

    def flush(self, level: int) -> tuple[Cells, Cells] | None:
        """Writes the open bucket as it stands, and returns its stored bytes (metrics, k): mean and max."""
        return self.rings[level].write(self._rows[level], *self.written(level)) if self.ids else None

    def set_members(self, worker_ids: tuple[str, ...], most_rows: int) -> list[ClosedCells]:
        """Takes over who is here; those who went keep what they have. Returns what stood open of them, by level."""
        open_cells = [self.closed(level) for level in range(len(self.rings))]
        place = {worker_id: cell for cell, worker_id in enumerate(self.ids)}
        stayed = [worker_id for worker_id in worker_ids if worker_id in place]
        came = [worker_id for worker_id in worker_ids if worker_id not in place]
        here = set(stayed)
        gone = [worker_id for worker_id in self.ids if worker_id not in here]
        self.ids = (*stayed, *came)
        self.take(np.fromiter((place[worker_id] for worker_id in stayed), np.intp, len(stayed)), len(self.ids))
        for ring in self.rings:
            ring.depart(gone)
        self._rows = [ring.join(self.ids, most_rows) for ring in self.rings]
        return [cells.of([place[worker_id] for worker_id in gone]) for cells in open_cells if cells is not None and gone]

    def closed(self, level: int) -> ClosedCells | None:
        """Writes the open bucket of a level, and returns it; None where nobody is here."""
        written = self.flush(level)
        if written is None:
            return None
        return ClosedCells(level, (self.rings[level].newest or 0) * STEPS_SECONDS[level], self.resources, self.ids, *written)

    def resume(self, level: int, finer: KeptCells, samples: int) -> None:
        """Adds closed buckets of an earlier run to the open one of a level, as `samples` ticks each."""
        place = {worker_id: cell for cell, worker_id in enumerate(self.ids)}
        cells = np.array([place.get(worker_id, -1) for worker_id in finer.worker_ids], np.intp)[finer.worker]
        self.open[level].restore(cells, finer.mean, finer.max, samples)

    def samples(self, used: FloatArray, allocated: FloatArray, order: npt.NDArray[np.intp]) -> Samples:
        """(metrics, k) for its workers, which stand at `order` in the columns."""
        columns = [measure[order, resource] for measure in (used, allocated) for resource in range(*self.resources.indices(len(RESOURCES)))]
        return np.array(columns, np.float32)
