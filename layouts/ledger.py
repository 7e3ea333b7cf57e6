"""The ledger as a table that asks the server for one page at a time, sorted and filtered there."""

from __future__ import annotations

from typing import Any

import dash_ag_grid
from dash import dcc, html
from dash.development.base_component import Component

from drm import ids

PAGE_ROWS = 15

GRID_OPTIONS: dict[str, Any] = {
    "pagination": True,
    "paginationPageSize": PAGE_ROWS,
    "paginationPageSizeSelector": False,
    "cacheBlockSize": PAGE_ROWS,
    "maxBlocksInCache": 1,
    # The component answers one request at a time.
    "maxConcurrentDatasourceRequests": 1,
    "localeText": {"more": "…", "pageLastRowUnknown": "…"},
    "domLayout": "autoHeight",
    "rowHeight": 32,
    "headerHeight": 34,
    # The arrows lead from cell to cell: the Tab key must not take 165 steps to the end of the table.
    "tabToNextCell": {"function": "drmLeaveTable()"},
    "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
}

ALL_COLUMNS: dict[str, Any] = {
    "sortable": False,
    "sortingOrder": ["desc", "asc"],
    "resizable": True,
    "suppressMovable": True,
    "suppressHeaderMenuButton": True,
    "suppressHeaderFilterButton": True,
    "suppressFloatingFilterButton": True,
}


def layout() -> list[Component]:
    """The table, and what it was last filled from."""
    return [
        dcc.Store(id=ids.LEDGER_STATE),
        html.Div(
            dash_ag_grid.AgGrid(
                id=ids.LEDGER,
                rowModelType="infinite",
                columnDefs=[
                    _column("id", "No.", width=70),
                    _column("start", "When", width=140, sort="desc", sortable=True, valueFormatter={"function": "drmTime(params.value)"}),
                    _column("kind", "Kind", asked="contains", width=124),
                    _column("sizes", "Size", width=90, sortable=True),
                    _column("code", "Reason code", asked="contains", width=140),
                    _column("reason", "Reason", flex=1, minWidth=220, tooltipField="reason"),
                    _column("evaluations", "Evaluations", width=116, sortable=True, type="rightAligned"),
                    _column("lasted", "Lasted", width=104, sortable=True, type="rightAligned"),
                    _column("outcome", "Outcome", asked="contains", width=130),
                    _column("actor", "Actor", asked="contains", width=92),
                    _column("worker", "Workers", asked="equals", width=150, tooltipField="worker"),
                ],
                defaultColDef=ALL_COLUMNS,
                dashGridOptions=GRID_OPTIONS,
                getRowId="params.data.id",
                className="drm-ledger",
                style={"height": None},
            ),
            className="drm-scroll",
        ),
    ]


def _column(field: str, name: str, *, asked: str | None = None, **more: Any) -> dict[str, Any]:
    """`asked`: it has a filter, for a part of a word or for a whole one."""
    chosen = {"filterOptions": [asked], "maxNumConditions": 1, "debounceMs": 400, "trimInput": True}
    return {
        "field": field,
        "headerName": name,
        **({"filter": "agTextColumnFilter", "floatingFilter": True, "filterParams": chosen} if asked else {}),
        **more,
    }
