"""Efficiency as tables: of the pool over time, of each worker, and of tasks by what they are called and ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from drm.analysis.efficiency import TaskUse, of_shapes, of_workers, over_time, present
from drm.figures.units import plain
from drm.model import RESOURCES, UNITS, FloatArray
from drm.tables.table import Block, Kind, Table
from drm.view import View


def pool(view: View, source: str, range_seconds: float, columns: int) -> Table:
    """What of the pool was allocated and used in each part of the range, and used / allocated, blank where nothing was."""
    window = view.fleet(range_seconds, columns)
    kinds: dict[str, Kind] = {"time_utc": "time", "seconds": "number"}
    block: dict[str, Any] = {"time_utc": window.times, "seconds": np.full(len(window.times), window.step_seconds)}
    for name in present(window):
        for measure in ("allocated", "used"):
            block[f"{measure}_{name}_{UNITS[name]}"] = window.mean[f"{measure}_{name}"]
        block[f"efficiency_{name}"] = over_time(window, name)
    kinds |= {name: "number" for name in block if name not in kinds}
    return Table("pool", source, kinds, [block])


def workers(view: View, capacities: Mapping[str, FloatArray], source: str, range_seconds: float) -> Table:
    """One row for each worker and resource: the means over the times at which it had something allocated, as fractions of its capacity and
    as amounts, and used / allocated; blank where it never had. `capacities`: (4,) by worker, where it is known."""
    kinds: dict[str, Kind] = {
        "worker_id": "text",
        "resource": "text",
        "unit": "text",
        "allocated_fraction": "number",
        "used_fraction": "number",
        "allocated": "number",
        "used": "number",
        "efficiency": "number",
    }
    return Table("workers", source, kinds, [_workers(view, capacities, range_seconds, name) for name in present(view.fleet(range_seconds))])


def tasks(view: View, source: str, range_seconds: float) -> Table:
    """One row for each name and request of tasks that ended in the range: what they asked for and used, of the attempts that were done."""
    now = view.snapshot.time
    uses = of_shapes(view.task_usage(range_seconds), now - range_seconds, now)
    kinds: dict[str, Kind] = {"name": "text", "attempts": "integer", "out_of_memory": "integer", "mean_running": "number"}
    kinds |= {"run_p50_seconds": "number", "lateness_p50": "number", "since_utc": "time", "until_utc": "time"}
    for name in RESOURCES:
        unit = UNITS[name]
        kinds |= {f"request_{name}_{unit}": "number", f"measured_{name}": "integer"}
        kinds |= {f"{rank}_{name}_{unit}": "number" for rank in ("p50", "p95", "max")}
        kinds[f"efficiency_{name}"] = "number"
    rows = [_task(use) for use in uses]
    block: Block = {name: [row[name] for row in rows] for name in kinds}
    return Table("tasks", source, kinds, [block])


def _workers(view: View, capacities: Mapping[str, FloatArray], range_seconds: float, name: str) -> Block:
    means = view.worker_means(range_seconds, name)
    index, count = RESOURCES.index(name), len(means.worker_ids)
    unknown = np.full(len(RESOURCES), np.nan)
    capacity = np.array([capacities.get(worker_id, unknown)[index] for worker_id in means.worker_ids], float)
    return {
        "worker_id": [plain(worker_id, 256) for worker_id in means.worker_ids],
        "resource": [name] * count,
        "unit": [UNITS[name]] * count,
        "allocated_fraction": means.allocated,
        "used_fraction": means.used,
        "allocated": means.allocated * capacity,
        "used": means.used * capacity,
        "efficiency": of_workers(means),
    }


def _task(use: TaskUse) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": plain(use.name, 256),
        "attempts": use.attempts,
        "out_of_memory": use.out_of_memory,
        "mean_running": use.mean_running,
        "run_p50_seconds": use.run_p50_seconds,
        "lateness_p50": use.lateness_p50,
        "since_utc": use.since,
        "until_utc": use.until,
    }
    for index, name in enumerate(RESOURCES):
        unit = UNITS[name]
        row |= {f"request_{name}_{unit}": float(use.request[index]), f"measured_{name}": int(use.measured[index])}
        row |= {f"{rank}_{name}_{unit}": float(getattr(use, rank)[index]) for rank in ("p50", "p95", "max")}
        row[f"efficiency_{name}"] = float(use.efficiency[index])
    return row
