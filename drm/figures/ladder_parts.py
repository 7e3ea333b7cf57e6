"""What the amounts of the ladder are made of: each rung and piece by kind of instance, in columns that add up to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drm.analysis.ladder import NOTHING, STEPS, Amount, Ladder
from drm.figures.ladder_text import PIECES, RUNGS, hours
from drm.figures.units import money

MOST_KINDS = 8
"""Columns: those on which most was paid; the others share one."""
OTHERS = "others"
LEAST_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class Parts:
    """A row for each rung and each piece that is more than nothing, a column for each kind."""

    kinds: tuple[str, ...]
    rows: tuple[tuple[str, bool, tuple[str, ...]], ...]
    """(its name, whether it is a rung, the amounts): money, or worker-hours where a price is not known."""


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
    rows = []
    for rung, pieces in STEPS.items():
        told = [piece for piece in pieces if abs(whole.pieces[piece].seconds) >= LEAST_SHARE * max(whole.paid.seconds, 1.0)]
        amounts = [[_sum(one.pieces[piece] for one in column) for column in columns] for piece in told]
        rows += [
            (PIECES[piece][0], False, tuple(_text(one, whole.currency) for one in line)) for piece, line in zip(told, amounts, strict=True)
        ]
        rungs = [_sum(one.rung(rung) for one in column) for column in columns]
        rows.append((RUNGS[rung][0], True, tuple(_text(one, whole.currency) for one in rungs)))
    return Parts(tuple(names), tuple(rows))


def _sum(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, NOTHING)


def _text(amount: Amount, currency: str) -> str:
    if not math.isfinite(amount.money):
        return f"{hours(amount.seconds)} h"
    return money(amount.money, currency) if amount.money >= 0 else f"-{money(-amount.money, currency)}"
