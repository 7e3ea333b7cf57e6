"""The registry of tabs. A tab's key names its modules: drm.figures.KEY, drm.layouts.KEY, drm.callbacks.KEY."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab of the page."""

    key: str
    label: str


TABS = (
    Tab("overview", "Overview"),
    Tab("utilization", "Utilization"),
    Tab("scaling", "Scaling"),
    Tab("allocation", "Allocation"),
    Tab("efficiency", "Efficiency"),
    Tab("cloud", "Cloud"),
)

RANGES = {"15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
"""The time ranges to choose from, in seconds."""

SHORTEST_SECONDS, LONGEST_SECONDS = 10.0, 2_592_000.0
"""Between these any other range may be; further back nothing is kept."""

REFRESHES = (1, 2, 5, 10, 30, 60)
"""The seconds between two refreshes to choose from; 0 is a pause."""

SPEEDS = (1, 2, 5, 10, 30, 60)
"""How fast the past may be played: seconds of it in a second."""

DEFAULT_RANGE, DEFAULT_REFRESH = "15m", 1


def range_seconds(text: str) -> float | None:
    """A range to choose from, or a number of seconds as in `1380s`; None for what is neither, or is too short or too long."""
    if text in RANGES:
        return float(RANGES[text])
    number = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)s", text)
    seconds = float(number[1]) if number else 0.0
    return seconds if SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS else None
