"""What the controls above the heatmap ask for, as the window that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import Input, State

from drm import ids
from drm.analysis.worker_order import ANY, SORTS, Filters, worker_order
from drm.callbacks.ticks import read_group, read_tick, view_at
from drm.errors import InvalidValueError
from drm.figures.utilization import SHOWS
from drm.history.window import HeatmapWindow
from drm.snapshot import Snapshot
from drm.state import DRMState
from drm.view import View

TEXT_LIMIT = 200
CHOSEN = [ids.CELLS_FILTERS.index(name) for name in (ids.CELLS_STATE, ids.CELLS_TYPE, ids.CELLS_PROVIDER)]
"""The filters that are chosen from a list."""
SHOW_RULE, SORT_RULE = ", ".join(SHOWS), ", ".join(SORTS)


def controls(kind: type[Input] | type[State]) -> dict[str, Any]:
    """The controls, as inputs or as states."""
    return {
        "resource": kind(ids.RESOURCE, "value"),
        "measure": kind(ids.MEASURE, "value"),
        "selected": kind(ids.SELECTED, "data"),
        "show": kind(ids.CELLS_SHOW, "value"),
        "sort": kind(ids.CELLS_SORT, "value"),
        "filters": [kind(name, "value") for name in ids.CELLS_FILTERS],
    }


class HeatAsked:
    """What is asked for: read, checked and looked up. InvalidValueError on what no page of ours sends."""

    def __init__(self, state: DRMState, tick: object, asked: Mapping[str, Any]) -> None:
        self.tick = read_tick(tick)
        self.resource, self.measure = asked["resource"], asked["measure"]
        self.show, self.sort = asked["show"] or SHOWS[0], asked["sort"] or SORTS[0]
        if self.show not in SHOWS or self.sort not in SORTS:
            raise InvalidValueError(f"cells show one of {SHOW_RULE}, rows are by one of {SORT_RULE}, got {self.show!r}, {self.sort!r}")
        self.filters = _read_filters(asked["filters"])
        self.group = read_group(asked["selected"])
        self.view: View = view_at(state, self.tick.at)
        self.window: HeatmapWindow = self.view.heatmap(
            self.tick.range_seconds,
            self.resource,
            self.measure,
            worker_ids=self.group,
            arrange=worker_order(self.filters, self.sort, self.view.snapshot, self.view.lifetimes_of),
            high=self.show == "high",
        )

    def __str__(self) -> str:
        """Changes when the figure may have."""
        window, tick = self.window, self.tick
        chosen = f"{self.resource} {self.measure} {self.group} {self.show} {self.sort} {self.filters}"
        return f"{window.etag} {window.workers} {window.left_out} {tick.range_seconds} {tick.scheme} {chosen} {self.view.moment}"


def options(snapshot: Snapshot, name: str, chosen: str) -> list[dict[str, str]]:
    """What the workers that are here have, `type` or `provider`, and what is asked for."""
    there = {getattr(snapshot.kinds[number], name) or "" for number in set(snapshot.kind.tolist())}
    return [dict.fromkeys(("label", "value"), one) for one in (ANY, *sorted({*there, chosen} - {"", ANY}))]


def _read_filters(texts: object) -> Filters:
    if not isinstance(texts, list) or not all(text is None or (isinstance(text, str) and len(text) <= TEXT_LIMIT) for text in texts):
        raise InvalidValueError(f"a filter is a text of at most {TEXT_LIMIT} letters: reload the page")
    return Filters(*("" if text in (None, ANY) and place in CHOSEN else text or "" for place, text in enumerate(texts)))
