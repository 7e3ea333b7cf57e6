"""What the amounts of the ladder are made of, in accounts that add up to it: by kind of instance, by worker, by time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from drm.analysis.by_worker import ByWorker
from drm.analysis.ladder import NOTHING, STEPS, Amount, Ladder
from drm.figures.ladder_text import PIECES, RUNGS, hours
from drm.figures.units import count, duration, money, plain

MOST_KINDS = 8
"""Columns: those on which most was paid; the others share one."""
OTHERS = "others"
LEAST_SHARE = 1e-6
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Parts:
    """A row for each rung and each piece that is more than nothing, a column for each kind of instance, or each time."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, bool, tuple[str, ...]], ...]
    """(its name, whether it is a rung, the amounts): money, or worker-hours where a price is not known."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """What was paid for one worker (`worker_id`), or for several (None)."""

    name: str
    worker_id: str | None
    hours: str
    """Worker-hours."""
    amounts: tuple[str, ...]
    """By rung: money, or worker-hours where a price is not known."""
    is_sum: bool = False


def worker_rows(found: ByWorker) -> list[WorkerRow]:
    """The workers on which most was paid, the others, and their sum."""
    rows = [_worker_row(plain(worker_id), worker_id, account) for worker_id, account in found.workers]
    if found.rest is not None:
        rows.append(_worker_row(count(found.others, "other worker"), None, found.rest))
    return [*rows, replace(_worker_row("Sum", None, found.whole), is_sum=True)]


def worker_rows_note(found: ByWorker, asked: Ladder) -> str:
    """Of what time the rows are, which is the coarser the longer ago it is."""
    told = f"By worker it is kept for {duration(found.whole.until - found.whole.since)} up to {_clock(found.whole.until)}"
    is_same = (found.whole.since, found.whole.until) == (asked.since, asked.until)
    return f"{told}." if is_same else f"{told}, in whole tens of minutes or hours, so the sum is not that of the account above."


def parts(whole: Ladder, by_kind: Mapping[str, Ladder]) -> Parts | None:
    """`by_kind`: the accounts that the whole is made of, by the name of the kind. None where there are not several."""
    if len(by_kind) < 2:
        return None
    order = sorted(by_kind, key=lambda name: -by_kind[name].paid.seconds)
    names = order if len(order) <= MOST_KINDS else order[: MOST_KINDS - 1]
    columns = [[by_kind[name]] for name in names]
    if len(names) < len(order):
        columns.append([by_kind[name] for name in order[len(names) :]])
        names = [*names, OTHERS]
    return Parts(tuple(names), _rows(whole, columns))


def parts_in_time(whole: Ladder, slices: Mapping[str, Ladder]) -> Parts | None:
    """`slices`: the accounts of times that follow each other, by the name of the time. None where there are not several."""
    return Parts(tuple(slices), _rows(whole, [[one] for one in slices.values()])) if len(slices) > 1 else None


def time_text(since: float, until: float) -> str:
    """A column of times that follow each other, in UTC: the hours of a day, or days."""
    began, ended = (datetime.fromtimestamp(one, UTC) for one in (since, until))
    if until - since >= DAY_SECONDS:
        return f"{began.day} {began:%b} to {ended.day} {ended:%b}"
    return f"{'' if began.date() == ended.date() else f'{began.day} {began:%b} '}{began:%H:%M} to {ended:%H:%M}"


def _rows(whole: Ladder, columns: Sequence[Sequence[Ladder]]) -> tuple[tuple[str, bool, tuple[str, ...]], ...]:
    rows = []
    for rung, pieces in STEPS.items():
        told = [piece for piece in pieces if abs(whole.pieces[piece].seconds) >= LEAST_SHARE * max(whole.paid.seconds, 1.0)]
        amounts = [[_sum(one.pieces[piece] for one in column) for column in columns] for piece in told]
        rows += [
            (PIECES[piece][0], False, tuple(_text(one, whole.currency) for one in line)) for piece, line in zip(told, amounts, strict=True)
        ]
        rungs = [_sum(one.rung(rung) for one in column) for column in columns]
        rows.append((RUNGS[rung][0], True, tuple(_text(one, whole.currency) for one in rungs)))
    return tuple(rows)


def _worker_row(name: str, worker_id: str | None, account: Ladder) -> WorkerRow:
    amounts = tuple(_text(account.rung(rung), account.currency) for rung in STEPS)
    return WorkerRow(name, worker_id, hours(account.paid.seconds), amounts)


def _clock(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%H:%M} UTC"


def _sum(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, NOTHING)


def _text(amount: Amount, currency: str) -> str:
    if not math.isfinite(amount.money):
        return f"{hours(amount.seconds)} h"
    return money(amount.money, currency) if amount.money >= 0 else f"-{money(-amount.money, currency)}"
