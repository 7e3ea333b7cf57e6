"""Decisions as a table: one row for each, newest first; a run of identical `maintain`s is one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from drm.decision import ScalingDecision
from drm.figures.units import plain
from drm.ledger_query import Query
from drm.tables.table import Block, Kind, Table
from drm.view import View

AT_ONCE = 200
"""The ledger is locked while it looks up so many."""

COLUMNS: dict[str, Kind] = {
    "time_utc": "time",
    "last_time_utc": "time",
    "evaluations": "integer",
    "id": "integer",
    "actor": "text",
    "policy": "text",
    "action": "text",
    "code": "text",
    "reason": "text",
    "current": "integer",
    "desired": "integer",
    "bounded": "integer",
    "count": "integer",
    "granted": "integer",
    "outcome": "text",
    "error": "text",
    "blockers": "text",
    "worker_ids": "text",
    "worker_type": "text",
    "provider": "text",
    "cost_rate_before": "number",
    "cost_rate_after": "number",
}


def decisions(source: str, found: Iterable[list[ScalingDecision]]) -> Table:
    """`found`: the decisions, part by part."""
    return Table("decisions", source, COLUMNS, (_block(part) for part in found if part))


def decisions_in(view: View, since: float) -> Iterator[list[ScalingDecision]]:
    """The decisions of a range, newest first, part by part."""
    before: int | None = None
    while part := view.ledger.query(Query(since=since, before=before, limit=AT_ONCE)):
        yield part
        before = part[-1].id


def _block(found: list[ScalingDecision]) -> Block:
    rows = [_row(one) for one in found]
    return dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))


def _row(one: ScalingDecision) -> tuple[Any, ...]:
    return (
        one.timestamp,
        one.last_at,
        one.evaluations,
        one.id,
        one.actor,
        one.policy,
        one.action,
        one.code,
        plain(one.reason, 400),
        one.current,
        one.desired,
        one.bounded,
        one.count,
        one.granted,
        one.outcome,
        plain(one.error, 400),
        "; ".join(blocker.code for blocker in one.blockers),
        " ".join(plain(worker_id, 256) for worker_id in one.worker_ids),
        one.worker_type,
        one.provider,
        one.cost_rate_before,
        one.cost_rate_after,
    )
