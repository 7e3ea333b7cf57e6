"""The Efficiency tab: figures, texts and callback, from no worker to 10 000, with what is missing said in words."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from drm import ids
from drm.analysis.efficiency import of_names, of_shapes, of_workers, present
from drm.figures import efficiency, efficiency_tasks, efficiency_workers, theme
from drm.figures.units import LABELS
from drm.history.window import WorkerMeans
from drm.manager import DynamicResourceManager
from drm.model import RESOURCES, Resources
from drm.state import DRMState
from drm.task_usage import TaskUsage
from tests.unit.contents import elements
from tests.unit.efficiency_pools import EDGES, HOSTILE, edge_state
from tests.unit.test_callbacks import TICK, Page
from tests.unit.test_figures import contrast
from tests.unit.usage_samples import GIB, START, plant

KEY, WORKERS, TASKS = "efficiency", ids.EFFICIENCY_WORKERS_KEY, ids.EFFICIENCY_TASKS_KEY
ASKED = {"drm_efficiency_tick": TICK, "drm_efficiency_resource": "cpu", "drm_efficiency_by": "name"}


def answer(state: DRMState, **changes: Any) -> dict[str, Any]:
    """What the tab's callback gives."""
    return Page(state).call(ids.wire(KEY), **(ASKED | changes))


def means(used: list[float], allocated: list[float]) -> WorkerMeans:
    """Of workers w0, w1, ...; NaN: never measured."""
    ids_of_all = tuple(f"w{index}" for index in range(len(used)))
    return WorkerMeans("etag", ids_of_all, np.array(used), np.array(allocated), ~np.isnan(used))


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("resource", ["cpu", "gpu"])
def test_the_tab_stands_at_every_edge(edge: str, resource: str) -> None:
    """Strict JSON of a bounded size, figures or words for each part, never both and never neither."""
    told = answer(edge_state(edge), drm_efficiency_resource=resource)
    assert len(json.dumps(told, allow_nan=False)) < 120_000
    for key in (KEY, WORKERS, TASKS):
        figure = told[ids.wire(key)]["data"]
        assert bool(figure["data"]) != bool(told[ids.empty(key)]["children"]), key


def test_an_empty_pool_says_what_is_missing() -> None:
    """Before the first tick, without a worker, and with lost ones only: each part in words."""
    for state in (DRMState(DynamicResourceManager(now=START)), edge_state("no workers"), edge_state("only lost")):
        told = answer(state)
        assert "submit tasks, or choose a longer range" in told[ids.empty(TASKS)]["children"]
        assert "No worker had any CPU allocated" in told[ids.empty(WORKERS)]["children"]
    assert "Nothing is recorded" in answer(edge_state("no workers"))[ids.empty(KEY)]["children"]


def test_one_worker_and_its_waste_are_shown() -> None:
    """Cards, lines and bars of one task that uses a quarter of its cores and an eighth of its memory."""
    told = answer(edge_state("one worker"))
    cards = elements(told[ids.EFFICIENCY_CARDS]["content"])
    assert cards[ids.card("efficiency-cpu", "more")]["children"] == "3 cores allocated and not used"
    assert ids.card("efficiency-memory", "value") in cards and ids.card("efficiency-gpu", "value") not in cards
    assert [option["value"] for option in told[ids.EFFICIENCY_RESOURCE]["options"]] == ["cpu", "memory"]
    assert told[ids.wire(TASKS)]["data"]["data"][0]["y"] == ["sort"]
    assert told[ids.wire(WORKERS)]["data"]["data"][0]["y"] == ["only"]


def test_a_pool_of_gpus_only_shows_gpus() -> None:
    """No card of CPU or memory; the lines are those of the GPU."""
    told = answer(edge_state("gpu only"), drm_efficiency_resource="gpu")
    cards = elements(told[ids.EFFICIENCY_CARDS]["content"])
    shown = [name for name in RESOURCES if ids.card(f"efficiency-{name}", "value") in cards]
    assert shown == ["gpu", "gpu_memory"]
    names = [trace["name"] for trace in told[ids.wire(KEY)]["data"]["data"]]
    assert names == ["GPU efficiency", "GPU memory efficiency", "allocated", "used"]


def test_hostile_names_are_texts() -> None:
    """Escaped and cut in figures; rows that are cut alike stay two."""
    told = answer(edge_state("hostile names"))
    for key in (WORKERS, TASKS):
        labels = told[ids.wire(key)]["data"]["data"][0]["y"]
        assert len(labels) == len(set(labels)) == len(HOSTILE)
        assert not any("<" in label or "\x00" in label for label in labels)
        assert all(len(label) < 40 for label in labels)


def test_ten_thousand_workers_are_a_spread_and_its_ends() -> None:
    """Two times eight bars, and how all of them are spread, which adds up."""
    state = edge_state("10 000 workers")
    told = answer(state)
    allocated, used, _, spread = told[ids.wire(WORKERS)]["data"]["data"]
    assert len(allocated["x"]) == len(used["x"]) == 2 * efficiency_workers.SHOWN_AT_EACH_END
    shown = state.worker_means(900, "cpu")
    assert sum(spread["y"]) == int((~np.isnan(of_workers(shown))).sum()) > 500
    assert json.dumps(spread["y"]).count(",") < 40


def test_efficiency_over_time_is_blank_where_nothing_was_allocated() -> None:
    """Between two tasks there is no line; the newest columns of a one-worker pool alternate."""
    state = edge_state("one worker")
    figure = efficiency.build(state.fleet(900), "cpu", "light", 900)
    assert figure is not None
    percents = figure["data"][0]["y"]
    known = [value for value in percents if value is not None]
    assert known and set(known) == {25.0}
    assert None in percents[-20:]


def test_the_axis_of_efficiency_is_cut() -> None:
    """Where a worker's own memory is many times what is allocated, the lines below stay readable."""
    state = edge_state("one worker")
    window = state.fleet(900)
    huge = replace(window, mean={**window.mean, "used_cpu": window.mean["used_cpu"] * 1000})
    figure = efficiency.build(huge, "cpu", "light", 900)
    assert figure is not None and figure["layout"]["yaxis"]["range"] == [0, 210.0]


def test_cards_say_why_there_is_no_number() -> None:
    """Nothing allocated, or nothing measured, is not 0 %."""
    state = DRMState(DynamicResourceManager(now=START))
    state.manager.register_worker("w", capacity=Resources(cpu=4))
    state.advance(START)
    unmeasured = efficiency.card_text(state.fleet(900), "cpu")
    assert unmeasured is not None and (unmeasured["value"], unmeasured["note"]) == ("–", "what is used was not measured in this range")
    state.manager.report("w", used={"cpu": 1.0})
    state.advance(START + 1)
    idle = efficiency.card_text(state.fleet(900), "cpu")
    assert idle is not None and (idle["value"], idle["note"]) == ("–", "nothing was allocated in this range")
    assert efficiency.card_text(state.fleet(900), "gpu") is None
    assert present(state.fleet(900)) == ["cpu"]


def test_workers_stand_by_efficiency() -> None:
    """The least efficient first, with what it comes to; one without anything allocated is not among them, and is told of."""
    seen = replace(means([0.4, 0.1, math.nan, math.nan], [0.5, 0.5, math.nan, math.nan]), known=np.array([True, True, True, False]))
    figure = efficiency_workers.build(seen, {"w0": 8.0}, "cpu", "light", 900)
    assert figure is not None
    allocated, used, beside = figure["data"]
    assert allocated["y"] == beside["y"] == ["w1", "w0"]
    assert (beside["x"], beside["text"]) == ([50.0, 50.0], ["\u00a020 %", "\u00a080 %"])
    assert used["x"] == [10.0, 40.0] and used["customdata"] == ["", " (3.2 cores)"]
    assert (
        efficiency_workers.words(seen)
        == "Without an efficiency: 1 worker had nothing allocated in this range, 1 worker had no measurement."
    )
    assert efficiency_workers.build(means([math.nan], [math.nan]), {}, "cpu", "light", 900) is None


def test_tasks_stand_by_what_they_hold() -> None:
    """Nested bars of request, p95 and p50 with a mark at the maximum, in one unit; by name or by request; the rest in words."""
    usage = TaskUsage()
    plant(usage, "small", Resources(cpu=1, memory=GIB), [Resources(cpu=0.5)] * 20)
    until = plant(usage, "large", Resources(cpu=4, memory=GIB), [Resources(cpu=number / 10, memory=GIB / 2) for number in range(1, 21)])
    plant(usage, "large", Resources(cpu=2, memory=GIB), [None])
    names = of_names(usage.view(), 0.0, until)
    figure = efficiency_tasks.build(names, "cpu", "name", "light", 900)
    assert figure is not None
    asked, p95, p50, largest = figure["data"]
    assert asked["y"] == ["large", "small"] and asked["x"] == pytest.approx([3.9048, 1.0], abs=1e-3)
    assert (p95["x"], p50["x"], largest["x"]) == ([1.9, 0.5], [1.0, 0.5], [2.0, 0.5])
    assert "20 measured runs" in largest["customdata"][0]
    shapes = of_shapes(usage.view(), 0.0, until)
    by_shape = efficiency_tasks.build(shapes, "cpu", "shape", "light", 900)
    assert by_shape is not None and by_shape["data"][0]["y"] == ["large, 4 cores", "small, 1 core"]
    assert efficiency_tasks.words(shapes, "cpu") == "Not shown: 1 of which CPU is not known: no attempt was measured."
    assert "ran alone" in efficiency_tasks.words(names, "memory")
    assert efficiency_tasks.build(names, "gpu", "name", "light", 900) is None


def test_no_more_tasks_than_fit_are_drawn() -> None:
    """The fifteen that hold most; how many hold less is told."""
    usage = TaskUsage()
    for number in range(40):
        until = plant(usage, f"kind-{number}", Resources(cpu=1 + number), [Resources(cpu=1)])
    names = of_names(usage.view(), 0.0, until)
    figure = efficiency_tasks.build(names, "cpu", "name", "light", 900)
    assert figure is not None and len(figure["data"][0]["y"]) == efficiency_tasks.SHOWN
    assert figure["data"][0]["y"][0] == "kind-39"
    assert efficiency_tasks.words(names, "cpu") == "Not shown: 25 more, which hold less."


def test_what_was_drawn_is_not_sent_again() -> None:
    """The same window, tasks and choice; another choice is another answer."""
    page = Page(edge_state("one worker"))
    first = page.call(ids.wire(KEY), **ASKED)
    drawn = first[ids.drawn(KEY)]["data"]
    assert page.call(ids.wire(KEY), **ASKED, drm_efficiency_drawn=drawn) == {}
    assert page.status == 204
    by_shape = page.call(ids.wire(KEY), **(ASKED | {"drm_efficiency_by": "shape"}), drm_efficiency_drawn=drawn)
    assert by_shape[ids.wire(TASKS)]["data"]["data"][0]["y"] == ["sort, 4 cores"]
    assert page.call(ids.wire(KEY), **(ASKED | {"drm_efficiency_tick": None})) == {}


@pytest.mark.parametrize("hostile", [[], "tick", 7, True, {"range": {"a": 1}}])
@pytest.mark.parametrize("name", ["drm_efficiency_tick", "drm_efficiency_resource", "drm_efficiency_by", "drm_efficiency_drawn"])
def test_values_that_no_page_sends_are_refused_or_harmless(name: str, hostile: object) -> None:
    """400 or an ordinary answer, never an error of the server."""
    page = Page(edge_state("one worker"))
    page.call(ids.wire(KEY), **(ASKED | {name: hostile}))
    assert page.status in (200, 204, 400)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lines_of_resources_can_be_read(scheme: str) -> None:
    """WCAG AA for lines: 3 against the card; each also has its own dash."""
    colours = theme.palette(scheme)
    for name in RESOURCES:
        assert contrast(colours[name], colours["paper"]) >= 3.0, name
    assert len(set(efficiency.DASHES.values())) == len(RESOURCES) == len(LABELS)
