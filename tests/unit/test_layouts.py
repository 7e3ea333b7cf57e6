"""Layouts as serialised trees: what the page is made of, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import plotly.utils
import pytest

from drm import ids
from drm.figures.theme import CONFIG
from drm.layouts import overview, shell, utilization
from drm.model import RESOURCES
from drm.tabs import RANGES, TABS

Tree = dict[str, Any]


def tree(component: Any) -> Tree:
    """The component as the browser gets it."""
    return dict(json.loads(json.dumps(component, cls=plotly.utils.PlotlyJSONEncoder)))


def parts(node: Any) -> Iterator[Tree]:
    """All components of a tree."""
    if isinstance(node, list):
        for one in node:
            yield from parts(one)
    elif isinstance(node, dict) and "type" in node:
        yield node
        yield from parts(node["props"].get("children"))


def by_id(node: Tree) -> dict[str, Tree]:
    """Components by their id."""
    return {part["props"]["id"]: part for part in parts(node) if "id" in part["props"]}


@pytest.fixture(scope="module")
def page() -> Tree:
    """The whole page."""
    return tree(shell.layout({"overview": overview.layout(), "utilization": utilization.layout()}))


def test_no_id_stands_twice(page: Tree) -> None:
    """Dash takes the second component of an id for the first."""
    named = [part["props"]["id"] for part in parts(page) if "id" in part["props"]]
    assert len(named) == len(set(named))


def test_there_is_one_clock(page: Tree) -> None:
    """One Interval for the page, and for each tab a store of its own tick."""
    assert [part["props"]["id"] for part in parts(page) if part["type"] == "Interval"] == [ids.INTERVAL]
    assert {ids.tick(tab.key) for tab in TABS} <= set(by_id(page))


def test_each_tab_has_its_panel(page: Tree) -> None:
    """In the order of the registry, with its label; the first is shown."""
    options = by_id(page)[ids.TABS]["props"]["options"]
    assert [(option["value"], option["label"]) for option in options] == [(tab.key, tab.label) for tab in TABS]
    assert [by_id(page)[ids.panel(tab.key)]["props"]["hidden"] for tab in TABS] == [False, *[True] * (len(TABS) - 1)]


def test_every_choice_has_a_label(page: Tree) -> None:
    """A screen reader names each control, and a group of buttons has a name."""
    labels = {part["props"].get("htmlFor") for part in parts(page) if part["type"] == "Label"}
    for part in parts(page):
        if part["type"] == "Select":
            assert part["props"]["id"] in labels
    groups = [part["props"]["aria-label"] for part in parts(page) if part["props"].get("role") == "group"]
    assert groups == ["Resource", "Measure"]
    assert [option["value"] for option in by_id(page)[ids.RANGE]["props"]["options"]] == list(RANGES)


def test_no_graph_offers_an_upload(page: Tree) -> None:
    """Plotly's own cloud is switched off on every graph."""
    graphs = [part for part in parts(page) if part["type"] == "Graph"]
    assert len(graphs) == 3
    assert all(graph["props"]["config"] == CONFIG for graph in graphs)
    assert CONFIG["showSendToCloud"] is False


def test_nothing_is_shown_before_it_is_known(page: Tree) -> None:
    """Resources are hidden, numbers are dashes, and the detail is closed until there is a snapshot."""
    components = by_id(page)
    assert all(components[ids.card(name, "row")]["props"]["hidden"] for name in RESOURCES)
    assert components[ids.card("workers", "value")]["props"]["children"] == "–"
    assert components[ids.DETAIL]["props"]["hidden"] is True
