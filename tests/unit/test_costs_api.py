"""`/api/v1/costs` and the words of the account, against the sums that they are made of."""

from __future__ import annotations

import math
from typing import Any

import pytest
from flask import Flask

from drm.analysis.ladder import PIECES, STEPS, ladder
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.figures import ladder_text
from drm.http import create_blueprint
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState

TICK_SECONDS = 30.0


@pytest.fixture(scope="module")
def state() -> DRMState:
    """A simulated pool of two hours."""
    manager = DynamicResourceManager(SimulatedEngine(40, 3), bounds=Bounds(4, 40), interval_seconds=TICK_SECONDS, now=0.0)
    for tick in range(241):
        manager.advance(1_767_600_000.0 + tick * TICK_SECONDS)
    return DRMState(manager)


def asked(state: DRMState, query: str = "") -> Any:
    """The answer of the API."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(state))
    return app.test_client().get(f"/api/v1/costs{query}")


def test_the_account_is_told_whole_and_by_group(state: DRMState) -> None:
    """Pieces add up to what was paid, groups to all, tasks to what was settled; the total is the Cloud tab's."""
    told = asked(state, "?range=30d&by=type").json
    whole = told["all"]
    assert list(whole["rungs"]) == list(STEPS) and list(whole["pieces"]) == list(PIECES)
    for unit in ("worker_hours", "cost"):
        paid = whole["rungs"]["paid"][unit]
        assert math.fsum(one[unit] for one in whole["pieces"].values()) == pytest.approx(paid, rel=1e-9)
        assert math.fsum(one["rungs"]["paid"][unit] for one in told["by"]) == pytest.approx(paid, rel=1e-9)
    assert whole["rungs"]["paid"]["cost"] == pytest.approx(state.cloud_totals().sum.spent, rel=1e-9)
    assert (told["since"], told["until"], told["currency"]) == (1_767_600_000.0, state.end(), "USD")
    names = told["tasks"]["names"]
    assert len(names) > 1 and sum(one["useful_hours"] for one in names) == pytest.approx(whole["rungs"]["useful"]["worker_hours"], rel=1e-9)
    assert names == sorted(names, key=lambda one: (-one["requested_hours"], one["name"])) and all(one["cost"] > 0 for one in names)


def test_a_range_and_a_moment_are_differences_of_the_whole(state: DRMState) -> None:
    """The last hour and the hour before add up to both; tasks are told of the present only."""
    end = state.end()
    last, both = (asked(state, f"?range={hours}h").json["all"]["rungs"]["paid"]["cost"] for hours in (1, 6))
    before = asked(state, f"?range=30d&at={end - 3600}").json
    assert before["until"] == end - 3600 and before["tasks"] is None
    assert before["all"]["rungs"]["paid"]["cost"] + last == pytest.approx(both, rel=1e-9)


def test_the_accounts_of_the_workers_add_up_to_that_of_the_pool(state: DRMState) -> None:
    """Asked one by one over the same time; in worker-hours and in money."""
    ids = {one.worker_id for one in state.lifetimes_in(30 * 86_400.0)}
    told = [asked(state, f"?range=1h&worker={worker_id}").json for worker_id in sorted(ids)]
    (edges,) = {(one["since"], one["until"]) for one in told}
    assert edges[1] - edges[0] >= 3540 and {one["currency"] for one in told} <= {"USD", None}
    spends = [state.manager.spend_marks.at(edge) for edge in edges]
    assert spends[1] is not None
    whole = ladder(*spends)
    assert whole is not None
    for rung in STEPS:
        amounts = [one["all"]["rungs"][rung] for one in told]
        assert sum(one["worker_hours"] for one in amounts) == pytest.approx(whole.rung(rung).seconds / 3600, rel=1e-6)
        assert sum(one["cost"] for one in amounts) == pytest.approx(whole.rung(rung).money, rel=1e-6)


def test_a_worker_that_never_was_is_not_found(state: DRMState) -> None:
    """404, in words."""
    answer = asked(state, "?worker=nobody")
    assert answer.status_code == 404 and "no worker has or had the id 'nobody'" in answer.json["detail"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?by=name", "by must be some of provider, region, type, market, separated by commas, got 'name'"),
        ("?by=", "got ''"),
        ("?range=2h", "range must be one of"),
        ("?until=5", "there is no parameter 'until' here; there is at, range, by"),
        ("?at=1e12", "future"),
        ("?at=x", "at must be epoch seconds"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(state: DRMState, query: str, words: str) -> None:
    """The name, the value and the rule."""
    answer = asked(state, query)
    assert answer.status_code == 400 and words in answer.json["detail"]


def test_a_pool_without_prices_has_an_account_of_its_time() -> None:
    """Money is null and unknown, never 0; before the first tick there is no account."""
    manager = DynamicResourceManager(ExternalEngine(), now=0.0)
    state = DRMState(manager)
    assert asked(state).json == {"since": None, "until": None, "currency": None, "all": None, "by": [], "tasks": None}
    manager.register_worker("w", capacity=Resources(cpu=2))
    manager.report("w", used={"cpu": 0.5})
    manager.submit(resources=Resources(cpu=1))
    for at in (0.0, 5.0, 10.0):
        manager.advance(at)
    told = asked(state).json
    assert told["all"]["rungs"]["paid"] == {"worker_hours": 10 / 3600, "cost": None} and told["all"]["unpriced_hours"] == 10 / 3600
    found = ladder(*state.spends(900))  # type: ignore[arg-type]
    assert found is not None
    rows = {row.name: row for row in ladder_text.rows(found)}
    assert list(rows) == ["Paid", "Allocatable", "Spare", "Requested", "Unused", "Used", "Still running", "Useful"]
    assert (rows["Spare"].share, rows["Spare"].left, rows["Spare"].width) == ("50 %", 50.0, 50.0)
    assert rows["Used"].share == rows["Unused"].share == "25 %" and rows["Paid"].money == "unknown"
    assert ladder_text.sentence(found, simulated=False).endswith(
        "0 % was useful. Most of the rest, 50 %, was spare: free beside tasks; nothing waits, or something would fit."
    )
    assert "is not known: shares are those of the time" in ladder_text.note(found)


def test_every_piece_and_rung_has_words() -> None:
    """A part more is a row of the page."""
    assert set(ladder_text.PIECES) == set(PIECES) - {"useful"} and list(ladder_text.RUNGS) == list(STEPS)
