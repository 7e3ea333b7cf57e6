"""Worker lifetimes, a card of Utilization: bars over time, or the list of those that have ended."""

from __future__ import annotations

from typing import Any

import dash_ag_grid
from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.figures.ended_rows import PARTS
from drm.figures.theme import CONFIG
from drm.layouts.controls import segments
from drm.layouts.figure import figure
from drm.layouts.ledger import ALL_COLUMNS, GRID_OPTIONS

KEY = ids.LIFETIMES_KEY
PAGE_ROWS = 12
SHOW_LABELS = {"timeline": "timeline", "ended": "ended"}
SORT_LABELS = {"begin": "by begin", "end": "by end", "length": "by length"}

BARS_CONFIG: Any = {**CONFIG, "displayModeBar": False}
"""Dragging sets the range; the bar of buttons would only cover the first row."""
SHARED_OPTIONS = ("pagination", "paginationPageSizeSelector", "domLayout", "rowHeight", "headerHeight", "tabToNextCell")
OPTIONS: dict[str, Any] = {
    **{name: GRID_OPTIONS[name] for name in SHARED_OPTIONS},
    "paginationPageSize": PAGE_ROWS,
    # A click on a cell says which; what is selected by the keyboard is a row.
    "rowSelection": GRID_OPTIONS["rowSelection"] | {"enableClickSelection": False},
}
SORTABLE: dict[str, Any] = ALL_COLUMNS | {"sortable": True}


def layout() -> Component:
    """The card, and its stores."""
    return html.Section(
        [
            *(dcc.Store(id=store(KEY)) for store in (ids.tick, ids.wire, ids.busy, ids.drawn, ids.zoom)),
            html.Div(
                [
                    html.H2("Worker lifetimes"),
                    html.Div(
                        [
                            html.Div(segments(ids.LIFETIMES_SORT, "Order of the lifetimes", SORT_LABELS), id=ids.LIFETIMES_ORDER),
                            segments(ids.LIFETIMES_SHOW, "Lifetimes as", SHOW_LABELS),
                        ],
                        className="drm-controls",
                    ),
                ],
                className="drm-card-head",
            ),
            html.P([], id=ids.card(KEY, "keys"), className="drm-keys"),
            html.P("", id=ids.empty(KEY), className="drm-empty"),
            figure(KEY, "Worker lifetimes", BARS_CONFIG, opens=ids.DETAIL),
            html.Div(_list(), id=ids.ENDED_CARD, className="drm-scroll", hidden=True),
            html.P("", id=ids.card(KEY, "note"), className="drm-note"),
        ],
        className="drm-card",
    )


def _list() -> Component:
    grid: Component = dash_ag_grid.AgGrid(
        id=ids.ENDED,
        rowData=[],
        columnDefs=[
            _column("worker", "Worker", flex=3, minWidth=150, tooltipField="worker"),
            _moment("ended", "Ended", sort="desc"),
            _column("why", "Why", flex=2, minWidth=110, tooltipField="why"),
            _column("decision", "Decision", width=108, cellRenderer="drmDecision", sortable=False),
            _moment("came", "First seen"),
            _length("booted", "Booted for", 100),
            _length("ran", "Ran for", 100),
            _length("drained", "Drained for", 104),
            _share("cpu", "CPU, last hour"),
            _share("memory", "Memory, last hour"),
            _column("kind", "Type", flex=2, minWidth=110, tooltipField="kind"),
        ],
        defaultColDef=SORTABLE,
        dashGridOptions=OPTIONS,
        getRowId="params.data.id",
        className="drm-ledger drm-ended",
        style={"height": None},
    )
    return grid


def _column(field: str, name: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "headerName": name, **more}


def _moment(field: str, name: str, **more: Any) -> dict[str, Any]:
    return _column(field, name, width=128, valueFormatter={"function": "drmTime(params.value)"}, **more)


def _length(field: str, name: str, width: int) -> dict[str, Any]:
    return _column(field, name, width=width, type="rightAligned", valueFormatter={"function": f"params.data.{field}_text"})


def _share(field: str, name: str) -> dict[str, Any]:
    tooltip = "mean / highest share of its capacity that was used"
    return _column(field, name, width=160, cellRenderer="drmLastHour", cellRendererParams={"parts": PARTS}, headerTooltip=tooltip)
