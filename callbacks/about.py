"""About this dashboard: filled with each tick of the header while it is open."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State

from drm import ids
from drm.callbacks import elements as html
from drm.callbacks.elements import Element
from drm.callbacks.in_browser import in_browser
from drm.figures import about_text
from drm.own_facts import own_facts
from drm.state import DRMState

HEADINGS = ("Phase of a tick", "median", "95 %", "most")


def register(app: Dash, state: DRMState) -> None:
    """Adds its callbacks."""
    app.clientside_callback(
        in_browser("relayAbout"),
        Output(ids.ABOUT, "hidden"),
        Output(ids.ABOUT_OPEN, "aria-expanded"),
        Output(ids.tick(ids.ABOUT_KEY), "data"),
        Input(ids.tick(ids.SHELL_KEY), "data"),
        Input(ids.ABOUT_OPEN, "n_clicks"),
        State(ids.busy(ids.ABOUT_KEY), "data"),
    )

    @app.callback(
        Output(ids.ABOUT_FACTS, "content"),
        Output(ids.ABOUT_PHASES, "content"),
        Input(ids.tick(ids.ABOUT_KEY), "data"),
        running=[(Output(ids.busy(ids.ABOUT_KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def tell(_: object) -> tuple[Any, ...]:
        facts = own_facts(state)
        return [_group(heading, rows) for heading, rows in about_text.groups(facts)], _phases(about_text.phases(facts))


def _group(heading: str, rows: about_text.Rows) -> Element:
    return html.Div([html.H3(heading), html.Dl([part for name, words in rows for part in (html.Dt(name), html.Dd(words))])])


def _phases(rows: list[tuple[str, ...]]) -> Element:
    head = html.Tr([html.Th(text, scope="col") for text in HEADINGS])
    body = [html.Tr([html.Th(row[0], scope="row"), *map(html.Td, row[1:])]) for row in rows]
    return html.Table([html.Thead(head), html.Tbody(body)])
