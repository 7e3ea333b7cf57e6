"""Batches as rows of the history file: columns by table, ready to be inserted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json, to_jsonable_python

from drm.cloud.accrual import CHARGED, HOUR_SECONDS, Spend
from drm.decision import ScalingDecision
from drm.history.attempts import attempt_row
from drm.history.buckets import ClosedCells, ClosedSeries, OpenBucket, metric_names
from drm.history.lifetimes import Lifetime
from drm.history.schema import METRICS, PURPOSES
from drm.history.worker_spends import Block
from drm.ledger_columns import settled_at
from drm.model import InstanceKind
from drm.tasks import TaskChange

Columns = dict[str, Any]
"""Arrays of one length by column; a masked cell is NULL."""


def sample_columns(closed: Sequence[ClosedCells], numbers: Mapping[str, int]) -> Columns:
    """One row for each worker and bucket; `closed` is of one level, `numbers` names its workers."""
    whole: dict[tuple[float, str], int] = {}
    for one in closed:
        for worker_id in one.worker_ids:
            whole.setdefault((one.start, worker_id), len(whole))
    cells = {f"{name}{end}": np.zeros(len(whole), np.uint8) for name in METRICS for end in ("", "_max")}
    for one in closed:
        rows = np.fromiter((whole[one.start, worker_id] for worker_id in one.worker_ids), np.intp, len(one.worker_ids))
        for metric, (measure, resource) in enumerate(metric_names(one.resources)):
            cells[f"{measure}_{resource}"][rows], cells[f"{measure}_{resource}_max"][rows] = one.mean[metric], one.max[metric]
    # Stored bytes are the cell + 1, and 0 is missing.
    masked = {name: np.ma.masked_array(stored - np.uint8(1), mask=stored == 0) for name, stored in cells.items()}
    return {
        "epoch": np.fromiter((start for start, _ in whole), np.float64, len(whole)),
        "worker": np.fromiter((numbers[worker_id] for _, worker_id in whole), np.int32, len(whole)),
        **masked,
    }


def worker_cost_columns(blocks: Sequence[Block], numbers: Mapping[str, int]) -> Columns:
    """One row for each worker and block; where it was of two kinds of instances, one for each. `numbers` names the workers."""
    pieces = [(block, piece) for block in blocks for piece in block.pieces]
    if not pieces:
        return {}
    sums = np.concatenate([piece.every for _, piece in pieces], axis=1).astype(np.float32)
    prices = [kind.price for _, piece in pieces for kind in map(piece.kinds.__getitem__, piece.kind.tolist())]
    return {
        "epoch": np.concatenate([np.full(len(piece.numbers), block.start) for block, piece in pieces]),
        "until": np.concatenate([np.full(len(piece.numbers), block.end) for block, piece in pieces]),
        "worker": np.fromiter((numbers[worker_id] for _, piece in pieces for worker_id in piece.worker_ids), np.int32),
        "price": np.ma.masked_invalid([math.nan if price is None else price.hourly for price in prices]),
        "currency": np.array([price and price.currency for price in prices], object),
        **dict(zip(PURPOSES, sums, strict=True)),
    }


def worker_columns(numbers: Sequence[tuple[str, int]]) -> Columns:
    """One row for each worker that has just got its number."""
    return _columns([{"worker": number, "worker_id": worker_id} for worker_id, number in numbers])


def series_columns(closed: Sequence[ClosedSeries]) -> Columns:
    """One row for each series and bucket that holds a sample."""
    known = [~np.isnan(one.mean) for one in closed]
    return {
        "epoch": np.concatenate([np.full(int(has.sum()), one.start) for one, has in zip(closed, known, strict=True)]),
        "series": np.array(
            [_whole(name) for one, has in zip(closed, known, strict=True) for name in np.array(one.names, object)[has]], object
        ),
        "mean": np.concatenate([one.mean[has] for one, has in zip(closed, known, strict=True)]),
        "max": np.concatenate([one.max[has] for one, has in zip(closed, known, strict=True)]),
    }


def state_columns(lifetimes: Iterable[tuple[float, Lifetime]]) -> Columns:
    """One row for each lifetime as it was at a time."""
    rows = [
        {
            "epoch": epoch,
            "lifetime": one.number,
            "worker_id": one.worker_id,
            "state": one.states[-1][1],
            "reason": one.reason,
            **one.capacity.as_dict(),
            **_kind(one.kind),
        }
        for epoch, one in lifetimes
    ]
    return _columns(rows)


def task_columns(changes: Sequence[tuple[TaskChange, float]]) -> Columns:
    """One row for each attempt that has ended, which was queued at a time."""
    return _columns([attempt_row(*one) for one in changes])


def open_task_columns(changes: Sequence[tuple[TaskChange, float]]) -> Columns:
    """One row for each task that has not ended; NaN: queued when it was submitted."""
    return _columns([_open_task(*one) for one in changes])


def decision_columns(decisions: Sequence[ScalingDecision]) -> Columns:
    """One row for each decision as it stands; its document holds all of it."""
    rows = [
        {
            "id": one.id,
            "epoch": one.timestamp,
            "until": one.last_at,
            "evaluations": one.evaluations,
            **{
                name: getattr(one, name)
                for name in [
                    "action",
                    "kind",
                    "outcome",
                    "code",
                    "actor",
                    "reason",
                    "policy",
                    "current",
                    "desired",
                    "bounded",
                    "target",
                    "granted",
                    "worker_type",
                    "provider",
                    "requested_at",
                    "ready_at",
                    "first_task_at",
                    "cost_rate_before",
                    "cost_rate_after",
                    "error",
                ]
            },
            "settled_at": _number(settled_at(one)),
            "blockers": [blocker.code for blocker in one.blockers],
            "worker_ids": list(one.worker_ids),
            "document": document_of(one).decode(),
        }
        for one in decisions
    ]
    return _columns(rows)


def cost_columns(epoch: float, spend: Spend) -> Columns:
    """One row for each kind of instance that was charged so far; all but `instances` are sums that never fall."""
    charged = spend.counts[:, CHARGED].sum(axis=1) if len(spend.kinds) else ()
    rows = [
        {
            "epoch": epoch,
            **_kind(kind),
            "instances": int(instances),
            "seconds": float(seconds),
            "spent": None if kind.price is None else float(seconds) / HOUR_SECONDS * kind.price.hourly,
            **dict(zip(PURPOSES, purposes, strict=True)),
        }
        for kind, instances, seconds, purposes in zip(spend.kinds, charged, spend.seconds, _purposes(spend), strict=True)
        if seconds or instances
    ]
    return _columns(rows)


def _purposes(spend: Spend) -> list[list[float | None]]:
    """By kind, in the order of `PURPOSES`; None where nobody looked."""
    if spend.parts is None or spend.ended is None:
        return [[None] * len(PURPOSES) for _ in spend.kinds]
    return list(np.concatenate([spend.parts, spend.ended], axis=1).tolist())


def document_of(decision: ScalingDecision) -> bytes:
    """A decision as JSON, in which numbers that are not finite are words."""
    try:
        return to_json(decision, inf_nan_mode="strings")
    except ValueError:
        # Names come from outside, and half a character is none.
        return json.dumps(to_jsonable_python(decision, inf_nan_mode="strings"), ensure_ascii=False).encode("utf-8", "replace")


def spend_bytes(spend: Spend) -> bytes:
    """What was spent so far, as JSON."""
    kinds = [
        {"kind": _kind(kind), "seconds": seconds, "purposes": purposes}
        for kind, seconds, purposes in zip(spend.kinds, spend.seconds.tolist(), _purposes(spend), strict=True)
    ]
    return to_json({"kinds": kinds, "since": spend.since, "uncounted_seconds": spend.uncounted_seconds}, inf_nan_mode="strings")


def open_bucket_bytes(bucket: OpenBucket, numbers: Mapping[str, int]) -> bytes:
    """The open bucket: a line of JSON, then the arrays that it counts."""
    arrays: list[npt.NDArray[Any]] = []
    cells = []
    for one in bucket.cells:
        cells.append({"set": one.resources.start, "workers": len(one.worker_ids)})
        arrays += [np.fromiter((numbers[worker_id] for worker_id in one.worker_ids), np.int32, len(one.worker_ids)), one.mean, one.max]
    names = bucket.fleet.names if bucket.fleet else ()
    if bucket.fleet:
        arrays += [bucket.fleet.mean, bucket.fleet.max]
    head = {"level": bucket.level, "start": bucket.start, "samples": bucket.samples, "cells": cells, "series": list(names)}
    return json.dumps(head).encode() + b"\n" + b"".join(np.ascontiguousarray(one).tobytes() for one in arrays)


def _open_task(change: TaskChange, queued_at: float) -> dict[str, Any]:
    task = change.task
    return {
        "task_id": task.id,
        "attempt": task.attempt,
        "name": task.name,
        "state": task.state,
        "reason": task.reason,
        **task.resources.as_dict(),
        "worker_id": task.worker_id,
        "submitted_at": task.submitted_at,
        "queued_at": task.submitted_at if math.isnan(queued_at) else queued_at,
        "placed_at": _number(task.placed_at) if task.state != "queued" else None,
        "hint_seconds": task.duration_hint_seconds,
    }


def _kind(kind: InstanceKind) -> dict[str, Any]:
    price = kind.price
    return {
        "provider": kind.provider,
        "region": kind.region,
        "type": kind.type,
        "market": kind.market,
        "price": price and price.hourly,
        "currency": price and price.currency,
        "price_source": price and price.source,
        "price_date": price and price.date,
    }


def _number(value: float) -> float | None:
    """None, which is NULL, for what is not known."""
    return value if math.isfinite(value) else None


def _columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    return {name: [_whole(row[name]) for row in rows] for name in rows[0]} if rows else {}


def _whole(value: Any) -> Any:
    """Texts without halves of characters, which no file takes."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return [_whole(one) for one in value] if isinstance(value, list) else value
