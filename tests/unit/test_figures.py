"""Figures and texts: what is drawn of a window, in units, with blanks where nothing was measured."""

from __future__ import annotations

import base64
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from drm.figures import overview, theme, units, utilization
from drm.figures.rows import label_room
from drm.figures.worker_tasks import worker_facts, worker_tasks
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from tests.unit.page_pool import START, TICKS, state_with_history

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("allocated", "used", "capacity", "track")


@pytest.fixture(scope="module")
def state() -> DRMState:
    """Two minutes of two workers."""
    return state_with_history()


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.456, "0.46"), (1.0, "1"), (12.34, "12.3"), (1234.6, "1235"), (math.nan, "unknown")]
)
def test_numbers_have_three_digits_at_most(value: float, text: str) -> None:
    """No exponent, no trailing zeros, and what is unknown says so."""
    assert units.number(value) == text


@pytest.mark.parametrize(
    ("resource", "value", "text"),
    [
        ("cpu", 1.0, "1 core"),
        ("cpu", 0.5, "0.5 cores"),
        ("memory", 3 * 2**30, "3 GiB"),
        ("memory", 512.0, "512 B"),
        ("gpu", 2, "2 devices"),
    ],
)
def test_amounts_bear_their_unit(resource: str, value: float, text: str) -> None:
    """Cores, devices, and bytes in powers of 1024."""
    assert units.amount(resource, value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "0.25 s"), (45, "45 s"), (200, "3 min 20 s"), (3600, "1 h"), (90_000, "1 d 1 h"), (math.nan, "unknown")]
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    """As people say them."""
    assert units.duration(seconds) == text


def test_texts_from_outside_are_harmless() -> None:
    """No markup for Plotly, no control characters, no endless names."""
    assert units.escaped("<b>&\x00\n" + "x" * 100, 20) == "&lt;b&gt;&amp;  " + "x" * 13 + "…"


def test_the_heatmap_holds_one_byte_a_cell_and_blanks(state: DRMState) -> None:
    """The cells are those of the window: a worker that came later is missing before, and half of four cores is 50 %."""
    window = state.heatmap(900, "cpu")
    figure = utilization.build(window, {"plain": 4.0, "<b>fast": 8.0}, "cpu", "used", "light", 900)
    assert figure is not None
    cells = np.frombuffer(base64.b64decode(figure["cells"]["mean"]), np.uint8).reshape(figure["cells"]["rows"], -1)
    assert cells.shape == window.mean.shape
    row = figure["members"].index(["plain"])
    assert set(cells[row, -10:]) == {100}
    late = cells[1 - row]
    assert late[-1] == 150
    assert set(late[:-14]) == {255}
    assert figure["cells"]["capacity"][row] == 4.0
    assert figure["cells"]["unit"] == "cores"
    assert figure["data"][0]["y"][1 - row] == "&lt;b&gt;fast"


def test_labels_of_rows_are_unique() -> None:
    """Two long names that are cut alike stay two rows."""
    manager = DynamicResourceManager(now=0.0)
    for letter in "ab":
        manager.register_worker("x" * 60 + letter, capacity=Resources(cpu=1))
    state = DRMState(manager)
    state.advance(1.0)
    figure = utilization.build(state.heatmap(900, "cpu", "allocated"), {}, "cpu", "allocated", "dark", 900)
    assert figure is not None
    assert len(set(figure["data"][0]["y"])) == 2


def test_an_empty_window_has_no_figure() -> None:
    """Nothing is drawn of nothing; the page says so in words."""
    state = DRMState(DynamicResourceManager(now=0.0))
    assert utilization.build(state.heatmap(900), {}, "cpu", "used", "light", 900) is None
    assert overview.build(state.fleet(900), "light", 900) is None


def test_the_overview_draws_workers_and_each_resource_that_is_there(state: DRMState) -> None:
    """One row for the sizes, one for each resource present, each with capacity, demand, allocated and used."""
    figure = overview.build(state.fleet(900), "light", 900)
    assert figure is not None
    rows = [name for name in figure["layout"] if re.fullmatch(r"yaxis\d*", name)]
    assert len(rows) == 5
    by_name = {(trace["name"], trace["yaxis"]): trace for trace in figure["data"]}
    assert by_name["workers", "y"]["y"][-1] == 2
    assert by_name["capacity", "y2"]["y"][-1] == 12
    assert by_name["used", "y2"]["y"][-1] == pytest.approx(8.0)
    assert by_name["demand", "y2"]["y"][-1] == 1
    assert by_name["capacity", "y3"]["y"][-1] == 24
    assert by_name["used", "y4"]["y"][-1] == 0.25
    assert "GiB" in figure["layout"]["yaxis3"]["title"]["text"]
    assert None in by_name["capacity", "y2"]["y"]


@pytest.mark.parametrize("scheme", ["light", "dark", "no such scheme"])
def test_figures_are_strict_json(state: DRMState, scheme: str) -> None:
    """No NaN and no infinity leaves the server."""
    for figure in (
        overview.build(state.fleet(900), scheme, 900),
        utilization.build(state.heatmap(900), {}, "cpu", "used", scheme, 900),
        utilization.build_worker(state.worker("plain", 900), None, scheme, 900, "plain"),
    ):
        assert json.dumps(figure, allow_nan=False)


def test_a_workers_lines_are_in_its_units(state: DRMState) -> None:
    """Used and allocated against the capacity, which is a line of its own; without a known capacity in percent."""
    snapshot = state.snapshot
    capacity = snapshot.capacity[snapshot.worker_ids.index("<b>fast")]
    figure = utilization.build_worker(state.worker("<b>fast", 900), capacity, "light", 900, "<b>fast")
    lines = {(trace["name"], trace["yaxis"]): trace["y"][-1] for trace in figure["data"]}
    assert lines["used", "y"] == pytest.approx(6.0)
    assert lines["used", "y3"] == pytest.approx(0.25)
    assert lines["used", "y2"] is None
    assert [shape["y0"] for shape in figure["layout"]["shapes"]] == [8.0, 16.0, 1.0, 4.0]
    percent = utilization.build_worker(state.worker("plain", 900), None, "light", 900, "plain")
    assert percent["data"][1]["y"][-1] == pytest.approx(50.0)


def test_the_cards_say_what_the_snapshot_holds(state: DRMState) -> None:
    """Numbers on cards are the snapshot's, and a resource that nobody has shows nothing."""
    snapshot = state.snapshot
    assert overview.tasks_text(snapshot) == {"value": "1", "note": "running", "more": "none has ended yet", "warning": ""}
    assert overview.queue_text(snapshot) == {"value": "0", "note": "queued", "more": "", "warning": ""}
    assert overview.decision_text(snapshot)["size"].startswith("Size 2, ")
    empty = DRMState(DynamicResourceManager(now=0.0)).snapshot
    assert "first tick" in overview.decision_text(empty)["action"]
    assert "not been changed" in overview.decision_text(snapshot)["action"]
    assert overview.decision_text(snapshot)["now"].startswith("Now: no change")


def test_what_cannot_start_is_said_with_its_reason() -> None:
    """An infeasible task is a warning on the card of the queue."""
    manager = DynamicResourceManager(now=0.0)
    manager.register_worker("w", capacity=Resources(cpu=1))
    manager.submit(resources=Resources(cpu=3))
    warning = overview.queue_text(manager.advance(1.0))["warning"]
    assert "1 task can never start" in warning
    assert "3 cores" in warning


def test_a_worker_in_words(state: DRMState) -> None:
    """Its state, age and capacity; its tasks with what they asked for; a worker that went says so."""
    facts, capacity = worker_facts(state.snapshot, "plain")
    assert facts == "running, up for 1 min 59 s; capacity 4 cores, 8 GiB"
    assert capacity is not None
    assert [row[:2] + row[4:] for row in worker_tasks(state.snapshot, "plain")] == [["<i>train</i>", "running", "1 core, 2 GiB", ""]]
    assert worker_facts(state.snapshot, "ghost")[1] is None
    assert state.snapshot.time == START + TICKS - 1


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_can_be_read(scheme: str) -> None:
    """WCAG AA: 4.5 for text, 3 for lines, against the card they stand on."""
    colours = theme.palette(scheme)
    for name in ("text", "muted"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    for name in ("capacity", "allocated", "used", "demand", "workers", "desired"):
        assert contrast(colours[name], colours["paper"]) >= 3.0, name
    for colour in theme.NAMES[scheme]:
        assert min(contrast(colour, colours[ground]) for ground in ("paper", "track")) >= 3.0, colour


@pytest.mark.parametrize(("scheme", "block"), [("light", 0), ("dark", 1)])
def test_the_stylesheet_has_the_colours_of_the_figures(scheme: str, block: int) -> None:
    """Colours that both use are defined alike, and texts of the page meet WCAG AA on card and back."""
    sheet = (ROOT / "assets" / "drm" / "drm.css").read_text()
    declared = dict(re.findall(r"--drm-([a-z]+): (#[0-9a-f]{6})", sheet.split("}")[block]))
    colours = theme.palette(scheme)
    assert (declared["card"], declared["text"], declared["muted"]) == (colours["paper"], colours["text"], colours["muted"])
    assert [declared[name] for name in SHARED] == [colours[name] for name in SHARED]
    for name in ("text", "muted", "good", "warn", "bad", "accent"):
        assert min(contrast(declared[name], declared[ground]) for ground in ("card", "back")) >= 4.5, name


def test_names_have_room_without_being_measured() -> None:
    """Wide letters and those of twice the width take more; what only tells names apart, and what makes them bold, takes none."""
    assert label_room(["<b>all</b>", "a\u200b\u200b"]) == label_room(["all"]) < label_room(["mmm"]) < label_room(["\u5de5\u5de5\u5de5"])
    assert label_room(["&lt;"]) == label_room(["<"]) and label_room([]) > 0
