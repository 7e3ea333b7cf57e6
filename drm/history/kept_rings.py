"""The rings, read from the history file: cells of workers, series of the fleet, and the bucket that was still open."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.history.buckets import SETS, ClosedCells, ClosedSeries, Kept, KeptCells, KeptSeries, OpenBucket, metric_names
from drm.history.file import HistoryFile
from drm.history.levels import STEPS_SECONDS
from drm.history.schema import LEVEL_NAMES


def kept_rings(file: HistoryFile, until: float) -> Kept:
    """What the rings keep, up to a time."""
    ids = dict(file.read("SELECT worker, worker_id FROM workers"))
    cells, series = [], []
    for name, step in zip(LEVEL_NAMES, STEPS_SECONDS, strict=True):
        cells.append(kept_cells(file, name, step, ids, until=until))
        series.append(_kept_series(file, name, step, until))
    return Kept(until, tuple(cells), tuple(series), _open_bucket(file, ids))


def kept_cells(
    file: HistoryFile, level: str, step: float, ids: dict[int, str], *, since: float = -math.inf, until: float = math.inf
) -> tuple[KeptCells, ...]:
    """The cells of one level over a time, by set of cells. `ids`: worker ids by number."""
    found = file.columns(f"SELECT * FROM samples_{level} WHERE epoch >= ? AND epoch <= ?", [since, until])
    workers, index = np.unique(np.asarray(found["worker"]), return_inverse=True)
    names = tuple(ids[int(number)] for number in workers)
    bucket = np.floor(np.asarray(found["epoch"]) / step + 0.5).astype(np.int64)
    kept = []
    for resources in SETS:
        metrics = [f"{measure}_{resource}" for measure, resource in metric_names(resources)]
        mean, maximum = (np.array([_stored(found[f"{metric}{end}"]) for metric in metrics]) for end in ("", "_max"))
        has = maximum.any(axis=0)
        if has.all():
            kept.append(KeptCells(names, index, bucket, mean, maximum))
        else:
            present, place = np.unique(index[has], return_inverse=True)
            kept.append(KeptCells(tuple(names[one] for one in present), place, bucket[has], mean[:, has], maximum[:, has]))
    return tuple(kept)


def _stored(column: Any) -> npt.NDArray[np.uint8]:
    """A column of cells as stored bytes."""
    return np.ma.filled(column.astype(np.uint8) + np.uint8(1), 0) if np.ma.isMaskedArray(column) else column + np.uint8(1)


def _kept_series(file: HistoryFile, level: str, step: float, until: float) -> KeptSeries:
    found = file.columns(f"SELECT * FROM fleet_{level} WHERE epoch <= ?", [until])
    names, index = np.unique(np.asarray(found["series"], dtype=object).astype(str), return_inverse=True)
    bucket = np.floor(np.asarray(found["epoch"]) / step + 0.5).astype(np.int64)
    return KeptSeries(tuple(names.tolist()), index, bucket, np.asarray(found["mean"]), np.asarray(found["max"]))


def _open_bucket(file: HistoryFile, ids: dict[int, str]) -> OpenBucket | None:
    rows = file.read("SELECT value FROM tail WHERE name = 'open_bucket'")
    if not rows:
        return None
    line, _, data = bytes(rows[0][0]).partition(b"\n")
    head = json.loads(line)
    at = 0

    def take(dtype: str, *shape: int) -> Any:
        nonlocal at
        array = np.frombuffer(data, dtype, math.prod(shape), at).reshape(shape)
        at += array.nbytes
        return array

    cells = []
    for one in head["cells"]:
        resources = next(each for each in SETS if each.start == one["set"])
        workers = one["workers"]
        numbers = take("<i4", workers)
        shape = (len(metric_names(resources)), workers)
        cells.append(
            ClosedCells(
                head["level"],
                head["start"],
                resources,
                tuple(ids[int(number)] for number in numbers),
                take("u1", *shape),
                take("u1", *shape),
            )
        )
    names = tuple(head["series"])
    series = ClosedSeries(head["level"], head["start"], names, take("<f8", len(names)), take("<f8", len(names))) if names else None
    return OpenBucket(head["level"], head["start"], head["samples"], tuple(cells), series)
