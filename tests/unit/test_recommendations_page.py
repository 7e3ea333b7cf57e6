"""The cards of recommendations and idle causes, and `/api/v1/recommendations`, over the planted waste and at the edges."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from drm import ids
from drm.analysis.efficiency import of_shapes
from drm.analysis.ladder import ladder
from drm.analysis.recommendation import KINDS
from drm.analysis.recommendations import Advice, advise
from drm.analysis.right_sizing import study
from drm.figures import idle_causes, ladder_text, recommendations
from drm.figures.units import money
from drm.http import create_blueprint
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from drm.task_usage import TaskUsage
from tests.unit.efficiency_pools import EDGES, HOSTILE, edge_state
from tests.unit.planted_month import DAY_SECONDS, Month, Plan
from tests.unit.test_callbacks import TICK, Page
from tests.unit.usage_samples import GIB, START, plant

RANGE = 30 * DAY_SECONDS


@pytest.fixture(scope="module")
def state() -> DRMState:
    """Two days of planted waste."""
    return Month(Plan(days=2)).state


def shown(state: DRMState, **changes: Any) -> dict[str, Any]:
    """What the cards' callback gives."""
    return Page(state).call(ids.RECOMMENDATIONS_WORDS, **({"drm_recommendations_tick": TICK | {"range": "30d"}} | changes))


def texts(part: Any) -> list[str]:
    """All texts of a component, in order."""
    if isinstance(part, str):
        return [part]
    if isinstance(part, list):
        return [text for one in part for text in texts(one)]
    return texts(part["props"].get("children", [])) if isinstance(part, dict) else []


def asked(state: DRMState, query: str = "") -> Any:
    """The answer of the API."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(state))
    return app.test_client().get(f"/api/v1/recommendations{query}")


@pytest.mark.parametrize("edge", EDGES)
def test_the_cards_stand_at_every_edge(edge: str) -> None:
    """Strict JSON of a bounded size, and words where there is nothing."""
    told = shown(edge_state(edge))
    assert len(json.dumps(told, allow_nan=False)) < 120_000
    assert told[ids.RECOMMENDATIONS_WORDS]["children"] and told[ids.IDLE_WORDS]["children"]


def test_a_line_says_what_to_change_and_opens_into_its_evidence(state: DRMState) -> None:
    """Saving, confidence and risk on the line; evidence, formula, replay and risk below it."""
    told = shown(state)
    request, minimum, idle = (one["props"]["children"] for one in told[ids.RECOMMENDATIONS]["content"]["props"]["children"][1:])
    line = texts(request[0])
    assert line[:3] == ["Request of tasks", "report", "Lower cpu from 4 cores to 1.15 cores, and lower memory from 8 GiB to 2.301 GiB"]
    assert line[3].endswith(" USD") and line[4:] == ["medium", "none of runs used more"]
    detail = texts(request[1])
    assert detail[::2] == ["Evidence", "How it is reckoned", "Freed capacity is worth", "Replay", "Risk"]
    assert "p95 cpu 1 core" in detail[1] and "cpu: p95 x 1.15" in detail[3]
    assert texts(minimum[0])[2] == "Lower the minimum from 10 to 4 workers" and texts(idle[0])[:2] == ["Forgotten worker", "forgotten"]
    assert told[ids.RECOMMENDATIONS_WORDS]["children"].startswith("3 recommendations; the largest saves 1 ")


def test_what_was_drawn_is_not_sent_again(state: DRMState) -> None:
    """Until a part of the range has passed; another range is another answer; a page that is not shown asks for nothing."""
    page = Page(state)
    tick = TICK | {"range": "30d"}
    drawn = page.call(ids.RECOMMENDATIONS_WORDS, drm_recommendations_tick=tick)[ids.drawn(ids.RECOMMENDATIONS_KEY)]["data"]
    assert page.call(ids.RECOMMENDATIONS_WORDS, drm_recommendations_tick=tick, drm_recommendations_drawn=drawn) == {}
    assert page.status == 204
    assert page.call(ids.RECOMMENDATIONS_WORDS, drm_recommendations_tick=TICK | {"range": "24h"}, drm_recommendations_drawn=drawn)
    assert page.call(ids.RECOMMENDATIONS_WORDS, drm_recommendations_tick=None) == {}


@pytest.mark.parametrize("hostile", [[], "tick", 7, True, {"range": {"a": 1}}])
@pytest.mark.parametrize("name", ["drm_recommendations_tick", "drm_recommendations_drawn"])
def test_values_that_no_page_sends_are_refused_or_harmless(name: str, hostile: object) -> None:
    """400 or an ordinary answer, never an error of the server."""
    page = Page(edge_state("one worker"))
    page.call(ids.RECOMMENDATIONS_WORDS, **({"drm_recommendations_tick": TICK} | {name: hostile}))
    assert page.status in (200, 204, 400)


def test_hostile_names_are_texts() -> None:
    """Plain and cut."""
    lines = recommendations.lines(advise(edge_state("hostile names"), 900.0))
    assert {one.subject for one in lines} >= {HOSTILE[0]}
    assert all(len(one.subject) <= 64 and one.subject.isprintable() and one.change.isprintable() for one in lines)


def test_idle_causes_are_parts_of_the_bill(state: DRMState) -> None:
    """Each is the ladder's, the largest first; their sum is in the sentence; none without a bill."""
    paid = ladder(*state.spends(RANGE))  # type: ignore[arg-type]
    assert paid is not None
    rows = idle_causes.rows(paid)
    minimum = next(one for one in rows if one.name == "Minimum bound")
    assert minimum.hours == ladder_text.hours(paid.pieces["min_bound"].seconds)
    widths = [one.width for one in rows]
    assert widths == sorted(widths, reverse=True) and minimum.width == pytest.approx(100 * paid.share("min_bound"))
    whole = sum(paid.pieces[cause].money for cause in idle_causes.CAUSES)
    assert idle_causes.sentence(paid, past=False).startswith(f"{money(whole, 'USD')}, ")
    assert idle_causes.rows(None) == [] and idle_causes.sentence(None, past=True) == ladder_text.NOT_KEPT
    assert idle_causes.sentence(None, past=False) == ladder_text.NOTHING_YET
    assert set(idle_causes.CAUSES) <= set(ladder_text.PIECES)


def test_words_say_what_is_missing() -> None:
    """Shortages by name; a pool that fits says so; before the first tick there is nothing to say."""
    usage = TaskUsage()
    until = plant(usage, "few", Resources(cpu=2), [Resources(cpu=1)] * 7)
    for number in range(6):
        plant(usage, f"dark-{number}", Resources(cpu=2), [None])
    snapshot = edge_state("no workers").snapshot
    short = Advice((), None, study(of_shapes(usage.view(), 0.0, until), snapshot))
    assert recommendations.words(short, simulated=False) == (
        "Nothing to change that is known of. A request is judged from 20 measured runs on. Still missing: few: CPU, 13 more; "
        "dark-0: CPU, 20 more; dark-1: CPU, 20 more; dark-2: CPU, 20 more; dark-3: CPU, 20 more; and 2 other requests."
    )
    usage = TaskUsage()
    until = plant(usage, "fits", Resources(cpu=1, memory=GIB), [Resources(cpu=0.8, memory=0.8 * GIB)] * 20)
    fits = Advice((), None, study(of_shapes(usage.view(), 0.0, until), snapshot))
    assert (
        recommendations.words(fits, simulated=False)
        == "Nothing to change: 2 requests of tasks fit what they use, and no worker is forgotten."
    )
    assert recommendations.words(Advice((), None, None), simulated=False) == recommendations.NOTHING_YET
    nothing = Advice((), None, study([], snapshot))
    assert "none has ended in this range" in recommendations.words(nothing, simulated=False)


def test_unknown_money_is_told_in_hours_and_costs_as_costs(state: DRMState) -> None:
    """Never as 0."""
    (one, *_) = advise(state, RANGE).recommendations
    assert recommendations.saving_text(replace(one, saving=math.nan, saving_hours=730.0)) == "730 worker-hours"
    assert recommendations.saving_text(replace(one, saving=math.nan, saving_hours=math.nan)) == "unknown"
    assert recommendations.saving_text(replace(one, saving=-12.0)) == "costs 12.00 USD"
    assert set(recommendations.WORDS) == set(KINDS)


def test_the_api_tells_each_with_all_that_says_so(state: DRMState) -> None:
    """Order and numbers are those of the analysis; filters by kind and confidence; a moment of the past."""
    told = asked(state).json
    found = advise(state, RANGE).recommendations
    listed = told["recommendations"]
    assert [(one["kind"], one["subject"], one["saving"]) for one in listed] == [(one.kind, one.subject, one.saving) for one in found]
    first = listed[0]
    assert set(first) >= {"change", "now", "suggested", "freed", "confidence", "risk", "risk_share", "formula", "guards"}
    assert first["evidence"]["numbers"]["p95_cpu"] == 1.0 and first["replay"]["hours_after"] < first["replay"]["hours_before"]
    assert (told["currency"], told["until"]) == ("USD", state.end())
    assert [one["kind"] for one in asked(state, "?kind=min_bound,market").json["recommendations"]] == ["min_bound"]
    assert asked(state, "?confidence=high").json["recommendations"] == []
    earlier = asked(state, f"?at={state.end() - DAY_SECONDS}").json
    assert earlier["until"] == state.end() - DAY_SECONDS


def test_the_api_compares_with_named_types(state: DRMState) -> None:
    """Of the price list, in a region."""
    told = asked(state, "?kind=instance_type&types=m5.2xlarge,c5.large&region=us-east-1").json["recommendations"]
    assert told and set(told[0]["suggested"]) <= {"m5.2xlarge", "c5.large", "memory-rich"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?kind=cheap", "kind must be some of request, idle_worker, min_bound, instance_type, market, separated by commas, got 'cheap'"),
        ("?confidence=sure", "confidence must be one of low, medium, high, got 'sure'"),
        ("?range=2h", "range must be one of"),
        ("?since=5", "there is no parameter 'since' here"),
        ("?at=1e12", "future"),
        ("?types=m5.large", "types need a region"),
        ("?region=us-east-1", "give types as well"),
        ("?types=m5.large&region=mars-1", "region must be one of the price list's"),
        ("?types=m9.huge&region=us-east-1", "types must be of the price list in us-east-1"),
        ("?types=&region=us-east-1", "got ''"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(state: DRMState, query: str, words: str) -> None:
    """The name, the value and the rule."""
    answer = asked(state, query)
    assert answer.status_code == 400 and words in answer.json["detail"]


def test_a_pool_before_its_first_tick_has_none() -> None:
    """Null, not an error."""
    state = DRMState(DynamicResourceManager(now=START))
    assert asked(state).json == {"since": None, "until": None, "currency": None, "recommendations": []}
