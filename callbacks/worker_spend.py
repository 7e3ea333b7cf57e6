"""What the worker that is open in Utilization was paid for."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from dash import Dash, Input, Output, State, no_update

from drm import ids
from drm.analysis.ladder import Ladder, ladder
from drm.analysis.time_slices import slices
from drm.callbacks import ladder_body
from drm.callbacks.ticks import read_tick, view_at
from drm.figures import ladder_parts, ladder_text
from drm.state import DRMState
from drm.view import View


def register(app: Dash, state: DRMState) -> None:
    """Adds the account's callback."""

    @app.callback(
        Output(ids.DETAIL_SPEND_TEXT, "children"),
        Output(ids.DETAIL_SPEND_TABLE, "content"),
        Output(ids.DETAIL_SPEND_PARTS_TABLE, "content"),
        Output(ids.DETAIL_SPEND_PARTS, "hidden"),
        Output(ids.DETAIL_SPEND_DRAWN, "data"),
        Input(ids.tick(ids.DETAIL_KEY), "data"),
        State(ids.DETAIL_SPEND_DRAWN, "data"),
        prevent_initial_call=True,
    )
    def render(tick: object, drawn: object) -> tuple[Any, ...]:
        asked = read_tick(tick)
        view = view_at(state, asked.at)
        lifetimes = view.lifetimes_of(asked.worker_id)
        has_ended = bool(lifetimes) and not math.isnan(lifetimes[-1].ended_at)
        # Of one that has ended its whole life is told, as of the others the range.
        seconds = view.end() - lifetimes[-1].began_at if has_ended else asked.range_seconds
        spend = view.worker_spend(asked.worker_id, max(seconds, asked.range_seconds))
        found = None if spend is None else ladder(None, spend)
        etag = f"{asked.worker_id} {None if found is None else (found.since, found.until)}"
        if etag == drawn:
            return (no_update,) * 5
        if found is None or not found.paid.seconds > 0:
            return ladder_text.NOTHING_YET_OF_ONE if found is None else ladder_text.NOTHING_OF_ONE, None, None, True, etag
        simulated = view.snapshot.source.kind == "simulated"
        made_of = ladder_parts.parts_in_time(found, _in_time(view, asked.worker_id, found))
        return (
            ladder_text.sentence(found, simulated=simulated),
            ladder_body.table(found, ids.DETAIL_SPEND_PARTS_TABLE if made_of else None),
            ladder_body.parts_table(made_of, is_link=False) if made_of else None,
            made_of is None,
            etag,
        )


def _in_time(view: View, worker_id: str, whole: Ladder) -> dict[str, Ladder]:
    """Its accounts of times that follow each other, without those of which nothing is kept by itself."""
    found = {}
    for since, until in pairwise(slices(whole.since, whole.until)):
        spend = view.worker_spend(worker_id, until - since, until)
        account = None if spend is None else ladder(None, spend)
        if account is not None and account.paid.seconds > 0:
            found[ladder_parts.time_text(account.since, account.until)] = account
    return found
