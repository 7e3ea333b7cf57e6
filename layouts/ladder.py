"""The account of what was paid, and what for: a card of the Cloud tab."""

from __future__ import annotations

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.figures.ladder_text import ALL
from drm.layouts.content import Content


def card() -> Component:
    """All workers, or those of one kind of instance."""
    return html.Section(
        [
            html.Div(
                [
                    html.H2("What was paid, and what for"),
                    html.Div(
                        [
                            html.Label("Of", htmlFor=ids.LADDER_OF),
                            dbc.Select(id=ids.LADDER_OF, options=[ALL], value=ALL["value"], size="sm"),
                        ],
                        className="drm-choice",
                    ),
                ],
                className="drm-card-head",
            ),
            html.P("", id=ids.LADDER_TEXT, className="drm-sentence"),
            Content(ids.LADDER_TABLE, "drm-scroll"),
            html.P("", id=ids.LADDER_NOTE, className="drm-note"),
            html.Details(
                [html.Summary("", id=ids.LADDER_PARTS_TITLE), Content(ids.LADDER_PARTS_TABLE, "drm-scroll")],
                id=ids.LADDER_PARTS,
                className="drm-parts",
                hidden=True,
            ),
        ],
        className="drm-card",
    )
