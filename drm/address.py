"""What of the page stands in its address, so that a copied URL shows the same view."""

from __future__ import annotations

from dataclasses import dataclass

from drm import ids
from drm.model import RESOURCES
from drm.tabs import DEFAULT_RANGE, DEFAULT_REFRESH, RANGES, REFRESHES, TABS


@dataclass(frozen=True, slots=True)
class Choice:
    """One name of the query, the component property that it is, and its values; any other value stands for the default."""

    name: str
    component: str
    prop: str
    values: tuple[str, ...]
    default: str


CHOICES = (
    Choice("tab", ids.TABS, "value", tuple(tab.key for tab in TABS), TABS[0].key),
    Choice("range", ids.RANGE, "value", tuple(RANGES), DEFAULT_RANGE),
    Choice("refresh", ids.REFRESH, "value", ("0", *map(str, REFRESHES)), str(DEFAULT_REFRESH)),
    Choice("theme", ids.THEME, "value", ("auto", "light", "dark"), "auto"),
    Choice("resource", ids.RESOURCE, "value", RESOURCES, RESOURCES[0]),
    Choice("measure", ids.MEASURE, "value", ("used", "allocated"), "used"),
)
