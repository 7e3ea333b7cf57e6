"""Figures for files: times by a clock, cells as numbers, a panel for each resource, the range that holds what was recorded."""

from __future__ import annotations

import base64
import json
import math
import re
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from drm.export import figure_card, page
from drm.exports import EXPORTS, Drawn, Scope, draw, export_of, recorded_seconds
from drm.figures import overview, utilization
from drm.figures.finished import difference, finish, words
from drm.figures.notes import Note
from drm.figures.theme import Figure
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.snapshot import Source
from drm.state import DRMState
from drm.still import still
from drm.tabs import TABS
from tests.unit.page_pool import START, TICKS, state_with_history

BERLIN = ZoneInfo("Europe/Berlin")
DAY = 86_400.0
NOTE = Note(Source("simulated", "100 workers, <seed> 0"), 900, START, BERLIN)


@pytest.fixture(scope="module")
def state() -> DRMState:
    """Two minutes of two workers."""
    return state_with_history()


def numbers(matrix: dict[str, Any]) -> np.ndarray:
    """A matrix of a finished figure."""
    flat = np.frombuffer(base64.b64decode(matrix["bdata"]), f"<{matrix['dtype']}")
    return flat.reshape([int(length) for length in matrix["shape"].split(", ")])


def drawn(key: str, state: DRMState, seconds: float = 120.0) -> Figure:
    figure = draw(export_of(key), Scope(state, seconds, zone=BERLIN)).figure
    assert figure is not None
    return figure


def test_times_are_those_of_the_zones_clock(state: DRMState) -> None:
    """Epoch seconds become what a clock in the zone showed, in summer as in winter."""
    figure = overview.build(state.fleet(120), "light", 120)
    assert figure is not None
    assert finish(figure, BERLIN)["data"][0]["x"][0] == "2027-01-15 09:00:00.000"
    assert figure["times"][0] == START and "x" not in figure["data"][0]
    summer = {"data": [{"x": [1_813_622_400.0]}], "layout": {"xaxis": {"type": "date"}}}
    assert finish(summer, BERLIN)["data"][0]["x"] == ["2027-06-22 02:00:00.000"]


def test_only_axes_of_time_are_turned_into_dates() -> None:
    """Bars over numbers or names stay as they are; marks on an axis of time do not."""
    figure = {
        "data": [{"x": [5.0], "xaxis": "x2"}, {"x": ["w-1"], "xaxis": "x3"}, {"x": [0.0]}],
        "layout": {
            "xaxis": {"type": "date"},
            "xaxis2": {},
            "xaxis3": {"type": "category"},
            "shapes": [{"xref": "x", "x0": 0.0, "x1": 60.0, "y0": 0.0}, {"xref": "paper", "x0": 0, "x1": 1}],
            "annotations": [{"xref": "x", "x": 0.0, "text": "up"}],
        },
    }
    finished = finish(figure, ZoneInfo("UTC"))
    assert [trace["x"] for trace in finished["data"]] == [[5.0], ["w-1"], ["1970-01-01 00:00:00.000"]]
    assert finished["layout"]["shapes"][0] == {"xref": "x", "x0": "1970-01-01 00:00:00.000", "x1": "1970-01-01 00:01:00.000", "y0": 0.0}
    assert finished["layout"]["shapes"][1] == {"xref": "paper", "x0": 0, "x1": 1}
    assert finished["layout"]["annotations"][0]["x"] == "1970-01-01 00:00:00.000"


def test_cells_are_the_numbers_of_the_window(state: DRMState) -> None:
    """Percent of capacity, NaN where there was no sample, and the amount in the row's units."""
    window = state.heatmap(120, "cpu")
    wire = utilization.build(window, {"plain": 4.0, "<b>fast": 8.0}, "cpu", "used", "light", 120)
    assert wire is not None
    trace = finish(wire, BERLIN)["data"][0]
    row = wire["members"].index(["plain"])
    shares, maxima, amounts = (numbers(trace[name]) for name in ("z", "text", "customdata"))
    assert shares.shape == window.mean.shape
    assert shares[row, -1] == 50.0 and maxima[row, -1] == 50 and amounts[row, -1] == 2.0
    assert shares[1 - row, -1] == 75.0 and amounts[1 - row, -1] == 6.0
    assert np.isnan(shares[1 - row, :11]).all() and not np.isnan(shares[1 - row, 12:]).any()
    assert "%{customdata" in trace["hovertemplate"]
    assert "z" not in wire["data"][0]


def test_an_amount_that_is_not_known_for_each_row_is_left_out(state: DRMState) -> None:
    """Workers that went have no known capacity; percent alone is shown."""
    wire = utilization.build(state.heatmap(120, "cpu"), {"plain": 4.0}, "cpu", "used", "light", 120)
    assert wire is not None
    trace = finish(wire)["data"][0]
    assert "customdata" not in trace and "customdata" not in trace["hovertemplate"]


def test_the_heatmap_has_a_panel_for_each_resource_and_says_which_was_not_measured(state: DRMState) -> None:
    """CPU, memory and GPU were measured; GPU memory is there and was not: it is named and not drawn."""
    figure = drawn("utilization", state)
    headings = [note["text"] for note in figure["layout"]["annotations"]]
    assert [re.sub("<.*?>", "", heading) for heading in headings] == [
        "CPU used, % of capacity",
        "Memory used, % of capacity",
        "GPU used, % of capacity",
        "Not measured: GPU memory.",
    ]
    assert [len(trace["y"]) for trace in figure["data"]] == [2, 1, 1]
    tops = [figure["layout"][f"yaxis{suffix}"]["domain"] for suffix in ("", "2", "3")]
    assert all(upper[0] > lower[1] for upper, lower in pairwise(tops))
    assert 0 <= tops[-1][0] < 1e-9


def test_the_dark_figure_is_the_light_one_and_its_differences(state: DRMState) -> None:
    """What a page in the dark applies gives the figure that was built dark; it is colours alone."""
    for export in EXPORTS[:4]:
        light = draw(export, Scope(state, 120, zone=BERLIN))
        dark = finish(export.build(Scope(state, 120, scheme="dark", zone=BERLIN)) or {}, BERLIN)
        figure = json.loads(json.dumps(light.figure))
        for path, value in light.dark:
            part = figure
            for name in path[:-1]:
                part = part[name]
            part[path[-1]] = value
            assert not isinstance(value, (dict, list, float))
        assert figure == json.loads(json.dumps(dark))
        assert 0 < len(light.dark) < 120


def test_a_difference_of_length_replaces_the_whole() -> None:
    """Lists of other lengths are not compared part by part."""
    assert difference({"a": [1, 2], "b": {"c": 3}}, {"a": [1], "b": {"c": 4}}) == [(("a",), [1]), (("b", "c"), 4)]


def test_a_single_sample_is_seen() -> None:
    """No line leads to it, so it gets a mark, and the axis has a width."""
    manager = DynamicResourceManager(now=START)
    manager.register_worker("w", capacity=Resources(cpu=1))
    state = DRMState(manager)
    state.set_interval(300)
    state.advance(START)
    seconds = recorded_seconds(state, 30 * DAY)
    assert seconds == 3600
    trace = drawn("scaling", state, seconds)["data"][0]
    assert trace["mode"] == "lines+markers" and len(trace["x"]) == 6 and trace["y"][-1] == 1


@pytest.mark.parametrize(
    ("ticks", "step", "most", "seconds"),
    [(1, 1, 30 * DAY, 30), (120, 1, 30 * DAY, 120), (100, 60, 30 * DAY, 6000), (100, 60, 3600, 3600), (200, 3600, 30 * DAY, 200 * 3600)],
)
def test_the_range_is_what_was_recorded(ticks: int, step: int, most: float, seconds: float) -> None:
    """Not less than 30 s, not more than is to be shown, and else just as long as the history."""
    state = DRMState(DynamicResourceManager(now=START))
    state.set_interval(float(step))
    for tick in range(ticks):
        state.advance(START + tick * step)
    assert recorded_seconds(state, most) == seconds
    first = state.fleet(seconds).mean["workers_current"]
    assert np.isfinite(first).sum() == len(first) or seconds == 30


def test_where_nothing_is_recorded_there_are_words() -> None:
    """Each figure says in words how to get data."""
    state = DRMState(DynamicResourceManager(now=0.0))
    assert recorded_seconds(state, 30 * DAY) == 30
    for export in EXPORTS:
        nothing = draw(export, Scope(state, 60))
        assert nothing.figure is None
        assert "no data yet" in export.empty
        text = page(export.title, NOTE, [figure_card(nothing)], with_plotly=False).decode()
        body = text.split("<body>")[1]
        assert "There is no data yet" in body and "data-figure" not in body and 'src="' not in text
        (said,) = words(export.empty, "light")["layout"]["annotations"]
        assert said["text"].replace("<br>", " ").startswith("There is no data yet")


def test_every_tab_but_the_overview_has_a_file() -> None:
    """The stems are those of the guide, and no key is written twice."""
    assert {export.key: export.stem for export in EXPORTS} == {
        "utilization": "resource_utilization_heatmap",
        "scaling": "scaling_history",
        "allocation": "resource_allocation",
        "efficiency": "resource_efficiency",
        "cloud": "cloud_resources",
    }
    assert {tab.key for tab in TABS} - {"overview"} <= {export.key for export in EXPORTS}


def test_a_page_says_whose_numbers_of_which_time_and_escapes_them(state: DRMState) -> None:
    """SIMULATED stands in the header; a name with markup is text in HTML, and cannot end the script that holds the figure."""
    hostile = Drawn(export_of("scaling"), {"data": [{"name": "</script><b>", "type": "scatter"}], "layout": {"height": 1}}, [])
    text = page("Scaling history", NOTE, [figure_card(hostile)]).decode()
    assert '<span class="drm-badge drm-badge-simulated">SIMULATED 100 workers, &lt;seed&gt; 0</span>' in text
    assert "15 min to 2027-01-15 09:00:00, times in CET (UTC+01:00)" in text
    assert "</script><b>" not in text
    told = re.search(r'<script type="application/json" id="scaling_history">(.*?)</script>', text, re.DOTALL)
    assert told is not None
    config = json.loads(told[1])["config"]
    assert json.loads(told[1])["figure"]["data"][0]["name"] == "</script><b>"
    assert (config["showSendToCloud"], config["plotlyServerURL"]) == (False, "")
    assert not re.findall(r"(?:src|href)=\"(?!plotly\.min\.js)", text)
    assert "http" not in text


def test_figures_for_files_are_strict_json(state: DRMState) -> None:
    """No NaN and no infinity outside of the matrices of bytes."""
    for export in EXPORTS:
        assert json.dumps(draw(export, Scope(state, 900)).figure, allow_nan=False)


def test_a_note_before_the_first_tick_has_no_time() -> None:
    """NaN is not a time to be shown."""
    assert Note(Source("live", "this machine"), 60, math.nan).extent == "before the first tick"
    assert Note(Source("live", "this machine"), 60, math.nan).badge == "LIVE this machine"
    assert NOTE.clock(START - 60) == "08:59:00"
    assert NOTE.clock(START - DAY) == "2027-01-14 09:00:00"
    assert TICKS == 120


def test_a_full_history_is_all_that_can_be_shown() -> None:
    """Thirty days are kept, however many are asked for."""
    state = DRMState(DynamicResourceManager(now=START))
    state.set_interval(3600)
    nobody = np.empty((0, 4))
    for hour in range(800):
        state.manager.history.append(START + 3600 * hour, (), nobody, nobody, np.empty(0, bool), {"workers_current": 1.0})
    state.advance(START + 3600 * 799)
    assert recorded_seconds(state, 90 * DAY) == 30 * DAY


def test_a_still_state_answers_once() -> None:
    """Light and dark are drawn of the same samples, whatever ticks in between."""
    state = state_with_history()
    stands = still(state)
    before, window = stands.snapshot, stands.fleet(120, columns=100)
    state.advance(START + 300)
    assert stands.snapshot is before and stands.fleet(120, columns=100) is window
    assert stands.fleet(120, columns=50) is not window
    assert state.snapshot is not before
