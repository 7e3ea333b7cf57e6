"""Layouts as serialised trees: what the page is made of, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import plotly.utils
import pytest
from dash import html

from drm import ids
from drm.figures.theme import CONFIG
from drm.layouts import allocation, shell
from drm.tables.saved import SAVED
from drm.tables.writing import FORMATS
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
    panels = {tab.key: import_module(f"drm.layouts.{tab.key}").layout() for tab in TABS}
    return tree(shell.layout(panels, {"ticks": None, "ping": "/healthz", "live": None, "logout": None, "export": "/api/v1/export"}))


def test_no_id_stands_twice(page: Tree) -> None:
    """Dash takes the second component of an id for the first."""
    named = [part["props"]["id"] for part in parts(page) if "id" in part["props"]]
    assert len(named) == len(set(named))


def test_there_is_one_clock(page: Tree) -> None:
    """One Interval refreshes the page, the other moves the moment and rests until it is played; each tab has a store of its own tick."""
    clocks = {part["props"]["id"]: part["props"].get("disabled", False) for part in parts(page) if part["type"] == "Interval"}
    assert clocks == {ids.INTERVAL: False, ids.PLAY_CLOCK: True}
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
    assert {"Resource", "Measure", "Resource of the demand", "Resource of the figures", "Tasks by"} <= set(groups) and all(groups)
    assert [option["value"] for option in by_id(page)[ids.RANGE]["props"]["options"]] == list(RANGES)


def test_no_graph_offers_an_upload(page: Tree) -> None:
    """Plotly's own cloud is switched off on every graph."""
    graphs = [part for part in parts(page) if part["type"] == "Graph"]
    assert len(graphs) > len(TABS)
    assert all(graph["props"]["config"][name] == value for graph in graphs for name, value in CONFIG.items())
    assert CONFIG["showSendToCloud"] is False


def test_nothing_is_shown_before_it_is_known(page: Tree) -> None:
    """The summary, cards and findings are empty, and the detail is closed until there is a snapshot."""
    components = by_id(page)
    contents = (ids.SUMMARY, ids.OVERVIEW_CARDS, ids.EFFICIENCY_CARDS, ids.card("allocation", "findings"))
    assert not [one for one in contents if components[one]["props"].get("content")]
    assert components[ids.DETAIL]["props"]["hidden"]
    assert all(components[one]["props"]["disabled"] for one in (ids.CUSTOM, ids.LOOK_BACK)), "a click would be lost"


def test_the_summary_stands_above_the_tabs(page: Tree) -> None:
    """One strip for all tabs, between what opens above it and what is to be said of the moment."""
    header, _about, custom, past, strip, notices, nav, main = page["props"]["children"][-8:]
    assert [part["type"] for part in (header, strip, notices, nav, main)] == ["Header", "Section", "Div", "Nav", "Main"]
    assert strip["props"]["aria-label"] == "Resource Summary"
    assert custom["props"]["hidden"] and past["props"]["hidden"] and notices["props"]["role"] == "status"
    assert [part["props"]["id"] for part in strip["props"]["children"]] == [ids.SUMMARY]


def test_the_live_dashboard_is_opened_from_the_summary() -> None:
    """The strip ends with a button that posts to where a live dashboard is opened; without one to open there is none."""
    panels = {tab.key: [] for tab in TABS}
    feed = {"ticks": None, "ping": "/healthz", "live": "/drm-dashboard/live", "logout": None}
    header, _about, _span, _moment, strip, _notices, _nav, _main = tree(shell.layout(panels, feed))["props"]["children"][-8:]
    form = strip["props"]["children"][-1]
    assert {name: form["props"][name] for name in ("action", "method", "target")} == {
        "action": "/drm-dashboard/live",
        "method": "POST",
        "target": "_blank",
    }
    assert form["props"]["children"]["props"]["children"] == "Open the live dashboard"
    assert "live" not in json.dumps(header)
    assert "Open the live" not in json.dumps(tree(shell.layout(panels, feed | {"live": None})))


def test_who_came_in_by_a_cookie_can_log_out() -> None:
    """By a button that posts to where that is done; nobody else has one."""
    feed = {"ticks": None, "ping": "/login", "live": None, "logout": "/logout"}
    panels = {tab.key: [] for tab in TABS}
    forms = [part["props"] for part in parts(tree(shell.layout(panels, feed))) if part["type"] == "Form"]
    assert [(form["action"], form["method"]) for form in forms] == [("/logout", "POST")]
    assert "Log out" not in json.dumps(tree(shell.layout(panels, feed | {"logout": None})))


def test_what_can_be_saved_is_told_to_the_browser(page: Tree) -> None:
    """A menu, empty until the browser fills it, and the tables and formats of each tab as the API knows them."""
    components = by_id(page)
    assert components[ids.SAVE]["props"]["label"] == "Save data" and components[ids.SAVE]["props"]["children"] == []
    told = components[ids.SAVED]["props"]["data"]
    assert list(told["tables"]) == [tab.key for tab in TABS] and list(told["formats"]) == list(FORMATS)
    assert components[ids.FEED]["props"]["data"]["export"] == "/api/v1/export"
    names = {tab: [one["name"] for one in tables] for tab, tables in told["tables"].items()}
    assert names == {tab: [one.name for one in saved] for tab, saved in SAVED.items()}


def test_the_allocation_tab_has_its_cards_in_their_order() -> None:
    """Nested bars, then room for findings, then packing, which is hidden until there is a worker."""
    sections = [node for node in tree(html.Div(allocation.layout()))["props"]["children"] if node["type"] != "Store"]
    headings = [[part["props"]["children"] for part in parts(section) if part["type"] == "H2"] for section in sections]
    assert headings == [["Capacity, allocated and used"], [], ["Packing"]]
    assert [section["props"].get("hidden", False) for section in sections] == [False, False, True]
    assert sections[1]["props"]["id"] == ids.card("allocation", "findings")
