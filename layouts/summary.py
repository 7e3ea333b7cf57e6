"""The Resource Summary: a strip above the tabs of what the pool has, how much of it is used, and how often it scaled."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.content import Content

NAME: dict[str, Any] = {"aria-label": "Resource Summary"}


def layout(live_path: str | None) -> Component:
    """The strip, which a tick fills. `live_path`: where a POST opens a live dashboard, if there is one to open."""
    items = Content(ids.SUMMARY, "drm-summary-items")
    return html.Section([items, *([_live_button(live_path)] if live_path else [])], **NAME, className="drm-summary")


def _live_button(path: str) -> Component:
    button = html.Button("Open the live dashboard", className="btn btn-sm drm-button", title="In a new tab: this page, pushed at each tick")
    return html.Form(button, action=path, method="POST", target="_blank", className="drm-summary-live")
