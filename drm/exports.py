"""The figures that can be written to files: from the guide's name to a file's stem and to what draws it. A figure more is a line more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

import numpy as np

from drm.analysis.allocation import look
from drm.figures import allocation, cloud, efficiency, heat_panels, scaling, utilization
from drm.figures.finished import difference, finish
from drm.figures.theme import Figure
from drm.history.levels import BUCKETS, STEPS_SECONDS
from drm.history.window import SeriesWindow
from drm.model import RESOURCES
from drm.view import View

FEWEST_SECONDS, FEWEST_COLUMNS = 30.0, 6
"""With fewer, one column would be as wide as the figure, and its axis without a scale."""
COLUMNS, MOST_ROWS = 360, 150
MEASURE = "used"
MOST_CELLS = 100_000
"""Of all panels of a heatmap: 1.2 MB as a file."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a figure is drawn of."""

    state: View
    """Best one that stands still (drm.still), because a figure is built in light and in dark."""
    range_seconds: float
    optimizer: Any = None
    """The ResourceOptimizer, if there is one."""
    scheme: str = "light"
    zone: tzinfo | None = None
    """Whose clock the times are shown by; None: this machine's."""


@dataclass(frozen=True, slots=True)
class Export:
    """One figure: the tab that shows it live (`key`), its file's name without the ending, and what draws it.

    `build` gives the figure as the tab's module does, or None where nothing was measured yet; `empty` then says in words how to get it.
    """

    key: str
    stem: str
    title: str
    build: Callable[[Scope], Figure | None]
    empty: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure that is ready for a file: in light colours, and what is other in dark ones. `figure` None: there was nothing to draw."""

    export: Export
    figure: Figure | None
    dark: list[tuple[tuple[str | int, ...], Any]]


def draw(export: Export, scope: Scope) -> Drawn:
    """The figure as of now."""
    light, dark = (_finished(export.build(replace(scope, scheme=scheme)), scope.zone) for scheme in ("light", "dark"))
    if light is None or dark is None:
        return Drawn(export, None, [])
    return Drawn(export, light, difference(light, dark))


def recorded_seconds(state: View, most_seconds: float) -> float:
    """The range that holds what was recorded, in whole columns of a window; `most_seconds` at most, 30 s and six columns at least."""
    most_seconds = min(most_seconds, STEPS_SECONDS[-1] * BUCKETS)
    for step in STEPS_SECONDS:
        span = min(step * BUCKETS, most_seconds)
        window = state.fleet(span, BUCKETS)
        known = np.flatnonzero(_recorded(window))
        if len(known) and (known[0] > 0 or span >= most_seconds):
            since_first = window.end - float(window.times[known[0]])
            whole = (math.floor(since_first / window.step_seconds) + 1) * window.step_seconds
            return min(most_seconds, max(FEWEST_SECONDS, FEWEST_COLUMNS * window.step_seconds, whole))
    return min(most_seconds, FEWEST_SECONDS)


def _recorded(window: SeriesWindow) -> Any:
    return np.isfinite(window.mean.get("workers_current", np.full(len(window.times), np.nan)))


def _finished(figure: Figure | None, zone: tzinfo | None) -> Figure | None:
    return None if figure is None else finish(figure, zone)


def _first_present(state: View) -> str:
    """The first resource that the pool has."""
    totals = state.snapshot.totals(state.snapshot.capacity)
    return next((name for name, whole in zip(RESOURCES, totals, strict=True) if whole > 0), RESOURCES[0])


def _allocation(scope: Scope) -> Figure | None:
    held = look(scope.state.snapshot, _first_present(scope.state), "allocated").holdings
    return allocation.build(held, scope.scheme, "export")


def _efficiency(scope: Scope) -> Figure | None:
    seconds = scope.range_seconds
    return efficiency.build(scope.state.fleet(seconds), _first_present(scope.state), scope.scheme, seconds)


def _cloud(scope: Scope) -> Figure | None:
    window = scope.state.fleet(scope.range_seconds, cloud.COLUMNS)
    return cloud.build(window, scope.state.cloud_totals(), scope.scheme, scope.range_seconds)


def _scaling(scope: Scope) -> Figure | None:
    """With the demand for the first resource that the pool has."""
    seconds, resource = scope.range_seconds, _first_present(scope.state)
    return scaling.build(scope.state.fleet(seconds), scope.state.decision_columns(seconds), resource, scope.scheme, seconds)


def _heatmap(scope: Scope) -> Figure | None:
    """A panel for each resource present."""
    snapshot = scope.state.snapshot
    windows = {name: scope.state.heatmap(scope.range_seconds, name, MEASURE, MOST_ROWS, COLUMNS) for name in RESOURCES}
    names = heat_panels.measured(windows)
    if not names:
        return None
    rows = min(MOST_ROWS, MOST_CELLS // (COLUMNS * len(names)))
    panels = {}
    for name in names:
        window = windows[name] if len(windows[name].rows) <= rows else scope.state.heatmap(scope.range_seconds, name, MEASURE, rows)
        # Amounts of one worker are told under the pointer; of a group they would say little and double the file.
        whole = snapshot.capacity[:, RESOURCES.index(name)].tolist() if all(len(row.worker_ids) < 2 for row in window.rows) else []
        capacities = dict(zip(snapshot.worker_ids, whole, strict=False))
        panel = utilization.build(window, capacities, name, MEASURE, scope.scheme, scope.range_seconds)
        if panel is not None:
            panels[name] = finish(panel, scope.zone)
    has = dict(zip(RESOURCES, snapshot.totals(snapshot.capacity) > 0, strict=True))
    return heat_panels.stacked(panels, MEASURE, scope.scheme, [name for name in RESOURCES if has[name] and name not in panels])


START_A_WORKER = (
    "There is no data yet: no worker has been measured. Start a pool (`python app.py`), or tell the manager of your workers with "
    "register_worker(id, capacity=...) and report(id, used=...)."
)
TICK_FIRST = "There is no data yet: nothing was recorded. The controller's ticks make the history: Runner(DRMState(manager)) runs them."
CONNECT_A_CLOUD = (
    "There is no data yet: no worker has joined, and no cloud provider is connected. Give one to the figure: "
    "DRMVisualization(manager, cloud_provider_manager=CloudProviderManager([...]))."
)

EXPORTS = (
    Export("utilization", "resource_utilization_heatmap", "Resource utilization", _heatmap, START_A_WORKER),
    Export("scaling", "scaling_history", "Scaling history", _scaling, TICK_FIRST),
    Export("allocation", "resource_allocation", "Resource allocation", _allocation, START_A_WORKER),
    Export("efficiency", "resource_efficiency", "Resource efficiency", _efficiency, TICK_FIRST),
    Export("cloud", "cloud_resources", "Cloud resources", _cloud, CONNECT_A_CLOUD),
)


def export_of(key: str) -> Export:
    """The figure of a tab."""
    return next(export for export in EXPORTS if export.key == key)
