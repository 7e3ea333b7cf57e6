"""The ladder: paid -> allocatable -> requested -> used -> useful, in worker-seconds and in money, and where each step of it goes.

Each rung is what is left of the one above after some parts of `drm.cloud.split.PARTS`, so rungs and parts add up to what was paid. In the
words of others (docs/cost-split.md): OpenCost's idle cost is paid - requested - others, its efficiency used / requested.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np

from drm.cloud.accrual import HOUR_SECONDS, Spend
from drm.cloud.split import ENDED, PARTS
from drm.model import FloatArray, InstanceKind

RungName = Literal["paid", "allocatable", "requested", "used", "useful"]
STEPS: Mapping[RungName, tuple[str, ...]] = MappingProxyType(
    {
        "paid": (),
        "allocatable": ("boot", "draining", "billing_minimum"),
        "requested": ("idle_grace", "cooldown", "held", "min_bound", "kept", "stranded", "spare", "others"),
        "used": ("unused", "unmeasured"),
        "useful": ("failed", "lost", "cancelled", "open"),
    }
)
"""What is taken from the rung above to come to each. open: used by attempts that had not ended by then, or by no task of ours."""
PIECES = (*(name for parts in STEPS.values() for name in parts), "useful")
"""Into which all that was paid falls apart."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Amount:
    """A piece of what was paid."""

    seconds: float
    """Worker-seconds."""
    money: float
    """NaN where a price is not known, or prices are in several currencies."""
    known_money: float
    """What is known of it at least; NaN where prices are in several currencies."""

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.seconds + other.seconds, self.money + other.money, self.known_money + other.known_money)


NOTHING = Amount(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Ladder:
    """What a time cost, and what for."""

    since: float
    until: float
    """since, until: of the sums that were compared, which stand at the first tick of a minute, ten minutes or an hour."""
    currency: str
    """Empty where no price is known, or prices are in several."""
    pieces: Mapping[str, Amount]
    """By `PIECES`; they add up to what was paid."""
    unpriced_seconds: float
    """Worker-seconds whose price is not known."""

    def rung(self, name: RungName) -> Amount:
        """What is left on a rung."""
        below = list(STEPS)[list(STEPS).index(name) + 1 :]
        return sum((self.pieces[part] for rung in below for part in STEPS[rung]), self.pieces["useful"])

    def step(self, name: RungName) -> Amount:
        """What is lost on the way to a rung."""
        return sum((self.pieces[part] for part in STEPS[name]), NOTHING)

    @property
    def paid(self) -> Amount:
        """All of it."""
        return self.rung("paid")

    def share(self, name: str) -> float:
        """The part (0 to 1) that a rung or a piece has of what was paid: of the money where all prices are known, else of the time."""
        amount = self.rung(name) if name in STEPS and name != "useful" else self.pieces[name]  # type: ignore[arg-type]
        by_money = not math.isnan(self.paid.money) and self.paid.money > 0
        part, whole = (amount.money, self.paid.money) if by_money else (amount.seconds, self.paid.seconds)
        return part / whole if whole > 0 else math.nan


def ladder(start: Spend | None, end: Spend, chosen: Callable[[InstanceKind], bool] | None = None) -> Ladder | None:
    """What was spent from `start` (None: from the first look on) until `end`, on the kinds of instances that are chosen.

    None where it is not known what the end was spent for.
    """
    found = by_key(start, end, lambda kind: "" if chosen is None or chosen(kind) else "-")
    return None if found is None else found.get("", _ladder(start, end, []))


def by_key(start: Spend | None, end: Spend, key: Callable[[InstanceKind], Key]) -> dict[Key, Ladder] | None:
    """A ladder for each key that a kind of instance has; those on which nothing was spent are left out. None as in `ladder`."""
    if end.parts is None or end.ended is None:
        return None
    groups: dict[Key, list[int]] = {}
    seconds = end.seconds - _padded(None if start is None else start.seconds, end.seconds)
    for row, kind in enumerate(end.kinds):
        if seconds[row] > 0:
            groups.setdefault(key(kind), []).append(row)
    return {name: _ladder(start, end, rows) for name, rows in groups.items()}


def _ladder(start: Spend | None, end: Spend, rows: Iterable[int]) -> Ladder:
    rows = list(rows)
    assert end.parts is not None
    assert end.ended is not None
    parts = (end.parts - _padded(None if start is None else start.parts, end.parts))[rows]
    ended = (end.ended - _padded(None if start is None else start.ended, end.ended))[rows]
    columns = dict(zip(PARTS, parts.T, strict=True))
    used = columns.pop("used")
    columns |= {("useful" if name == "done" else name): column for name, column in zip(ENDED, ended.T, strict=True)}
    # What attempts of before used counts where they end, so this may be less than nothing.
    columns["open"] = used - ended.sum(axis=1)
    hourly = end.hourly[rows] if len(end.kinds) else np.empty(0)
    currencies = {end.kinds[row].price.currency for row in rows if end.kinds[row].price}  # type: ignore[union-attr]
    mixed = len(currencies) > 1
    unpriced = float(parts[np.isnan(hourly)].sum())
    return Ladder(
        since=end.since if start is None else start.time,
        until=end.time,
        currency=next(iter(currencies)) if len(currencies) == 1 else "",
        pieces={name: _amount(columns[name], hourly, mixed=mixed) for name in PIECES},
        unpriced_seconds=unpriced,
    )


def _amount(seconds: FloatArray, hourly: FloatArray, *, mixed: bool) -> Amount:
    each = np.where(seconds == 0, 0.0, seconds / HOUR_SECONDS * hourly)
    known = math.nan if mixed else math.fsum(each[~np.isnan(each)].tolist())
    return Amount(math.fsum(seconds.tolist()), math.nan if mixed else math.fsum(each.tolist()), known)


def _padded(before: FloatArray | None, after: FloatArray) -> FloatArray:
    """The sums of before in the shape of those of after, whose kinds begin with the same."""
    whole = np.zeros_like(after)
    if before is not None:
        whole[: len(before)] = before
    return whole
