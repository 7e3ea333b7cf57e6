"""How the keeping of history does, for a reader of the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

NEWS_SECONDS = 600.0
"""So long it is told what was found at the start, or that history is kept again."""

State = Literal["off", "starting", "on", "stopped"]


@dataclass(frozen=True, slots=True)
class Recording:
    """How the keeping of history does."""

    state: State = "off"
    """off: nobody asked for it. starting: what was kept is being read. stopped: it cannot be kept now, and is tried again."""
    since: float = math.nan
    """From which time on it is in this state, by the ticks' clock."""
    reason: str = ""
    """Why it is stopped; or what was found when it started."""
    path: str = ""
    complete_until: float = -math.inf
    """Up to this tick everything is written."""
    waiting: int = 0
    """Batches that wait to be written."""
    dropped_samples: int = 0
    dropped_records: int = 0
    """What could not be kept, in all."""
    written_batches: int = 0
    memory_bytes: float = math.nan
    """What DuckDB holds in memory, of the file and of what is not in it yet; NaN: not known now."""
    busy_seconds: float = 0.0
    """How long its thread has worked, in all."""

    def told(self, now: float) -> tuple[str, bool]:
        """What the page says of it at a time of the ticks' clock, and whether that is a warning; empty where there is nothing to say."""
        if self.state == "starting":
            return "The history is being read.", False
        age = now - self.since
        if self.state == "stopped":
            for_how_long = f" for {_span(age)}" if age >= 1 else ""
            lost = self.dropped_samples + self.dropped_records
            dropped = f" {lost} samples and records are lost so far." if lost else ""
            return f"History has not been kept{for_how_long}: {self.reason}. It is tried again.{dropped}", True
        return (self.reason, False) if self.reason and not age > NEWS_SECONDS else ("", False)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
