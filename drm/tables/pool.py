"""The pool as tables: its workers as they stand, its series over time, who was there when, and what the instances cost."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from drm.cloud.totals import Line, Totals
from drm.figures.units import plain
from drm.history.lifetimes import Lifetime
from drm.model import RESOURCES, UNITS, WORKER_STATES, InstanceKind
from drm.tables.table import Block, Kind, Table
from drm.view import View

KIND: dict[str, Kind] = {
    "provider": "text",
    "region": "text",
    "type": "text",
    "market": "text",
    "price": "number",
    "currency": "text",
    "price_source": "text",
    "price_date": "text",
}
"""What a machine is in a bill; its price is per hour."""


def workers(view: View, source: str) -> Table:
    """One row for each worker of the last tick, or of the moment; what it does not have, and what was not measured, is blank."""
    snapshot = view.snapshot
    columns: dict[str, Kind] = {"time_utc": "time", "id": "text", "state": "text", "started_at_utc": "time"}
    has = snapshot.capacity > 0
    block: dict[str, Any] = {
        "time_utc": [snapshot.time] * len(snapshot.worker_ids),
        "id": [plain(worker_id, 256) for worker_id in snapshot.worker_ids],
        "state": [WORKER_STATES[state] for state in snapshot.states.tolist()],
        "started_at_utc": snapshot.started_at,
    }
    for index, name in enumerate(RESOURCES):
        for measure in ("capacity", "allocated", "used"):
            column = f"{measure}_{name}_{UNITS[name]}"
            columns[column] = "number"
            amounts = getattr(snapshot, measure)[:, index]
            block[column] = [amount if there else None for amount, there in zip(amounts.tolist(), has[:, index].tolist(), strict=True)]
    return Table("workers", source, columns, [block])


def series(view: View, source: str, range_seconds: float, columns: int) -> Table:
    """The mean of each recorded series in each part of the range; amounts are in cores, bytes and devices, costs per hour."""
    window = view.fleet(range_seconds, columns)
    kinds: dict[str, Kind] = {"time_utc": "time", "seconds": "number", **dict.fromkeys(window.mean, "number")}
    block: Block = {"time_utc": window.times, "seconds": [window.step_seconds] * len(window.times), **window.mean}
    return Table("series", source, kinds, [block])


def lifetimes(found: Iterable[Lifetime], source: str) -> Table:
    """One row for each worker from its first tick to its last, in the order in which they began."""
    states = {f"{state}_at_utc": state for state in WORKER_STATES if state != "terminated"}
    columns: dict[str, Kind] = {
        "worker_id": "text",
        "began_at_utc": "time",
        **dict.fromkeys(states, "time"),
        "ended_at_utc": "time",
        "state": "text",
        "reason": "text",
        **{f"capacity_{name}_{UNITS[name]}": "number" for name in RESOURCES},
        **KIND,
    }
    rows = [
        (
            plain(one.worker_id, 256),
            one.began_at,
            *(next((at for at, state in one.states if state == wanted), math.nan) for wanted in states.values()),
            one.ended_at,
            one.states[-1][1],
            plain(one.reason, 400),
            *(one.capacity.vector().tolist()),
            *_kind(one.kind),
        )
        for one in found
    ]
    return Table("lifetimes", source, columns, _blocks(columns, rows))


def lines(totals: Totals, source: str) -> Table:
    """One row for each kind of instance: how many there are by state, their cost an hour, and what they have cost so far."""
    columns: dict[str, Kind] = {
        "time_utc": "time",
        **KIND,
        **dict.fromkeys(WORKER_STATES, "integer"),
        "charged": "integer",
        "rate": "number",
        "spent": "number",
        "since_utc": "time",
    }
    rows = [_line(one, totals) for one in totals.lines]
    return Table("lines", source, columns, _blocks(columns, rows))


def _line(line: Line, totals: Totals) -> tuple[Any, ...]:
    states = (line.states.get(state, 0) for state in WORKER_STATES)
    return (totals.time, *_kind(line.kind), *states, line.charged, line.rate, line.spent, totals.since)


def _kind(kind: InstanceKind) -> tuple[Any, ...]:
    price = kind.price
    named = (plain(name, 80) if name else None for name in (kind.provider, kind.region, kind.type, kind.market))
    told = (None,) * 4 if price is None else (price.hourly, plain(price.currency, 8), plain(price.source, 80), plain(price.date, 40))
    return (*named, *told)


def _blocks(columns: Iterable[str], rows: list[tuple[Any, ...]]) -> list[Block]:
    return [dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))] if rows else []
