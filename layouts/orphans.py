"""What belongs to nobody at the providers: a card of the Cloud tab."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.layouts.content import Content


def card() -> Component:
    """A sentence, and a table of what there is."""
    return html.Section(
        [
            html.H2("Orphans"),
            html.P("", id=ids.ORPHANS_TEXT, className="drm-sentence"),
            Content(ids.ORPHANS_TABLE, "drm-scroll"),
        ],
        className="drm-card",
    )
