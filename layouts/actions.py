"""What changes the pool, where the program allows it: a worker's buttons, and the panel of bounds and policy, filled in the browser."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.time_range import QUIET, named

OF_WORKER = (
    ("cordon", "Cordon", "No new task on this worker"),
    ("uncordon", "Uncordon", "New tasks on this worker again"),
    ("drain", "Drain", "No new task on this worker, and its end once the running ones have ended"),
)


def worker_buttons() -> list[Component]:
    """Which of them are shown depends on the state of the worker that is open."""
    return [
        html.Button(label, className=QUIET, title=title, type="button", **_data(act=action, panel=ids.CONTROLS))
        for action, label, title in OF_WORKER
    ]


def opener() -> Component:
    """For the header."""
    about: dict[str, Any] = {"aria-expanded": "false", "aria-controls": ids.CONTROLS} | _data(opens=ids.CONTROLS)
    return html.Button("Controls", className=QUIET, title="Change the pool's bounds or its policy", **about)


def panel(path: str) -> list[Component]:
    """Bounds and policy, and what was done last; `path`: where the actions are."""
    about = _data(actions=path) | named("Controls of the pool")
    return [
        html.Section([], id=ids.CONTROLS, className="drm-time drm-acts", hidden=True, **about),
        html.P("", className="drm-acted", role="status"),
    ]


def _data(**values: str) -> dict[str, Any]:
    """assets/drm/actions.js finds them by these."""
    return {f"data-drm-{name}": value for name, value in values.items()}
