"""About this dashboard: what the program observes of itself. Closed until somebody asks."""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.content import Content
from drm.layouts.panel import Panel
from drm.layouts.time_range import QUIET

TITLE = "About this dashboard"


def stores() -> list[Component]:
    """Through which a tick reaches it."""
    return [dcc.Store(id=store(ids.ABOUT_KEY)) for store in (ids.tick, ids.busy)]


def button() -> Component:
    """For the header."""
    closed: dict[str, Any] = {"aria-controls": ids.ABOUT, "aria-expanded": "false"}
    return html.Button("About", id=ids.ABOUT_OPEN, className=QUIET, title="What this program takes, and how it does", **closed)


def layout(logout: str | None) -> Component:
    """The panel. `logout`: where a POST ends the reader's session; None where there is none."""
    leave = [html.Form(html.Button("Log out", className=QUIET), action=logout, method="POST")] if logout else []
    return Panel(
        [
            html.Div([html.H2(TITLE), *leave], className="drm-about-head"),
            html.Div([Content(ids.ABOUT_FACTS, "drm-about-facts"), Content(ids.ABOUT_PHASES)], className="drm-about-body"),
        ],
        id=ids.ABOUT,
        className="drm-about",
        hidden=True,
        tag="section",
        label=TITLE,
    )
