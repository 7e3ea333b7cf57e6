"""Times as people give them: a moment, or how long ago it was."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from drm.errors import InvalidValueError

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LATEST = 32_503_680_000.0
"""The year 3000."""
SHOWN = 60
RULE = "a date and time as in 2026-01-05T08:00 (UTC unless it ends as in +02:00), epoch seconds, or how long ago as in 90m, 24h or 7d"


def read_time(name: str, text: str, now: float) -> float:
    """Epoch seconds of a time that was given as `name`. InvalidValueError with the value and the rule."""
    ago = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhdw])", text.strip())
    seconds = now - float(ago[1]) * UNITS[ago[2]] if ago else _moment(text.strip())
    if not 0 <= seconds <= LATEST:
        raise InvalidValueError(f"{name} must be {RULE}; got {text[:SHOWN]!r}")
    return seconds


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan
