"""What each worker was paid for, from the history file: the newest blocks at the start, and the hours of a time for one worker or all."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from drm.history.file import HistoryFile
from drm.history.from_rows import kind_of
from drm.history.schema import PURPOSES, SPEND_LEVEL_NAMES
from drm.history.worker_spends import KEPT_SECONDS, STEPS, Block, Piece, WorkerSpend
from drm.model import InstanceKind

NAMES = ", ".join(PURPOSES)
WITHIN = "FROM worker_costs_1h WHERE until > $since AND until <= $until"


def kept_blocks(file: HistoryFile, until: float) -> list[Block]:
    """What `WorkerSpends` keeps of the time up to a moment: coarse ones first, of each level the oldest first."""
    ids = dict(file.read("SELECT worker, worker_id FROM workers"))
    blocks = []
    for level, (name, step, seconds) in enumerate(zip(SPEND_LEVEL_NAMES, (*STEPS[1:], 0.0), KEPT_SECONDS, strict=True)):
        found = file.columns(
            f"SELECT epoch, until, worker, price, currency, {NAMES} FROM worker_costs_{name} "
            "WHERE epoch >= ? AND until <= ? ORDER BY epoch",
            [until - seconds - step, until],
        )
        at = np.unique(np.asarray(found["epoch"]), return_index=True)[1]
        edges = [*at.tolist(), len(found["epoch"])]
        blocks += [_block(level, found, slice(first, last), ids) for first, last in pairwise(edges)]
    return blocks


def worker_spend(file: HistoryFile, worker_id: str, since: float, until: float) -> WorkerSpend | None:
    """What one worker was paid for in the hours that end after `since` and not after `until`; None where none is kept."""
    asked = {"since": since, "until": until}
    first, last = file.read(f"SELECT min(epoch), max(until) {WITHIN}", asked)[0]
    if first is None:
        return None
    sums = ", ".join(f"sum({name})" for name in PURPOSES)
    of_it = f"{WITHIN} AND worker = (SELECT worker FROM workers WHERE worker_id = $worker_id)"
    rows = file.read(f"SELECT price, currency, {sums} {of_it} GROUP BY price, currency", {**asked, "worker_id": worker_id})
    return WorkerSpend(float(first), float(last), {_kind(row[0], row[1]): np.array(row[2:], np.float64) for row in rows})


def worker_spends(file: HistoryFile, since: float, until: float) -> Block | None:
    """The same of all workers."""
    asked = {"since": since, "until": until}
    sums = ", ".join(f"sum({name}) AS {name}" for name in PURPOSES)
    found = file.columns(
        f"SELECT min(epoch) AS epoch, max(until) AS until, worker, price, currency, {sums} {WITHIN} GROUP BY worker, price, currency", asked
    )
    if not len(found["epoch"]):
        return None
    ids = dict(file.read("SELECT worker, worker_id FROM workers"))
    whole = _block(len(STEPS) - 1, found, slice(None), ids)
    return replace(whole, start=float(found["epoch"].min()), end=float(found["until"].max()))


def _block(level: int, found: dict[str, Any], rows: slice, ids: dict[int, str]) -> Block:
    prices, currencies = (found[name][rows].tolist() for name in ("price", "currency"))
    kinds: dict[InstanceKind, int] = {}
    kind = np.array([kinds.setdefault(_kind(*one), len(kinds)) for one in zip(prices, currencies, strict=True)], np.int64)
    workers = np.asarray(found["worker"])[rows].astype(np.int64)
    seconds = np.array([np.ma.filled(found[name][rows], 0.0) for name in PURPOSES])
    # Below 0: this run numbers its own workers from 1 on.
    piece = Piece.of([ids[number] for number in workers.tolist()], -workers, tuple(kinds), kind, seconds)
    start, end = (float(found[name][rows][0]) for name in ("epoch", "until"))
    return Block(level, start, end, (piece,))


def _kind(price: float | None, currency: str | None) -> InstanceKind:
    known = price is not None and not math.isnan(price)
    return kind_of((None, None, None, None, price if known else None, currency or "", "", ""))
