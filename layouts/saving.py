"""The menu that saves what a tab shows; its links follow the tab, the range and the moment."""

from __future__ import annotations

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.tables.saved import SAVED

FORMATS = {"csv": "CSV", "parquet": "Parquet", "json": "JSON"}


def layout() -> Component:
    """Which tables each tab has, and the menu, which is filled in the browser."""
    tables = {tab: [{"name": one.name, "label": one.label} for one in saved] for tab, saved in SAVED.items()}
    return html.Div(
        [
            dcc.Store(id=ids.SAVED, data={"tables": tables, "formats": FORMATS}),
            dbc.DropdownMenu([], id=ids.SAVE, label="Save data", size="sm", align_end=True, toggle_class_name="drm-button"),
        ],
        className="drm-save",
    )
