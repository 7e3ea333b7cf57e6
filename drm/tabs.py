"""The registry of tabs. A tab's key names its modules: drm.figures.KEY, drm.layouts.KEY, drm.callbacks.KEY."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab of the page."""

    key: str
    label: str


TABS = (
    Tab("overview", "Overview"),
    Tab("utilization", "Utilization"),
)

RANGES = {"15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
"""The time ranges to choose from, in seconds."""

REFRESHES = (1, 2, 5, 10, 30, 60)
"""The seconds between two refreshes to choose from; 0 is a pause."""

DEFAULT_RANGE, DEFAULT_REFRESH = "15m", 1
