"""Allocation as figures and words: bounded, strict JSON, harmless names, and texts that say what the numbers mean."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from drm.analysis.allocation import Allocation, look
from drm.analysis.imbalance import Imbalance
from drm.analysis.packing import Packed, Segment
from drm.figures import allocation, packing, summary
from drm.figures import allocation_text as words
from drm.figures.theme import Figure
from drm.model import Price, Resources, WorkerType
from drm.snapshot import Snapshot
from drm.state import DRMState
from tests.unit.external_pool import SHAPE, Elastic
from tests.unit.odd_pools import POOLS, gpu_only, hostile_names, no_workers, one_worker, only_lost, without_gpu
from tests.unit.page_pool import state_with_history

MOST_BYTES = 100_000


def figures(seen: Allocation, snapshot: Snapshot, scheme: str = "light") -> tuple[Figure | None, Figure | None]:
    """Nested bars and packing."""
    return allocation.build(seen.holdings, scheme, "r"), packing.build(seen.packed, seen.resource, snapshot.time, scheme, "r")


@pytest.mark.parametrize("make", POOLS.values(), ids=POOLS.keys())
def test_every_odd_pool_is_drawn_or_said_in_bounded_strict_json(make: Callable[[], DRMState]) -> None:
    """No NaN, no markup of others, at most 100 kB for both figures, at most 32 rows and 300 segments of tasks."""
    snapshot = make().snapshot
    seen = look(snapshot, "cpu", "allocated")
    bars, segments = figures(seen, snapshot)
    sent = json.dumps([bars, segments], allow_nan=False)
    assert len(sent) < MOST_BYTES
    assert "<script" not in json.dumps([bars, segments and segments["data"]])
    if not seen.present:
        assert (bars, segments) == (None, None)
        assert "shows here once one runs" in words.absent_text(snapshot)
        return
    assert bars is not None
    assert segments is not None
    assert all(len(trace["y"]) <= 32 for trace in bars["data"] if trace["type"] == "bar")
    assert sum(len(trace["x"]) for trace in segments["data"][1:]) <= 300 + 15


def test_a_bar_holds_the_three_numbers_of_its_worker() -> None:
    """Capacity is the track with its amount beside it, allocated and used are shares of it; the hover says all in units."""
    seen = look(one_worker().snapshot, "cpu", "name")
    bars, _ = figures(seen, one_worker().snapshot)
    assert bars is not None
    by_panel = {(trace["name"], trace["xaxis"]): trace for trace in bars["data"]}
    shares = [by_panel[name, "x"]["x"] for name in ("capacity", "allocated", "used")]
    assert shares == [[100], [0, 75.0, None], [0, 62.5, None]]
    assert by_panel["used", "x"]["y"] == [0.0, 0.0, None]
    assert by_panel["allocated", "x2"]["x"] == [0, 87.5, None]
    assert (by_panel["amount", "x2"]["x"], by_panel["amount", "x2"]["text"]) == ([100], ["\u00a016 GiB"])
    hover = "<b>w1</b><br>3 cores of 4 cores CPU allocated (75 %)<br>2.5 cores used (62 %)<br>slack 0.5 cores"
    assert by_panel["capacity", "x"]["customdata"] == [hover]
    assert bars["layout"]["yaxis"]["ticktext"] == ["w1"]


def test_a_pool_without_cpu_has_panels_of_what_it_has() -> None:
    """GPU and GPU memory; a used amount that was not measured is blank, and the sum says of how many workers it is."""
    snapshot = gpu_only().snapshot
    bars, segments = figures(look(snapshot, "gpu", "name"), snapshot)
    assert bars is not None
    assert segments is not None
    assert [bars["layout"][axis]["title"]["text"] for axis in ("xaxis", "xaxis2")] == ["<b>GPU</b>", "<b>GPU memory</b>"]
    used = next(trace for trace in bars["data"] if trace["name"] == "used")
    assert used["x"][1::3] == [85.0, 85.0, None, None]
    assert "85 % of 1 measured worker" in bars["data"][0]["customdata"][0]
    assert [trace["name"] for trace in segments["data"]] == ["free", "infer"]
    assert segments["layout"]["xaxis"]["title"]["text"] == "GPU, devices"


def test_segments_stand_end_to_end_and_say_what_they_are() -> None:
    """Each begins where the one before ends; the hover has name, request and since when."""
    rows = [
        Packed(
            "w",
            "draining",
            8.0,
            (Segment("task", "train", 3.0, since=40.0), Segment("tasks", "", 2.0, 4, 10.0), Segment("foreign", "", 1.0, 0)),
        )
    ]
    figure = packing.build(rows, "cpu", 100.0, "light", "r")
    assert figure is not None
    assert [(trace["name"], trace.get("base"), trace["x"]) for trace in figure["data"]] == [
        ("free", None, [8.0]),
        ("train", [0.0], [3.0]),
        ("several tasks", [3.0], [2.0]),
        ("tasks of others", [5.0], [1.0]),
    ]
    hovers = [trace["customdata"][0] for trace in figure["data"]]
    assert hovers == [
        "2 cores of 8 cores free",
        "<b>train</b><br>3 cores of CPU requested<br>started 1 min ago",
        "<b>several tasks</b><br>2 cores of CPU, 4 tasks<br>the first started 1 min 30 s ago",
        "<b>tasks of others</b><br>1 core of CPU",
    ]
    assert figure["layout"]["yaxis"]["ticktext"] == ["w (draining)"]


def test_colours_of_tasks_are_bounded_and_stay_with_their_name() -> None:
    """Seven names have a colour, the others share one; a name keeps its colour when others go; a task may be called as a legend is."""

    def rows(names: list[str]) -> list[Packed]:
        return [Packed("w", "running", 100.0, tuple(Segment("task", name, 1.0) for name in names))]

    many = packing.build(rows([f"t{number}" for number in range(20)]), "cpu", 0.0, "light", "r")
    assert many is not None
    assert len(many["keys"]) == 8
    assert many["keys"][-1][0] == "other tasks"
    assert len({colour for _, colour in many["keys"]}) == 8
    alone = packing.build(rows(["train"]), "cpu", 0.0, "light", "r")
    beside = packing.build(rows(["infer", "train"]), "cpu", 0.0, "light", "r")
    assert alone is not None
    assert beside is not None
    assert dict(alone["keys"])["train"] == dict(beside["keys"])["train"]
    odd = packing.build(rows(["free", "reserved", "other"]), "cpu", 0.0, "light", "r")
    assert odd is not None
    assert [text for text, _ in odd["keys"]] == ["free", "other", "reserved"]


def test_hostile_names_are_cut_escaped_and_kept_apart() -> None:
    """Two names that are cut alike are two rows; markup is text; another direction of writing does not reach what follows it."""
    snapshot = hostile_names().snapshot
    bars, segments = figures(look(snapshot, "cpu", "name"), snapshot)
    assert bars is not None
    assert segments is not None
    ticks = bars["layout"]["yaxis"]["ticktext"][1:]
    assert "&lt;script&gt;alert(1)&lt;/scrip…" in ticks
    assert "\u2068مرحبا بالعالم\u2069" in ticks
    assert all("\u202e" not in tick for tick in ticks)
    assert len(set(bars["layout"]["yaxis"]["tickvals"])) == 1 + len(ticks)
    assert "(blank)" in [text for text, _ in segments["keys"]]


def test_what_is_stranded_is_said_in_words_and_numbers() -> None:
    """The verdict, what lacks, and a row for what waits."""
    snapshot = without_gpu().snapshot
    found = look(snapshot, "cpu", "name").stranded
    text = words.stranded_text(found)
    assert (
        text["verdict"] == "Stranded are 11 of 11 cores and 15 of 15 GiB of memory, free on 4 workers where no request in the queue fits."
    )
    assert text["why"] == "What lacks: memory on 4 workers (11 cores, 15 GiB of memory beside it)."
    ((request, tasks, waits, lacks, closest),) = words.waiting_rows(found, snapshot.time)
    assert (request, tasks, waits, lacks) == ("1 core, 6 GiB of memory", "3", "2 s", "memory on 4")
    assert closest.endswith("lacks 2 GiB of memory")


def test_words_for_pools_in_which_nothing_is_stranded() -> None:
    """Nothing waits; nothing is free; what waits could run nowhere."""

    def verdict(snapshot: Snapshot) -> str:
        return words.stranded_text(look(snapshot, "cpu", "name").stranded)["verdict"]

    assert verdict(gpu_only().snapshot) == "Nothing waits, so none of what is free (3 devices, 84 GiB of GPU memory) is stranded."
    assert verdict(no_workers().snapshot) == "Nothing is free, so nothing is stranded."
    elastic = Elastic()
    elastic.join("w")
    elastic.manager.submit(resources=Resources(gpu=1))
    assert verdict(elastic.tick()).startswith("Nothing but 1 task that no worker could ever hold waits")


def test_imbalance_is_said_in_words_and_numbers() -> None:
    """The verdict, the numbers, and whose doing it is; of many that are alike, no few."""
    snapshot = gpu_only().snapshot
    text = words.imbalance_text(look(snapshot, "gpu", "name").imbalance, "gpu")
    assert text["verdict"] == "GPU is allocated very unevenly: 0 % to 100 %, median 50 %."
    assert text["causes"] == "w1 (100 %) makes 50 % of the spread."
    assert text["numbers"] == "Coefficient of variation 0.82 over 3 running workers, mean 50 %."
    assert "nothing to compare" in words.imbalance_text(None, "gpu")["verdict"]
    many = Imbalance(9000, 0.5, 0.6, 0.0, 0.4, 1.0, (("a", 1.0), ("b", 1.0), ("c", 0.0)), 0.0004)
    assert words.imbalance_text(many, "memory") == {
        "verdict": "Memory is allocated unevenly: 0 % to 100 %, median 40 %.",
        "numbers": "Coefficient of variation 0.60 over 9 000 running workers, mean 50 %.",
        "causes": "No few workers cause it: the furthest, a (100 %), b (100 %) and c (0 %), make less than 1 % of the spread.",
    }


def test_rows_that_are_summed_are_said() -> None:
    """How many have a row, in which order, and what became of the others; nothing where all have one."""
    assert words.rows_text(4, 0, "cpu", "name") == ""
    assert words.rows_text(30, 9970, "cpu", "slack") == (
        "30 of 10 000 workers have a row of their own, the most slack of CPU first; the last row sums the others."
    )
    merged = [Packed("w", "running", 9.0, (Segment("task", "a", 1.0), Segment("tasks", "", 2.0, 3))), Packed("", "", 9.0, ())]
    assert words.packing_text(merged, 70) == (
        "Each segment is a running task, as wide as its request; 3 small tasks stand together where a worker holds many; "
        "the last row is the mean of 70 more workers."
    )


def test_absent_workers_are_named_by_state() -> None:
    """Only lost workers: how many, and what is needed."""
    assert words.absent_text(only_lost().snapshot) == "No worker can hold a task now (2 lost): what they hold shows here once one runs."


def test_the_summary_says_what_the_snapshot_holds() -> None:
    """Active workers with their states, totals and shares, events of the range; a cost rate where prices are in one currency."""
    snapshot = state_with_history().snapshot
    assert summary.workers_text(snapshot) == {"value": "2", "note": "2 running", "warning": ""}
    memory = summary.resource_texts(snapshot)["memory"]
    assert (memory["total"], memory["used"], memory["allocated"]) == ("24 GiB", "12 % used (1 of 2 measured)", "8 % allocated")
    assert summary.resource_texts(no_workers().snapshot) == {}
    assert summary.scaling_text((3, 1), 900) == {"value": "3 up, 1 down", "note": "in 15 min"}
    assert summary.cost_text(snapshot) == ""
    priced = [WorkerType(name, SHAPE, Price(0.5, currency, "list", "2026-01-01")) for name, currency in (("a", "EUR"), ("b", "EUR"))]
    elastic = Elastic(worker_types=priced)
    assert summary.cost_text(elastic.tick()) == "0 EUR/h"
    mixed = Elastic(worker_types=[priced[0], WorkerType("b", SHAPE, Price(0.5, "USD", "list", "2026-01-01"))])
    # Nothing is there that costs; in which currency is open.
    assert summary.cost_text(mixed.tick()) == "0/h"


def test_utilization_of_a_snapshot_is_that_of_decisions() -> None:
    """used / capacity over the workers that were measured, as the last decision has it while all are heard of."""
    snapshot = state_with_history().snapshot
    assert snapshot.last_decision is not None
    np.testing.assert_allclose(snapshot.utilization(), list(snapshot.last_decision.utilization.values()))
