"""What a reader chooses of the heatmap: what a row shows, in which order rows stand, and which workers have one."""

from __future__ import annotations

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.analysis.worker_order import ANY
from drm.layouts.time_range import named
from drm.model import WORKER_STATES

SHOW_LABELS = {"max": "highest", "mean": "mean", "high": "95 of 100"}
SORT_LABELS = {"type": "type", "load": "load", "name": "name", "state": "state"}
ANY_OPTION = {"label": ANY, "value": ANY}


def layout() -> Component:
    """A row of controls."""
    return html.Div(
        [
            _select(ids.CELLS_SHOW, "Cells show", [{"label": label, "value": value} for value, label in SHOW_LABELS.items()], "max"),
            _select(ids.CELLS_SORT, "Rows by", [{"label": label, "value": value} for value, label in SORT_LABELS.items()], "type"),
            _text(ids.CELLS_NAME, "Name", "part, or gpu-*"),
            _select(
                ids.CELLS_STATE, "State", [ANY_OPTION, *(dict.fromkeys(("label", "value"), str(state)) for state in WORKER_STATES)], ANY
            ),
            _select(ids.CELLS_TYPE, "Type", [ANY_OPTION], ANY),
            _select(ids.CELLS_PROVIDER, "Provider", [ANY_OPTION], ANY),
            _text(ids.CELLS_LABEL, "Label", "key=value"),
        ],
        className="drm-filters",
        role="group",
        **named("Which workers, and how"),
    )


def _select(component_id: str, label: str, options: list[dict[str, str]], value: str) -> Component:
    return _labelled(component_id, label, dbc.Select(id=component_id, options=options, value=value, size="sm"))


def _text(component_id: str, label: str, example: str) -> Component:
    field = dbc.Input(id=component_id, type="search", value="", placeholder=example, debounce=0.4, maxlength=200, size="sm")
    return _labelled(component_id, label, field)


def _labelled(component_id: str, label: str, control: Component) -> Component:
    return html.Div([html.Label(label, htmlFor=component_id), control], className="drm-filter")
