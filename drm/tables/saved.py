"""Which tables each tab has to save, in the order in which it offers them; the first is what is meant where none is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drm.analysis.efficiency import present
from drm.figures import cloud
from drm.model import RESOURCES
from drm.tables import decisions, efficiency, focus, pool, utilization
from drm.tables.table import Table
from drm.view import View

COLUMNS = 360
"""Parts of a range, as on the screen."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a table is made of."""

    view: View
    """What the page shows."""
    windows: View
    """The same, whose moment stands still, for what is asked part by part."""
    source: str
    range_seconds: float
    columns: int | None = None
    """None: as many as the tab's figure has."""
    resources: tuple[str, ...] = ()
    """Empty: those that the pool had in the range."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One table of a tab."""

    name: str
    label: str
    """On the button that saves it."""
    build: Callable[[Wanted], Table]


def _series(wanted: Wanted) -> Table:
    return pool.series(wanted.view, wanted.source, wanted.range_seconds, wanted.columns or COLUMNS)


def _cloud_series(wanted: Wanted) -> Table:
    return pool.series(wanted.view, wanted.source, wanted.range_seconds, wanted.columns or cloud.COLUMNS)


def _decisions(wanted: Wanted) -> Table:
    return decisions.decisions(wanted.source, decisions.decisions_in(wanted.view, wanted.view.start(wanted.range_seconds)))


def _utilization(wanted: Wanted) -> Table:
    seconds = wanted.range_seconds
    seen = present(wanted.view.fleet(seconds))
    resources = [name for name in RESOURCES if name in (wanted.resources or seen or RESOURCES[:2])]
    has = utilization.capacities(wanted.view, seconds)
    return utilization.utilization(wanted.windows, has, wanted.source, seconds, wanted.columns or COLUMNS, resources)


def _lifetimes(wanted: Wanted) -> Table:
    return pool.lifetimes(wanted.view.lifetimes_in(wanted.range_seconds), wanted.source)


def _workers(wanted: Wanted) -> Table:
    return pool.workers(wanted.view, wanted.source)


def _worker_efficiency(wanted: Wanted) -> Table:
    has = utilization.capacities(wanted.view, wanted.range_seconds)
    return efficiency.workers(wanted.view, has, wanted.source, wanted.range_seconds)


def _task_efficiency(wanted: Wanted) -> Table:
    return efficiency.tasks(wanted.view, wanted.source, wanted.range_seconds)


def _pool_efficiency(wanted: Wanted) -> Table:
    return efficiency.pool(wanted.view, wanted.source, wanted.range_seconds, wanted.columns or COLUMNS)


def _lines(wanted: Wanted) -> Table:
    return pool.lines(wanted.view.cloud_totals(), wanted.source)


def _focus(wanted: Wanted) -> Table:
    return focus.focus(wanted.view, wanted.source, wanted.range_seconds)


SAVED: Mapping[str, tuple[Saved, ...]] = {
    "overview": (Saved("series", "Pool and demand over time", _series), Saved("decisions", "Decisions", _decisions)),
    "utilization": (Saved("utilization", "Workers over time", _utilization), Saved("lifetimes", "Lifetimes of workers", _lifetimes)),
    "scaling": (Saved("series", "Pool and demand over time", _series), Saved("decisions", "Decisions", _decisions)),
    "allocation": (Saved("workers", "Workers", _workers),),
    "efficiency": (
        Saved("workers", "Workers by efficiency", _worker_efficiency),
        Saved("tasks", "Tasks: asked for and used", _task_efficiency),
        Saved("pool", "Efficiency over time", _pool_efficiency),
    ),
    "cloud": (
        Saved("lines", "Instances and spend", _lines),
        Saved("series", "By provider over time", _cloud_series),
        Saved("focus", "Costs of the range (FOCUS)", _focus),
    ),
}
"""By key of the tab."""
