"""A figure as a card holds it: the graph, and what it shows as a table for whoever cannot see it.

assets/drm/figure_table.js fills the table when it is opened, with what the graph shows then: nothing is sent for it.
"""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.theme import CONFIG


def figure(key: str, name: str, config: Any = CONFIG, *, scrolls: bool = False, opens: str | None = None) -> Component:
    """`name`: what it shows, for a screen reader. `scrolls`: it may be wider than a phone, and scrolls within its card. `opens`: the id of
    what a click on a row of it opens, which the buttons in the table's rows open as well; it can have the focus (`tabIndex`)."""
    graph: Component = dcc.Graph(id=ids.graph(key), config=config, className="drm-graph", responsive=True)
    named: dict[str, Any] = {"aria-label": name, **({"data-drm-row-opens": opens} if opens else {})}
    caption: dict[str, Any] = {"aria-label": f"{name}, as a table"}
    table = html.Details(
        [html.Summary("As a table", **caption), html.Div([], className="drm-scroll", tabIndex=0, role="group", **caption)],
        className="drm-as-table",
    )
    return html.Figure([html.Div(graph, className="drm-scroll") if scrolls else graph, table], className="drm-figure", **named)
