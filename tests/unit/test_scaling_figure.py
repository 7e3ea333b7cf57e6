"""The Scaling figure: rows over one time axis, marks by kind, thresholds as they were."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from drm.figures import scaling
from drm.figures.decision_marks import COLUMNS, GLYPHS, LANES, SYMBOLS, marks
from drm.history.window import SeriesWindow
from drm.ledger import Ledger
from drm.ledger_query import KINDS, Query
from drm.manager import DynamicResourceManager
from drm.policies import create_policy
from drm.state import DRMState
from tests.unit.page_pool import START, state_with_history
from tests.unit.test_ledger import decision


@pytest.fixture(scope="module")
def state() -> DRMState:
    """Two minutes of two workers."""
    return state_with_history()


def figure_of(state: DRMState, resource: str = "cpu") -> scaling.Figure:
    figure = scaling.build(state.fleet(900), state.decision_columns(900), resource, "light", 900)
    assert figure is not None
    return figure


def test_every_row_has_its_lines(state: DRMState) -> None:
    """Size, the lanes, demand in units, utilization of each resource, and what the policy watched."""
    figure = figure_of(state)
    rows: dict[str, list[str]] = {}
    for trace in figure["data"]:
        rows.setdefault(trace["yaxis"], []).append(trace["name"])
    assert rows["y"] == ["current", "desired", "bounds", "bounds"]
    assert sorted(rows["y2"]) == ["Blocked", "By a person", "Failed", "Grew", "Maintained", "Shrank"]
    assert rows["y3"] == ["capacity", "demand", "allocated", "used"]
    assert rows["y4"] == ["CPU", "Memory", "GPU", "GPU memory"]
    assert rows["y5"] == ["needed", "grows above"]
    assert figure["layout"]["legend3"]["title"]["text"] == "<b>CPU, cores</b>"
    assert "Memory, GiB" in figure_of(state, "memory")["layout"]["legend3"]["title"]["text"]
    domains = [figure["layout"][f"yaxis{row}"]["domain"] for row in ("", "2", "3", "4", "5")]
    assert all(upper[0] > lower[1] for upper, lower in pairwise(domains))


def test_utilization_is_of_capacity_and_blank_where_nothing_was_measured(state: DRMState) -> None:
    """8 of 12 cores are two thirds; memory of one of two workers is what was measured of all capacity."""
    cpu = next(trace for trace in figure_of(state)["data"] if trace["name"] == "CPU")
    assert cpu["y"][-1] == pytest.approx(66.6667, abs=1e-3) and cpu["y"][0] is None


def test_thresholds_are_drawn_as_the_policy_had_them() -> None:
    """Both of `utilization`, in percent, from the tick on at which it decided by them."""
    state = state_with_history(create_policy("utilization", up=0.7, down=0.2))
    lines = {trace["name"]: trace["y"][-1] for trace in figure_of(state)["data"] if trace["yaxis"] == "y4"}
    assert (lines["grows above"], lines["shrinks below"]) == (70.0, 20.0)


def test_nothing_recorded_is_no_figure() -> None:
    """Before the first tick there is nothing to draw."""
    state = DRMState(DynamicResourceManager(now=0.0))
    assert scaling.build(state.fleet(900), state.decision_columns(900), "cpu", "light", 900) is None


def test_a_maximum_out_of_reach_does_not_flatten_the_sizes() -> None:
    """10 000 above four workers stays out of the picture; eight is in it."""

    def top(most: float) -> float:
        series = {name: np.array([4.0, np.nan]) for name in ("workers_current", "desired", "min_workers")}
        values = series | {"max_workers": np.array([most, np.nan])}
        return scaling._top(SeriesWindow("", 0.0, 2.0, 1.0, np.arange(2.0), values, values))

    assert top(10_000) == pytest.approx(4.48) and top(8) == pytest.approx(8.96)


def test_each_kind_has_its_lane_and_its_shape() -> None:
    """Colour is not the only carrier of meaning: shapes and glyphs are all different."""
    assert len(set(SYMBOLS.values())) == len(set(GLYPHS.values())) == len(LANES) == len(KINDS)
    ledger = Ledger()
    for at, changes in enumerate(
        (
            {"actor": "user", "code": "bounds_set"},
            {},
            {"desired": 6},
            {"code": "policy_error"},
            {"action": "scale_down", "count": 1},
            {"action": "scale_up", "count": 2},
        )
    ):
        ledger.append(decision(10.0 * at, **changes))
    traces = marks(ledger.columns(Query()), 0.0, 100.0, "light", "y2")
    assert [trace["y"][0] for trace in traces] == [0, 1, 2, 3, 4, 5]
    assert [trace["customdata"][0] for trace in traces] == [1, 2, 3, 4, 5, 6]
    assert traces[5]["text"][0] == "<b>Grew</b>: 4 → 6 workers<br>steady"


def test_a_folded_run_is_a_line_as_long_as_it_lasted() -> None:
    """From its first to its last evaluation, within the window."""
    ledger = Ledger()
    for at in range(31):
        ledger.append(decision(float(at)))
    (trace,) = [one for one in marks(ledger.columns(Query(since=10.0)), 10.0, 100.0, "light", "y2") if one["x"]]
    assert trace["x"] == [10.0, 30.0, None] and "31 evaluations in a row" in trace["text"][0]


def test_marks_are_bounded_by_the_screen() -> None:
    """Ten thousand decisions of one kind are at most a mark a column, each of which stands for the latest of its own."""
    ledger = Ledger()
    for at in range(10_000):
        ledger.append(decision(float(at), "scale_up", f"code{at % 3}", count=1))
    up = marks(ledger.columns(Query()), 0.0, 10_000.0, "light", "y2")[LANES.index("up")]
    assert len(up["x"]) == 3 * COLUMNS and max(one for one in up["customdata"] if one) == 10_000
    assert "the latest of" in up["text"][0] and len(json.dumps(up)) < 100_000
    assert up["x"][:2] == [0.0, float(up["customdata"][0] - 1)]


def test_a_window_holds_the_decisions_of_its_range(state: DRMState) -> None:
    """None from before it."""
    columns = state.decision_columns(60)
    assert len(columns.id) and (columns.end >= START + 119 - 60).all()
