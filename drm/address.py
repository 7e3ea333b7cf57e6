"""Where the page is, and what of it stands in its address, so that a copied URL shows the same view."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from drm import ids
from drm.analysis.allocation import SORTS
from drm.analysis.lifetimes import SHOWS
from drm.analysis.lifetimes import SORTS as LIFETIME_SORTS
from drm.analysis.worker_order import ANY
from drm.analysis.worker_order import SORTS as HEAT_SORTS
from drm.budget import PERIODS
from drm.figures.cloud import BY
from drm.figures.utilization import SHOWS as HEAT_SHOWS
from drm.model import RESOURCES, WORKER_STATES
from drm.tabs import DEFAULT_RANGE, DEFAULT_REFRESH, LONGEST_SECONDS, RANGES, REFRESHES, SHORTEST_SECONDS, TABS

DEFAULT_PREFIX = "/drm-dashboard/"
TICKS_PATH = "_drm-ticks"
"""Where, under the page's prefix, the server of a pushed page keeps its websocket."""


WORD = r"[a-z0-9.-]{1,40}"
TEXT, TEXT_RULE = r".{0,200}", "a text of at most 200 letters"
SECONDS_RULE = f"{SHORTEST_SECONDS:.0f} to {LONGEST_SECONDS:.0f} seconds as in 1380s"


@dataclass(frozen=True, slots=True)
class Choice:
    """One name of the query, the component property that it is, and its values; for any other value the default is shown, and words."""

    name: str
    component: str
    prop: str
    values: tuple[str, ...]
    default: str
    pattern: str = ""
    """What other values look like, as a regular expression of Python and of JavaScript."""
    rule: str = ""
    """What they are, in words."""
    instead: str = ""
    """What the default shows, in words, where it is empty."""


CHOICES = (
    Choice("tab", ids.TABS, "value", tuple(tab.key for tab in TABS), TABS[0].key),
    Choice("range", ids.RANGE, "value", tuple(RANGES), DEFAULT_RANGE, r"[0-9]{1,9}(\.[0-9]{1,6})?s", SECONDS_RULE),
    Choice("at", ids.AT, "data", (), "", r"[0-9]{1,11}(\.[0-9]{1,9})?", "epoch seconds, as in 1767600000", "the present"),
    Choice("refresh", ids.REFRESH, "value", ("0", *map(str, REFRESHES)), str(DEFAULT_REFRESH)),
    Choice("theme", ids.THEME, "value", ("auto", "light", "dark"), "auto"),
    Choice("resource", ids.RESOURCE, "value", RESOURCES, RESOURCES[0]),
    Choice("efficiency_of", ids.EFFICIENCY_RESOURCE, "value", RESOURCES, RESOURCES[0]),
    Choice("efficiency_by", ids.EFFICIENCY_BY, "value", ("name", "shape"), "name"),
    Choice("measure", ids.MEASURE, "value", ("used", "allocated"), "used"),
    Choice("cells", ids.CELLS_SHOW, "value", HEAT_SHOWS, HEAT_SHOWS[0]),
    Choice("sort", ids.CELLS_SORT, "value", HEAT_SORTS, HEAT_SORTS[0]),
    Choice("name", ids.CELLS_NAME, "value", (), "", TEXT, TEXT_RULE, "all workers"),
    Choice("state", ids.CELLS_STATE, "value", (ANY, *WORKER_STATES), ANY),
    Choice("type", ids.CELLS_TYPE, "value", (), ANY, TEXT, TEXT_RULE, "all workers"),
    Choice("provider", ids.CELLS_PROVIDER, "value", (), ANY, TEXT, TEXT_RULE, "all workers"),
    Choice("label", ids.CELLS_LABEL, "value", (), "", TEXT, TEXT_RULE, "all workers"),
    Choice("lifetimes", ids.LIFETIMES_SHOW, "value", SHOWS, SHOWS[0]),
    Choice("lifetimes_sort", ids.LIFETIMES_SORT, "value", LIFETIME_SORTS, LIFETIME_SORTS[0]),
    Choice("demand", ids.DEMAND_RESOURCE, "value", RESOURCES, RESOURCES[0]),
    Choice("cloud_by", ids.CLOUD_BY, "value", BY, BY[0]),
    Choice("period", ids.SPEND_PERIOD, "value", PERIODS, PERIODS[0]),
    Choice("ladder_of", ids.LADDER_OF, "value", (), "all", r".{1,80}", "the name of a kind of instance"),
    Choice("instance", ids.INSTANCE_TYPE, "value", (), "m5.large", WORD, "the name of an instance type"),
    Choice("region", ids.CLOUD_REGION, "value", (), "us-east-1", WORD, "the name of a region"),
    Choice("decision", ids.DECISION, "data", ("now",), "", r"[0-9]{1,15}", "the number of a decision", "none"),
    Choice("allocation_resource", ids.ALLOCATION_RESOURCE, "value", RESOURCES, RESOURCES[0]),
    Choice("allocation_sort", ids.ALLOCATION_SORT, "value", SORTS, SORTS[0]),
)


def leads_to(parts: str, **values: str) -> dict[str, str]:
    """Attributes of a button with an amount of money on it, which opens the element that shows its parts and brings it into view; before
    that it sets the `value` of components, by id. assets/drm/money.js does it."""
    return _leads_to(parts, [[component, "value", value] for component, value in values.items()])


def leads_to_instances(moment: float | None) -> dict[str, str]:
    """The same of a cost rate: the instances of the pool at a moment, as the Cloud tab shows them; None: of the present."""
    past = [] if moment is None else [[ids.AT, "data", f"{moment:.3f}".rstrip("0").rstrip(".")]]
    return _leads_to(ids.CLOUD_TABLE, [*past, [ids.TABS, "value", "cloud"]])


def leads_to_worker(worker_id: str) -> dict[str, str]:
    """The same of what was paid for one worker: it opens in Utilization."""
    chosen = {"worker": worker_id, "group": None}
    return _leads_to(ids.DETAIL_SPEND_TABLE, [[ids.SELECTED, "data", chosen], [ids.TABS, "value", "utilization"]])


def _leads_to(parts: str, properties: list[list[Any]]) -> dict[str, str]:
    return {"data-drm-parts": parts, "data-drm-set": json.dumps(properties), "type": "button", "title": "Show what it is made of"}
