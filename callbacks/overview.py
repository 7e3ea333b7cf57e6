"""Overview: fills the cards from one Snapshot, and draws the pool's window when it is new."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.callbacks.ticks import draw_in_browser, read_tick
from drm.figures import overview
from drm.model import RESOURCES
from drm.state import DRMState

KEY = "overview"
NUMBER_PARTS = ("value", "note", "more", "warning")
BAR_TEXTS = ("used", "allocated", "capacity")
BARS = ("used", "allocated")


def register(app: Dash, state: DRMState) -> None:
    """Adds the tab's callbacks."""
    draw_in_browser(app, KEY)

    @app.callback(
        output={
            "workers": {part: Output(ids.card("workers", part), "children") for part in NUMBER_PARTS},
            "tasks": {part: Output(ids.card("tasks", part), "children") for part in NUMBER_PARTS},
            "decision": {part: Output(ids.card("decision", part), "children") for part in ("action", "now")},
            "resources": {
                name: {
                    "hidden": Output(ids.card(name, "row"), "hidden"),
                    **{part: Output(ids.card(name, part), "children") for part in BAR_TEXTS},
                    **{f"{bar}_width": Output(ids.card(name, f"{bar}-bar"), "style") for bar in BARS},
                }
                for name in RESOURCES
            },
            "resources_note": Output(ids.card("resources", "note"), "children"),
            "wire": Output(ids.wire(KEY), "data"),
            "drawn": Output(ids.drawn(KEY), "data"),
            "empty": Output(ids.empty(KEY), "children"),
        },
        inputs={"tick": Input(ids.tick(KEY), "data"), "drawn": State(ids.drawn(KEY), "data")},
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, drawn: str | None) -> dict[str, Any]:
        asked = read_tick(tick)
        snapshot = state.snapshot
        seconds, scheme = asked.range_seconds, asked.scheme
        window = state.fleet(seconds)
        etag = f"{window.etag} {scheme} {seconds}"
        figure = overview.build(window, scheme, seconds) if etag != drawn else None
        resources = {name: overview.resource_text(snapshot, name) for name in RESOURCES}
        return {
            "workers": overview.workers_text(snapshot),
            "tasks": overview.tasks_text(snapshot),
            "decision": overview.decision_text(snapshot),
            "resources": {name: _bar(text) for name, text in resources.items()},
            "resources_note": "" if any(resources.values()) else "No worker has joined yet: what they have shows here once one runs.",
            "wire": figure if figure is not None else no_update,
            "drawn": etag,
            "empty": no_update
            if etag == drawn or figure
            else "Nothing is recorded yet: the first tick of the controller begins the history.",
        }


def _bar(text: dict[str, Any] | None) -> dict[str, Any]:
    if text is None:
        return {"hidden": True, **dict.fromkeys((*BAR_TEXTS, *(f"{bar}_width" for bar in BARS)), no_update)}
    return {
        "hidden": False,
        **{part: text[part] for part in BAR_TEXTS},
        **{f"{bar}_width": {"width": f"{text[f'{bar}_width']:.1f}%"} for bar in BARS},
    }
