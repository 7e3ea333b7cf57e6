"""Controls that several tabs have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component


def segments(component_id: str, name: str, labels: Mapping[str, str]) -> Component:
    """A choice of one among a few, side by side; `labels` by value, the first is chosen. `name` is for a screen reader."""
    label: dict[str, Any] = {"aria-label": name}
    return html.Div(
        dbc.RadioItems(
            id=component_id,
            # One group for the browser: one stop of the Tab key, and arrows within.
            name=component_id,
            options=[{"label": label, "value": value} for value, label in labels.items()],
            value=next(iter(labels)),
            className="btn-group drm-radio",
            input_class_name="btn-check",
            label_class_name="btn btn-outline-secondary btn-sm",
        ),
        role="group",
        **label,
    )
