"""Allocation: everything of one Snapshot, drawn when there is a newer one or another choice."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.analysis.allocation import SORTS, Allocation, look
from drm.callbacks import elements as html
from drm.callbacks.allocation_body import findings
from drm.callbacks.ticks import draw_in_browser, read_tick, view_at
from drm.errors import InvalidValueError
from drm.figures import allocation, packing
from drm.figures import allocation_text as words
from drm.figures.units import LABELS
from drm.model import RESOURCES
from drm.snapshot import Snapshot
from drm.state import DRMState

KEY = "allocation"
EMPTY: dict[str, Any] = {"data": [], "layout": {}}
RESOURCE_RULE, SORT_RULE = ", ".join(RESOURCES), ", ".join(SORTS)


def register(app: Dash, state: DRMState) -> None:
    """Adds the tab's callbacks."""
    draw_in_browser(app, KEY)
    draw_in_browser(app, ids.PACKING_KEY)
    # Any number of readers of one tick cost one look. A snapshot is its own key: it is never changed.
    shared_look = lru_cache(maxsize=4)(look)

    @app.callback(
        output={
            "wire": Output(ids.wire(KEY), "data"),
            "packing": Output(ids.wire(ids.PACKING_KEY), "data"),
            "drawn": Output(ids.drawn(KEY), "data"),
            "empty": Output(ids.empty(KEY), "children"),
            "options": Output(ids.ALLOCATION_RESOURCE, "options"),
            "findings": Output(ids.card(KEY, "findings"), "content"),
            "packing_hidden": Output(ids.card(ids.PACKING_KEY, "section"), "hidden"),
            "rows": Output(ids.card(KEY, "rows"), "children"),
            "keys": Output(ids.card(ids.PACKING_KEY, "keys"), "children"),
            "packing_note": Output(ids.card(ids.PACKING_KEY, "note"), "children"),
        },
        inputs={
            "tick": Input(ids.tick(KEY), "data"),
            "resource": Input(ids.ALLOCATION_RESOURCE, "value"),
            "sort": Input(ids.ALLOCATION_SORT, "value"),
            "drawn": State(ids.drawn(KEY), "data"),
        },
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, resource: object, sort: object, drawn: str | None) -> Any:
        if tick is None:
            return no_update
        asked = read_tick(tick)
        scheme, view = asked.scheme, view_at(state, asked.at)
        if resource not in RESOURCES or sort not in SORTS:
            raise InvalidValueError(f"a resource is one of {RESOURCE_RULE}, an order one of {SORT_RULE}, got {resource!r}, {sort!r}")
        snapshot = view.snapshot
        etag = f"{view.etag} {scheme} {resource} {sort}"
        if etag == drawn:
            return no_update
        return {"drawn": etag, **_answer(shared_look(snapshot, str(resource), str(sort)), snapshot, str(resource), str(sort), scheme)}


def _answer(seen: Allocation, snapshot: Snapshot, asked: str, sort: str, scheme: str) -> dict[str, Any]:
    resource = seen.resource
    bars = allocation.build(seen.holdings, scheme, f"{resource}-{sort}", legend=False)
    segments = packing.build(seen.packed, resource, snapshot.time, scheme, sort, legend=False)
    return {
        "wire": bars or EMPTY,
        "packing": segments or EMPTY,
        "empty": "" if bars else words.absent_text(snapshot),
        "options": [{"label": LABELS[name], "value": name} for name in seen.present] or no_update,
        "findings": findings(seen, snapshot.time) if bars else [],
        "packing_hidden": not segments,
        "rows": " ".join((words.instead_text(asked, resource), words.rows_text(seen.shown, seen.hidden, resource, sort))).strip(),
        "keys": [html.Span(text, className="drm-key", style={"--drm-key": colour}) for text, colour in segments["keys"]]
        if segments
        else [],
        "packing_note": words.packing_text(seen.packed, seen.packed_hidden),
    }
