"""What stands beside a figure that leaves the page: whose numbers these are, of which time, and by which clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from drm.figures.units import duration, plain
from drm.snapshot import Source


@dataclass(frozen=True, slots=True)
class Note:
    """`time`: of the last tick, epoch seconds, NaN before the first; `zone` None: this machine's."""

    source: Source
    range_seconds: float
    time: float
    zone: tzinfo | None = None

    @property
    def badge(self) -> str:
        """As on the page: `LIVE this machine`, `SIMULATED ...`."""
        return f"{self.source.kind.upper()} {plain(self.source.label, 60)}"

    @property
    def extent(self) -> str:
        """The range, its end, and the zone of all times of the figure."""
        if math.isnan(self.time):
            return "before the first tick"
        return f"{duration(self.range_seconds)} to {self._at(self.time):%Y-%m-%d %H:%M:%S}, times in {self.zone_name}"

    @property
    def zone_name(self) -> str:
        """Of the clock of the last tick: `UTC`, `CET (UTC+01:00)`."""
        end = self._at(self.time)
        name, offset = f"{end:%Z}", f"{end:%z}"
        return name if name == "UTC" else f"{name} (UTC{offset[:3]}:{offset[3:5]})"

    def clock(self, time: float) -> str:
        """A moment of the range, with its day where that is not the last one."""
        at = self._at(time)
        return f"{at:%H:%M:%S}" if at.date() == self._at(self.time).date() else f"{at:%Y-%m-%d %H:%M:%S}"

    def _at(self, time: float) -> datetime:
        return datetime.fromtimestamp(time, UTC).astimezone(self.zone)
