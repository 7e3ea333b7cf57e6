"""How the controller does, as its readers are told."""

from __future__ import annotations

import math
from dataclasses import dataclass

from drm.hidden import without_secrets


@dataclass(frozen=True, slots=True)
class Health:
    """How the controller does. Times are epoch seconds; NaN before the first tick that went well."""

    ok: bool = True
    """Whether the last tick went well."""
    error: str = ""
    """Why it did not."""
    errors: int = 0
    """Ticks that failed, since the start."""
    last_error: str = ""
    """Why the last one of them did."""
    last_error_monotonic: float = math.nan
    """When that was, by `time.monotonic()`."""
    last_tick_at: float = math.nan
    """The time of the last tick that went well."""
    ticked_monotonic: float = math.nan
    """When that was by `time.monotonic()`, for its age: a wall clock may have been set since."""
    tick_seconds: float = math.nan
    """How long the last tick took."""
    ticking_seconds: float = 0.0
    """How long all that went well took."""
    interval_seconds: float = 1.0


def sentence(error: BaseException) -> str:
    """An error in one line, also where it cannot say itself what it is."""
    try:
        text = " ".join(without_secrets(str(error)).split())
    except Exception:
        text = ""
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:500]
