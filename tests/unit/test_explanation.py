"""The explanation of a decision: every number in it is one of the decision's."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from plotly.utils import PlotlyJSONEncoder

from drm import ids
from drm.callbacks import explanation_body
from drm.decision import Fold, Input, ScalingDecision, Step
from drm.figures import explanation
from drm.figures.ledger_rows import ledger_row
from drm.ledger_query import Query
from drm.model import Resources
from tests.unit.external_pool import GB, Elastic
from tests.unit.test_ledger import decision

GREW = decision(
    100.0,
    "scale_up",
    "queue_demand",
    count=3,
    desired=9,
    bounded=9,
    id=7,
    reason="five tasks wait",
    steps=(Step("warm-up", 4, 4), Step("proposal", 4, 9, "9 wanted"), Step("step limit", 9, 7, "one step is 3 workers at most")),
    inputs=(
        Input("queued_tasks", 5.0, "tasks"),
        Input("utilization", 0.9, "fraction", 0.8, 0.1),
        Input("up_cooldown_left_seconds", 0.0, "seconds", 60.0, -60.0, 12.0),
        Input("max_workers", math.inf, "workers"),
    ),
    requested_at=100.0,
    ready_at=104.0,
    first_task_at=105.5,
    granted=3,
    worker_ids=tuple(f"w{number}" for number in range(15)),
    worker_type="standard",
    provider="alpha",
    resource_requirements=Resources(cpu=5, memory=2**30),
    cost_rate_before=1.5,
    cost_rate_after=2.64,
)


def test_title_and_sentence_say_what_and_why() -> None:
    """Number, glyph, sizes; the reason as a sentence, and of a run how often and for how long."""
    assert explanation.title(GREW) == "Decision 7: ▲ grew, 4 → 7 workers"
    assert explanation.sentence(GREW) == "Five tasks wait."
    now = decision(100.0, id=0)
    assert explanation.title(now) == "The present tick: ○ maintained, 4 workers"
    run = decision(100.0, fold=Fold(12, 160.0, now.inputs, 130.0, now.inputs, 0.5))
    assert explanation.sentence(run) == "Steady at 100.0. So it was at 12 evaluations in a row, for 1 min."


def test_steps_are_a_waterfall_on_one_scale() -> None:
    """Each bar reaches from the size before to the size after; a step that changed nothing has no width."""
    still, wish, limit = explanation.steps(GREW)
    assert (still.width, still.direction, still.size) == (0.0, "", "4")
    assert (wish.left, wish.left + wish.width, wish.direction, wish.size) == (still.left, 96.0, "up", "4 → 9")
    assert limit.direction == "down" and limit.left + limit.width == pytest.approx(96.0) and limit.width == pytest.approx(92 * 2 / 5)
    assert limit.detail == "one step is 3 workers at most"


def test_inputs_are_bullets_against_their_thresholds() -> None:
    """Those with a threshold come first, the nearest before the others; what cannot be compared has no bar."""
    used, cooldown, *others = explanation.inputs(GREW)
    assert (used.name, used.value, used.threshold, used.margin) == ("utilization", "90 %", "80 %", "+10 %")
    assert used.is_beyond and used.bar == pytest.approx(80.0) and used.mark == pytest.approx(100 * 0.8 / (1.25 * 0.9))
    assert (cooldown.name, cooldown.margin, cooldown.age, cooldown.is_beyond) == ("up cooldown left", "−1 min", "12 s old", False)
    assert [(one.name, one.value, one.bar) for one in others] == [("queued tasks", "5 tasks", None), ("max workers", "no limit", None)]


def test_a_folded_run_shows_first_last_and_closest() -> None:
    """All three values of each input."""
    first, last, closest = (Input("utilization", value, "fraction", 0.8, value - 0.8) for value in (0.5, 0.6, 0.79))
    run = decision(100.0, inputs=(first,), fold=Fold(3, 102.0, (last,), 101.0, (closest,), 0.0125))
    (shown,) = explanation.inputs(run)
    assert (shown.first, shown.closest, shown.value) == ("50 %", "79 %", "60 %")


def test_outcome_and_facts_bear_their_times_types_and_prices() -> None:
    """Ready and first task after the request; a long list of workers is cut and says so."""
    told = dict(explanation.outcome(GREW)) | dict(explanation.facts(GREW))
    assert (told["Outcome"], told["Ready"], told["First task"]) == ("done", "4 s after the request", "5.5 s after the request")
    assert told["Workers"].endswith("w11 and 3 more") and told["Worker type"] == "standard, provider alpha"
    assert told["Cost per hour"] == "1.5 before, 2.64 after" and told["Waiting tasks ask for"] == "5 cores, 1 GiB"
    assert explanation.outcome(decision(1.0)) == []


def test_a_cost_rate_opens_the_instances_of_its_moment() -> None:
    """As of the decision; of the present tick the page stays where it is."""

    def properties(one: ScalingDecision) -> list[list[str]]:
        page = json.dumps(explanation_body.body(one), cls=PlotlyJSONEncoder)
        (found,) = re.findall(r'"data-drm-set": ("(?:[^"\\]|\\.)*")', page)
        return list(json.loads(json.loads(found)))

    to_cloud = [ids.TABS, "value", "cloud"]
    assert properties(GREW) == [[ids.AT, "data", "100"], to_cloud]
    assert properties(replace(GREW, id=0)) == [to_cloud]


def test_what_a_person_changed_is_told_as_such() -> None:
    """With its own glyph, and without steps that it never went through."""
    pool = Elastic()
    pool.tick()
    pool.manager.set_bounds(0, 7)
    (changed,) = pool.manager.decisions(Query(kind="user"))
    assert explanation.title(changed) == f"Decision {changed.id}: ◆ by a person, 0 workers"
    assert "7" in explanation.sentence(changed) and explanation.steps(changed) == []


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (19_000.5, "money", "19 000.50"),
        (math.nan, "fraction", "unknown"),
        (math.inf, "per hour", "no limit"),
        (90.0, "seconds", "1 min 30 s"),
        (0.8449, "fraction", "84.5 %"),
        (1.0, "yes or no", "yes"),
        (1.0, "workers", "1 worker"),
        (2.5, "workers", "2.5 workers"),
        (0.384, "per hour", "0.38"),
    ],
)
def test_values_read_as_people_read_them(value: float, unit: str, text: str) -> None:
    """With their unit, and unknown where they are not known."""
    assert explanation.value_text(value, unit) == text


def test_a_row_of_the_table_has_what_the_decision_has() -> None:
    """Kind with its glyph, sizes, outcome with its time, the first workers."""
    row = ledger_row(GREW)
    assert (row["id"], row["start"], row["kind"], row["sizes"]) == ("7", 100.0, "▲ Grew", "4 → 7")
    assert (row["outcome"], row["worker"], row["lasted"]) == ("done in 4 s", "w0, w1, w2 and 12 more", "")
    assert ledger_row(decision(1.0))["outcome"] == ""


def test_every_decision_of_a_pool_can_be_explained() -> None:
    """Whatever the pool goes through, each part has words, and hostile names stay on one line."""
    pool = Elastic()
    pool.manager.submit(resources=Resources(cpu=99), name="too large")
    for _ in range(6):
        pool.manager.submit(resources=Resources(cpu=2, memory=2 * GB))
    pool.tick()
    pool.join("<script>\n" + "x" * 200, "b", "c")
    for _ in range(60):
        pool.tick()
        pool.finish_all()
    kept = [*pool.manager.decisions(), pool.manager.explain_now()]
    assert {"up", "down", "blocked"} <= {one.kind for one in kept}
    for one in kept:
        assert explanation.sentence(one).endswith(".") and len(explanation.steps(one)) == 11
        assert all(0 <= step.left <= step.left + step.width <= 100 for step in explanation.steps(one))
        assert all(0 <= shown.bar <= 100 and 0 <= (shown.mark or 0) <= 100 for shown in explanation.inputs(one) if shown.bar is not None)
        assert all("\n" not in text for _, text in (*explanation.outcome(one), *explanation.facts(one)))
