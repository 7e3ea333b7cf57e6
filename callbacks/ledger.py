"""The table of decisions: answers its requests for a page, and tells it when there is something new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import Dash, Input, Output, State

from drm import ids
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import read_moment, read_range, view_at
from drm.errors import InvalidValueError
from drm.figures.decision_marks import WORDS
from drm.figures.ledger_rows import ledger_row
from drm.ledger_query import LIMIT, OUTCOMES, Query
from drm.state import DRMState

SORTS = {"start": "time", "sizes": "change", "evaluations": "evaluations", "lasted": "lasted"}
"""What a column of the table is sorted by."""


def register(app: Dash, state: DRMState) -> None:
    """Adds the table's callbacks."""
    app.clientside_callback(
        in_browser("refreshLedger"), Input(ids.LEDGER_STATE, "data"), State(ids.LEDGER, "id"), prevent_initial_call=True
    )

    @app.callback(
        Output(ids.LEDGER, "getRowsResponse"),
        Input(ids.LEDGER, "getRowsRequest"),
        State(ids.RANGE, "value"),
        State(ids.AT, "data"),
        prevent_initial_call=True,
    )
    def rows(asked: object, chosen: object, at: object) -> dict[str, Any]:
        view = view_at(state, read_moment(at))
        query = read_request(asked, view.start(read_range(chosen)), view.ledger.words)
        return {"rowData": [ledger_row(one) for one in view.ledger.query(query)], "rowCount": view.ledger.count(query)}


def read_request(asked: object, since: float, words: tuple[str, ...]) -> Query:
    """What a page of the table asks for, of the decisions since then. InvalidValueError on what no table of ours sends."""
    match asked:
        case {"startRow": int(start), "endRow": int(end), "sortModel": list(sorts), "filterModel": dict(filters)}:
            pass
        case _:
            raise InvalidValueError("the table asks with rows, sorts and filters: reload the page")
    order: dict[str, Any] = {}
    for one in sorts[:1]:
        match one:
            case {"colId": str(column), "sort": "asc" | "desc" as direction} if column in SORTS:
                order = {"sort": SORTS[column], "descending": direction == "desc"}
            case _:
                raise InvalidValueError(f"the table is sorted by one of {', '.join(SORTS)}: reload the page")
    chosen = {name: meant for column, one in filters.items() for name, meant in _filter(column, one, words).items()}
    return Query(since=since, offset=start, limit=min(max(1, end - start), LIMIT), **order, **chosen)


def _filter(column: object, one: object, words: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a query that one filter of the table sets."""
    match one:
        case {"filter": str(text)}:
            part = text.strip().lower()
        case _:
            raise InvalidValueError("a filter of the table is a text: reload the page")

    def meant(known: Callable[[], dict[str, str]]) -> tuple[str, ...]:
        return tuple(word for word, shown in known().items() if part in shown.lower() or part in word)

    if column == "worker":
        return {"worker": text.strip()}
    if column == "kind":
        return {"kind": meant(lambda: dict(WORDS))}
    if column == "outcome":
        # Where nothing was to be done there is no outcome to look for.
        return {"outcome": meant(lambda: {word: word for word in OUTCOMES}), "action": ("scale_up", "scale_down")}
    if column in ("code", "actor"):
        return {str(column): meant(lambda: {word: word for word in words})}
    raise InvalidValueError("the table has no filter for that column: reload the page")
