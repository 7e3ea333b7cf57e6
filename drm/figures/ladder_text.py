"""The ladder of what was paid in words and bars: a row for each rung, and under it what is lost on the way to the next one.

Bars are percentages of their track, so that whoever draws them needs no arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from drm.analysis.ladder import STEPS, Amount, Ladder
from drm.cloud.accrual import HOUR_SECONDS
from drm.figures.units import UNKNOWN, duration, money, number, percent, plain
from drm.model import InstanceKind

RUNGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "paid": ("Paid", "all the time that was charged"),
        "allocatable": ("Allocatable", "could have held tasks"),
        "requested": ("Requested", "was held by tasks and reservations"),
        "used": ("Used", "of what they requested"),
        "useful": ("Useful", "used by tasks that were done"),
    }
)
PIECES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "boot": ("Booting", "before a worker's first tick as running"),
        "draining": ("Draining", "free on workers that are about to leave"),
        "billing_minimum": (
            "Billing minimum",
            "billed for workers that went before their provider's least time, or a begun hour, was over",
        ),
        "idle_grace": ("Idle grace", "idle, and not for long enough to go"),
        "cooldown": ("Cooldown", "idle and too many: a cooldown, the stabilization window, the step limit, or a third at once"),
        "held": ("Held", "idle and too many: another limit, or nothing could be decided"),
        "min_bound": ("Minimum bound", "idle, and the minimum keeps it"),
        "kept": ("Kept", "idle, and the policy wants it"),
        "stranded": ("Stranded", "free beside tasks, and nothing that waits fits"),
        "spare": ("Spare", "free beside tasks; nothing waits, or something would fit"),
        "others": ("Others", "held by other users of the workers"),
        "unused": ("Unused", "requested, and not used"),
        "unmeasured": ("Not measured", "requested; whether it was used is not known"),
        "failed": ("Failed", "used by tasks that failed"),
        "lost": ("Lost", "used by attempts that were lost"),
        "cancelled": ("Cancelled", "used by tasks that were cancelled"),
        "open": ("Still running", "used by tasks that have not ended, and by reservations of programs"),
    }
)
"""(name, what it is) of each rung and each piece."""

ALL = {"label": "all workers", "value": "all"}
"""Of which workers the account is shown first."""
NOTHING_YET = "Nothing was paid in this range yet: the first tick with a worker begins the account."
NOTHING_YET_OF_ONE = "What it was paid for is told from the first whole minute on."
NOTHING_OF_ONE = "Nothing was paid for it in this range."
NOT_KEPT = "What was paid by this moment, and what for, is not kept."


@dataclass(frozen=True, slots=True)
class Row:
    """A rung, or what is lost on the way to the next."""

    name: str
    detail: str
    hours: str
    """Worker-hours."""
    money: str
    share: str
    is_rung: bool
    left: float
    width: float
    """left, width: of its bar, in percent of what was paid."""


def rows(found: Ladder) -> list[Row]:
    """All rungs, and the pieces that are more than nothing."""
    shown, left = [], 100.0
    for rung, parts in STEPS.items():
        for part in parts:
            amount, share = found.pieces[part], _percent(found, part)
            left -= share
            # Sums of floats drift: what rounds to nothing is nothing.
            if abs(amount.seconds) >= 1e-6 * max(found.paid.seconds, 1.0):
                shown.append(_row(found, part, PIECES[part], amount, is_rung=False, left=left, width=share))
        shown.append(_row(found, rung, RUNGS[rung], found.rung(rung), is_rung=True, left=0.0, width=_percent(found, rung)))
    return shown


def sentence(found: Ladder, *, simulated: bool) -> str:
    """What was paid and how much of that was useful, and what took most of the rest."""
    if found.paid.seconds <= 0:
        return NOTHING_YET
    lost = {part: found.share(part) for parts in STEPS.values() for part in parts}
    most = max(lost, key=lambda part: lost[part])
    paid = f"{money(found.paid.money, found.currency)} for " if math.isfinite(found.paid.money) else ""
    time = f"{hours(found.paid.seconds)} worker-hours in {duration(found.until - found.since)}"
    text = f"{paid}{time}; {percent(found.share('useful'))} was useful."
    if lost[most] >= 0.005:
        name, detail = PIECES[most]
        text += f" Most of the rest, {percent(lost[most])}, was {name.lower()}: {detail}."
    return f"SIMULATED, prices included: {text}" if simulated else text


def note(found: Ladder) -> str:
    """What makes the sums less than whole, and how they were made."""
    told = []
    if found.unpriced_seconds > 0 and found.paid.seconds > 0:
        told.append(
            f"The price of {hours(found.unpriced_seconds)} of {hours(found.paid.seconds)} worker-hours is not known: "
            "shares are those of the time."
        )
    told.append(
        "A worker's price is shared among its cores, memory and GPUs; each row is a part of that, and all of them add up to what was paid."
    )
    return " ".join(told)


def hours(seconds: float) -> str:
    """Worker-hours."""
    return number(seconds / HOUR_SECONDS)


def kind_text(kind: InstanceKind) -> str:
    """A kind of instance in a list to choose from."""
    parts = (kind.provider, kind.region, kind.type, (kind.market or "").replace("_", "-"))
    return plain(" ".join(part for part in parts if part), 80) or "not said"


def provider_text(provider: str | None) -> str:
    """All kinds of one provider in that list."""
    return f"all of {plain(provider or 'those not said', 60)}"


def _row(found: Ladder, key: str, words: tuple[str, str], amount: Amount, *, is_rung: bool, left: float, width: float) -> Row:
    name, detail = words
    cost = money(amount.money, found.currency) if math.isfinite(amount.money) and amount.money >= 0 else UNKNOWN
    if math.isfinite(amount.money) and amount.money < 0:
        cost = f"-{money(-amount.money, found.currency)}"
    left, width = max(0.0, min(100.0, left)), max(0.0, min(100.0, width))
    return Row(name, detail, hours(amount.seconds), cost, _share_text(found.share(key)), is_rung, left, width)


def _share_text(share: float) -> str:
    return "under 1 %" if 0 < abs(share) < 0.005 else percent(share)


def _percent(found: Ladder, key: str) -> float:
    share = found.share(key)
    return share * 100 if math.isfinite(share) else 0.0
