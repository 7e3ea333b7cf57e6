"""Workers that have ended, as the rows of a table: times in epoch seconds, lengths and shares as numbers with texts beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drm.analysis.lifetimes import seconds_in
from drm.figures.lifetime_words import REASON_LIMIT, kind_text
from drm.figures.units import count, duration, plain
from drm.history.lifetimes import Lifetime, Newest
from drm.history.window import LastHours
from drm.model import FloatArray

LENGTHS = {"booted": ("pending", "booting"), "ran": ("running", "cordoned"), "drained": ("draining",)}
PARTS = 20
"""Of a line: of three minutes each."""


def ended_rows(ended: Sequence[Lifetime], hours: LastHours, decisions: Mapping[int, int]) -> list[dict[str, Any]]:
    """A row for each; `decisions`: which of them ended it, by the number of the lifetime."""
    return [_row(one, hours, place, decisions.get(one.number)) for place, one in enumerate(ended)]


def words(ended: Newest) -> str:
    """How many are not listed; empty where all are."""
    hidden = ended.count - len(ended.lifetimes)
    return f"The {count(len(ended.lifetimes), 'worker')} that ended last are listed, {count(hidden, 'other')} not." if hidden else ""


def _row(one: Lifetime, hours: LastHours, place: int, decision: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": str(one.number),
        "worker": plain(one.worker_id, 64),
        "worker_id": one.worker_id,
        "kind": kind_text(one.kind),
        "came": round(one.began_at, 1),
        "ended": round(one.ended_at, 1),
        "why": plain(one.reason, REASON_LIMIT),
        "decision": None if decision is None else str(decision),
    }
    for name, states in LENGTHS.items():
        seconds = seconds_in(one, *states)
        is_known = not math.isnan(seconds)
        row |= {name: round(seconds, 1) if is_known else None, f"{name}_text": duration(seconds) if is_known else ""}
    for index, name in enumerate(("cpu", "memory")):
        mean, maximum = hours.mean[index, place], hours.max[index, place]
        is_known = bool(np.isfinite(mean).any())
        row |= {
            name: round(100 * float(np.nanmean(mean))) if is_known else None,
            f"{name}_max": round(100 * float(np.nanmax(maximum))) if is_known else None,
            f"{name}_line": _line(mean),
        }
    return row


def _line(mean: FloatArray) -> list[int | None]:
    """Percent, up to the end; what is missing at the beginning is left out."""
    parts = mean.reshape(PARTS, -1)
    known = np.isfinite(parts)
    number = known.sum(axis=1)
    percents = 100 * np.where(known, parts, 0.0).sum(axis=1) / np.maximum(number, 1)
    first = int(np.argmax(number > 0)) if number.any() else PARTS
    return [round(value) if has else None for value, has in zip(percents.tolist()[first:], number.tolist()[first:], strict=True)]
