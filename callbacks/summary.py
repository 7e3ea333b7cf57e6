"""The Resource Summary: what the header's tick fills beside source and health, of the Snapshot that it was given."""

from __future__ import annotations

from typing import Any

from dash import Output, no_update

from drm import ids
from drm.figures import summary
from drm.figures.units import UNKNOWN
from drm.model import RESOURCES
from drm.snapshot import Snapshot

TEXTS = ("total", "used", "allocated")
BARS = ("used", "allocated")

OUTPUTS = {
    "workers": {part: Output(ids.summary("workers", part), "children") for part in ("value", "note", "warning")},
    "resources": {
        name: {
            "hidden": Output(ids.summary(name, "item"), "hidden"),
            **{part: Output(ids.summary(name, part), "children") for part in TEXTS},
            **{bar: Output(ids.summary(name, bar), "style") for bar in (f"{one}-bar" for one in BARS)},
        }
        for name in RESOURCES
    },
    "scaling": {part: Output(ids.summary("scaling", part), "children") for part in ("value", "note")},
    "cost": Output(ids.summary("cost", "value"), "children"),
    "budget": Output(ids.summary("cost", "warning"), "children"),
    "cost_hidden": Output(ids.summary("cost", "item"), "hidden"),
}


def fill(snapshot: Snapshot, events: tuple[int, int], range_seconds: float, budget: str) -> dict[str, Any]:
    """What `OUTPUTS` get; `events`: the scale-ups and scale-downs of the range; `budget`: what is to be said of it, in a few words."""
    cost = summary.cost_text(snapshot)
    return {
        "workers": summary.workers_text(snapshot),
        "resources": {name: _resource(summary.resource_text(snapshot, name)) for name in RESOURCES},
        "scaling": summary.scaling_text(events, range_seconds),
        "cost": cost or UNKNOWN,
        "budget": budget,
        "cost_hidden": not (cost or budget),
    }


def _resource(text: dict[str, Any] | None) -> dict[str, Any]:
    if text is None:
        return {"hidden": True, **dict.fromkeys((*TEXTS, *(f"{bar}-bar" for bar in BARS)), no_update)}
    return {
        "hidden": False,
        **{part: text[part] for part in TEXTS},
        **{f"{bar}-bar": {"width": f"{text[f'{bar}_width']:.1f}%"} for bar in BARS},
    }
