"""Cloud: fills the sums and the table from the last totals, which wait for no provider, and draws the window when it is new."""

from __future__ import annotations

import functools
from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.callbacks import cloud_body, time_words
from drm.callbacks import elements as html
from drm.callbacks.ticks import draw_in_browser, read_tick, view_at
from drm.cloud.price_list import read_price_list
from drm.errors import InvalidValueError
from drm.figures import cloud, cloud_text, comparison_text
from drm.state import DRMState

KEY = "cloud"

MOST_OFFERED = 60
"""Instance types in the list of those that fit what was typed."""


def register(app: Dash, state: DRMState) -> None:
    """Adds the tab's callbacks."""
    draw_in_browser(app, KEY)
    prices = functools.cache(read_price_list)

    @app.callback(
        Output(ids.wire(KEY), "data"),
        Output(ids.drawn(KEY), "data"),
        Output(ids.empty(KEY), "children"),
        Output(ids.CLOUD_TEXT, "children"),
        Output(ids.CLOUD_WARNING, "content"),
        Output(ids.CLOUD_TABLE, "content"),
        Output(ids.CLOUD_CONNECT, "hidden"),
        Output(ids.COMPARISON_CARD, "hidden"),
        Output(ids.COMPARISON, "content"),
        Input(ids.tick(KEY), "data"),
        Input(ids.INSTANCE_TYPE, "value"),
        Input(ids.CLOUD_REGION, "value"),
        Input(ids.CLOUD_BY, "value"),
        State(ids.drawn(KEY), "data"),
        State(ids.COMPARISON_CARD, "hidden"),
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, instance_type: object, region: object, by: object, drawn: str | None, hidden: object) -> tuple[Any, ...]:
        if tick is None:
            return (no_update,) * 9
        if by not in cloud.BY:
            raise InvalidValueError(f"what was spent is shown by one of {', '.join(cloud.BY)}, got {by!r}: reload the page")
        asked = read_tick(tick)
        view = view_at(state, asked.at)
        snapshot, window, totals = view.snapshot, view.fleet(asked.range_seconds, cloud.COLUMNS), view.cloud_totals()
        simulated = snapshot.source.kind == "simulated"
        etag = f"{window.etag} {asked.range_seconds} {asked.scheme} {view.moment} {by}"
        figure = cloud.build(window, totals, asked.scheme, asked.range_seconds, str(by)) if etag != drawn else None
        nothing = time_words.nothing_recorded(view.moment, "a worker that joins begins the history")
        return (
            figure if figure else no_update if etag == drawn else {"data": [], "layout": {}},
            etag,
            no_update if etag == drawn else "" if figure else nothing,
            cloud_text.sentence(totals, simulated=simulated, past=view.moment is not None),
            cloud_body.warnings(totals),
            cloud_body.table(totals),
            state.cloud.has_cloud,
            no_update if hidden is simulated else simulated,
            no_update if simulated else cloud_body.comparison(prices(), snapshot, _text(instance_type), _text(region)),
        )

    @app.callback(
        Output(ids.INSTANCE_TYPES, "children"),
        Output(ids.CLOUD_REGION, "options"),
        Input(ids.COMPARISON_CARD, "hidden"),
        Input(ids.INSTANCE_TYPE, "value"),
        Input(ids.CLOUD_REGION, "value"),
        prevent_initial_call=True,
    )
    def offer(hidden: object, instance_type: object, region: object) -> tuple[Any, ...]:
        if hidden or prices().problem:
            return no_update, no_update
        found, _ = prices().search(_text(instance_type), _text(region), MOST_OFFERED)
        options = [html.Option(value=one.name, label=comparison_text.option_text(one)) for one in found]
        return options, list(prices().regions)


def _text(value: object) -> str:
    """What was typed or chosen; an emptied field is None."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidValueError("an instance type and a region are texts: reload the page")
    return value
