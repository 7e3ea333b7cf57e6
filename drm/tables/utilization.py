"""Workers x time as a long table: what each worker used and had allocated in each part of a range, as fractions and as amounts.

A row is a worker and a time at which something of it was sampled, so a gap has none. No worker shares a row with another, but for those
that went so long ago that they are kept together only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.figures.units import plain
from drm.history.grouping import natural_key
from drm.history.window import CELLS_PER_UNIT, MISSING, HeatmapWindow
from drm.model import RESOURCES, UNITS, FloatArray
from drm.tables.table import Block, Kind, Table
from drm.view import View
from drm.windows import MEASURES

WORKERS_AT_ONCE = 100

Cells = Mapping[tuple[str, str], HeatmapWindow]
"""By resource and measure."""


def utilization(
    windows: View, capacities: Mapping[str, FloatArray], source: str, range_seconds: float, columns: int, resources: Sequence[str]
) -> Table:
    """`windows`: what is asked part by part, so a view whose moment stands still. `capacities`: (4,) by worker, where it is known."""
    kinds: dict[str, Kind] = {"time_utc": "time", "seconds": "number", "worker_id": "text"}
    for name in resources:
        for measure in MEASURES:
            kinds |= {f"{measure}_{name}": "number", f"{measure}_{name}_max": "number", f"{measure}_{name}_{UNITS[name]}": "number"}
    return Table("utilization", source, kinds, _blocks(windows, capacities, range_seconds, columns, resources))


def capacities(view: View, range_seconds: float) -> dict[str, FloatArray]:
    """What each worker of the range has, or had last."""
    gone = {one.worker_id: one.capacity.vector() for one in view.lifetimes_in(range_seconds)}
    snapshot = view.snapshot
    return gone | dict(zip(snapshot.worker_ids, snapshot.capacity, strict=True))


def _blocks(
    windows: View, capacities: Mapping[str, FloatArray], range_seconds: float, columns: int, resources: Sequence[str]
) -> Iterator[Block]:
    def ask(worker_ids: Sequence[str] | None, rows: int) -> Cells:
        keys = [(name, measure) for name in resources for measure in MEASURES]
        return {key: windows.heatmap(range_seconds, *key, rows, columns, worker_ids) for key in keys}

    known = {worker_id for name in resources for worker_id in windows.worker_means(range_seconds, name).worker_ids}
    ids, unknown = sorted(known, key=natural_key), np.full(len(RESOURCES), np.nan)
    for first in range(0, len(ids), WORKERS_AT_ONCE):
        some = ids[first : first + WORKERS_AT_ONCE]
        yield _block(ask(some, len(some)), some, np.array([capacities.get(worker_id, unknown) for worker_id in some]))
    # Who shares a row by the number of rows has one above; who is kept together only has no id.
    every = ask(None, 1)
    together = sorted({row.label for window in every.values() for row in window.rows if not row.worker_ids})
    if together:
        yield _block(every, together, unknown[None, :])


def _block(found: Cells, labels: Sequence[str], capacity: FloatArray) -> Block:
    """The rows of these labels: each in turn, over time. `capacity`: (k, 4)."""
    window = next(iter(found.values()))
    cells = {key: (_rows(one, one.mean, labels), _rows(one, one.max, labels)) for key, one in found.items()}
    sampled = np.logical_or.reduce([maximum != MISSING for _, maximum in cells.values()])
    worker, column = np.nonzero(sampled)
    texts = np.array([plain(label, 256) for label in labels], object)
    block: dict[str, Any] = {
        "time_utc": window.times[column],
        "seconds": np.full(len(column), window.step_seconds),
        "worker_id": texts[worker],
    }
    for (name, measure), (mean, maximum) in cells.items():
        fractions = _fractions(mean[sampled])
        block[f"{measure}_{name}"], block[f"{measure}_{name}_max"] = fractions, _fractions(maximum[sampled])
        block[f"{measure}_{name}_{UNITS[name]}"] = fractions * capacity[worker, RESOURCES.index(name)]
    return block


def _rows(window: HeatmapWindow, cells: npt.NDArray[np.uint8], labels: Sequence[str]) -> npt.NDArray[np.uint8]:
    """The cells of these rows; a row that the window lacks is missing."""
    place = {label: index for index, label in enumerate(labels)}
    whole = np.full((len(labels), len(window.times)), MISSING, np.uint8)
    shown = [index for index, row in enumerate(window.rows) if row.label in place]
    whole[[place[window.rows[index].label] for index in shown]] = cells[shown]
    return whole


def _fractions(cells: npt.NDArray[np.uint8]) -> FloatArray:
    return np.where(cells == MISSING, np.nan, cells / CELLS_PER_UNIT)
