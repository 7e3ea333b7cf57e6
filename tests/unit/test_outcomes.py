"""What becomes of launches and retirements, whatever the provider answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from drm.decision import Bounds, ScalingDecision
from drm.errors import EngineError
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import STATE_CODE, Resources, WorkerType
from drm.observation import LAUNCH_TIMEOUT_SECONDS, LaunchReport, Observation
from drm.policies import create_policy
from drm.policies.pipeline import Pipeline
from drm.snapshot import Source
from tests.unit.external_pool import GB, SHAPE, Elastic

FOUR_CORES = Resources(cpu=4, memory=4 * GB)


class Scripted:
    """An engine that shows what the test says: workers by id with their states, and news of launches."""

    source = Source("external", "scripted")
    no_launcher_reason = None
    machine = None
    worker_types = (WorkerType("plain", SHAPE),)

    def __init__(self) -> None:
        self.workers: dict[str, str] = {}
        self.news: list[LaunchReport] = []
        self.asked: list[tuple[str, int]] = []
        self.repeated = 1

    def observe(self, now: float) -> Observation:
        ids, states = list(self.workers) * self.repeated, list(self.workers.values()) * self.repeated
        n = len(ids)
        news, self.news = tuple(self.news), []
        return Observation(
            ready=True,
            worker_ids=tuple(ids),
            states=np.array([STATE_CODE[state] for state in states], np.uint8),  # type: ignore[index]
            capacity=np.tile(SHAPE.vector(), (n, 1)),
            used=np.full((n, 4), np.nan),
            occupied=np.zeros((n, 4)),
            slots=np.full(n, 16),
            launches=news,
        )

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        self.asked.append((launch_id, count))

    def retire(self, worker_ids: Sequence[str]) -> None:
        for worker_id in worker_ids:
            self.workers.pop(worker_id, None)

    def submit(self, task: object, worker_id: str) -> None: ...

    def close(self) -> None: ...


class Manual:
    """A manager with the policy `manual` over a scripted engine."""

    def __init__(self, workers: int, **limits: float) -> None:
        self.engine = Scripted()
        pipeline = Pipeline(**{"up_cooldown_seconds": 0.0, "down_cooldown_seconds": 0.0, **limits})
        self.manager = DynamicResourceManager(
            self.engine,  # type: ignore[arg-type]
            create_policy("manual", workers=workers),
            Bounds(0, 100),
            pipeline=pipeline,
            now=0.0,
        )
        self.now = 0.0

    def tick(self, seconds: float = 1.0) -> ScalingDecision:
        self.now += seconds
        decision = self.manager.advance(self.now).last_decision
        assert decision is not None
        return decision


def test_a_provider_that_grants_half_makes_a_partial_outcome_ready_when_the_last_came() -> None:
    """Two of four come after 3 s, the refusal much later: granted, the provider's words, and the time at which those two were up."""
    pool = Manual(4)
    asked = pool.tick()
    pool.engine.news = [LaunchReport(str(asked.id), ("a", "b"))]
    pool.engine.workers = {"a": "booting", "b": "booting"}
    pool.tick()
    pool.engine.workers = {"a": "running", "b": "running"}
    pool.tick()
    pool.tick(100)
    pool.engine.news = [LaunchReport(str(asked.id), failed=2, error="no\x1b[31m capacity\nin zone a " + "x" * 5000)]
    pool.tick()
    outcome = pool.manager.explain(asked.id)
    assert (outcome.outcome, outcome.granted, outcome.worker_ids, outcome.ready_at) == ("partial", 2, ("a", "b"), 3.0)
    assert outcome.error.startswith("no [31m capacity in zone a x") and len(outcome.error) == 500 and outcome.error.isprintable()


def test_a_provider_that_says_nothing_fails_after_ten_minutes() -> None:
    """Until then the workers count as on their way, so that they are not asked for twice; then the next try waits for the backoff."""
    pool = Manual(3)
    asked = pool.tick()
    for _ in range(9):
        assert pool.tick(60).action == "maintain" and pool.manager.snapshot.current == 3
    assert pool.tick(LAUNCH_TIMEOUT_SECONDS).code == "backoff"
    outcome = pool.manager.explain(asked.id)
    assert (outcome.outcome, outcome.error) == ("failed", "3 workers did not come within 600 s") and pool.engine.asked == [("1", 3)]


def test_a_worker_counts_once_however_often_it_is_named() -> None:
    """Twice in one answer, or in the answers to two launches: the other one is still waited for."""
    pool = Manual(2)
    first = pool.tick()
    pool.engine.news = [LaunchReport(str(first.id), ("a", "a"))]
    pool.engine.workers = {"a": "running"}
    pool.tick()
    assert pool.manager.snapshot.current == 2 and pool.manager.explain(first.id).granted == 1
    pool.manager.set_policy("manual,workers=3")
    second = pool.tick()
    pool.engine.news = [LaunchReport(str(second.id), ("a",))]
    pool.tick()
    assert pool.manager.explain(second.id).outcome == "pending" and pool.manager.snapshot.current == 3


def test_an_engine_that_lists_a_worker_twice_is_refused_by_name() -> None:
    """The tick says which one, the pool is as it was, and once each is listed once the next tick goes on."""
    pool = Manual(0)
    pool.engine.workers, pool.engine.repeated = {"a": "running"}, 2
    with pytest.raises(EngineError, match="lists worker 'a' twice"):
        pool.tick()
    pool.engine.repeated = 1
    pool.tick()
    assert pool.manager.snapshot.worker_ids == ("a",)


def test_a_maximum_lowered_while_a_launch_is_pending_waits_for_the_workers() -> None:
    """What is on its way cannot be told to go: no empty scale-down, a named blocker; busy workers stay, new ones go when they are up."""
    pool = Manual(5)
    pool.engine.workers = {"a": "running", "b": "running"}
    asked = pool.tick()
    assert (asked.action, asked.count) == ("scale_up", 3)
    pool.manager.reserve_resources(FOUR_CORES)
    pool.manager.reserve_resources(FOUR_CORES)
    pool.manager.set_bounds(0, 2)
    for _ in range(3):
        waiting = pool.tick()
        assert (waiting.action, waiting.code, waiting.count) == ("maintain", "on_the_way", 0)
        assert waiting.reason == "the bounds ask for 2 instead of 5: 3 too many, 0 of them can go; the 3 on the way once they have come"
        assert waiting.flips and [blocker.code for blocker in waiting.blockers] == ["on_the_way"]
    pool.engine.news = [LaunchReport(str(asked.id), ("c", "d", "e"))]
    pool.engine.workers |= dict.fromkeys("cde", "running")
    gone: set[str] = set()
    for _ in range(12):
        decision = pool.tick()
        gone.update(decision.worker_ids)
        assert decision.action != "scale_down" or decision.count == len(decision.worker_ids) > 0
    assert gone == {"c", "d", "e"} and pool.manager.snapshot.current == 2


def test_a_maximum_lowered_before_anything_came_makes_no_scale_down() -> None:
    """With no worker at all, only some that were asked for, there is nobody to tell."""
    pool = Manual(4)
    pool.tick()
    pool.manager.set_bounds(0, 1)
    assert {pool.tick().code for _ in range(5)} == {"on_the_way"}
    assert pool.manager.decisions(Query(action="scale_down")) == []


def test_a_policy_changed_while_a_launch_is_pending_counts_what_is_on_its_way() -> None:
    """An order of more asks for the difference only."""
    pool = Manual(3)
    pool.tick()
    pool.manager.set_policy("manual,workers=5")
    pool.tick()
    assert [count for _, count in pool.engine.asked] == [3, 2]


def test_a_worker_that_dies_while_it_is_retired_is_retired() -> None:
    """The scale-down is done: the worker is gone, whoever ended it."""
    pool = Manual(1)
    pool.engine.workers = {"a": "running", "b": "running"}
    pool.engine.retire = lambda worker_ids: None  # type: ignore[method-assign]
    down = pool.tick()
    assert down.action == "scale_down" and pool.tick().action == "maintain"
    assert pool.manager.explain(down.id).outcome == "pending"
    del pool.engine.workers[down.worker_ids[0]]
    pool.tick()
    assert pool.manager.explain(down.id).outcome == "done"


def test_a_worker_taken_back_while_it_drains_is_not_retired() -> None:
    """The scale-down failed, and says which worker was kept; it is not open for ever."""
    pool = Elastic(bounds=Bounds(0, 10))
    pool.join("a")
    handle = pool.manager.submit(resources=FOUR_CORES)
    pool.tick()
    pool.join("b")
    other = pool.manager.submit(resources=FOUR_CORES)
    pool.tick(40)
    assert handle.worker_id == "a" and other.worker_id == "b"
    pool.manager.set_bounds(0, 1)
    down = pool.tick().last_decision
    assert down is not None and (down.action, down.code) == ("scale_down", "above_max")
    pool.manager.uncordon(down.worker_ids[0])
    pool.manager.set_bounds(0, 10)
    pool.tick()
    outcome = pool.manager.explain(down.id)
    assert (outcome.outcome, outcome.granted, outcome.ready_at) == ("failed", 0, None)
    assert outcome.error == f"uncordoned before the end: {down.worker_ids[0]}"


def test_a_failed_launch_does_not_end_the_cooldown_of_another_one() -> None:
    """The one that is under way still has to be waited for."""
    pool = Manual(1, up_cooldown_seconds=50.0, backoff_seconds=0.1)
    first = pool.tick()
    pool.manager.set_policy("manual,workers=2")
    second = pool.tick(50)
    assert [count for _, count in pool.engine.asked] == [1, 1]
    pool.engine.news = [LaunchReport(str(first.id), failed=1, error="no")]
    pool.manager.set_policy("manual,workers=9")
    pool.tick()
    blocked = pool.tick()
    assert (blocked.code, blocked.cooldown_left_seconds) == ("cooldown", second.timestamp + 50 - pool.now)


def test_workers_that_were_refused_are_not_waited_for_by_the_next_launch() -> None:
    """An external provider that brings two of four answers the next launch with its next workers, once the first one has failed."""
    pool = Elastic(pipeline=Pipeline(backoff_seconds=0.1))
    tasks = [pool.manager.submit(resources=FOUR_CORES) for _ in range(4)]
    first = pool.tick().last_decision
    pool.join("a", "b")
    for _ in range(70):
        pool.tick(10)
    pool.join(*(f"c{number}" for number in range(sum(pool.asked) - 4)))
    pool.tick()
    pool.tick()
    assert first is not None and pool.manager.explain(first.id).outcome == "partial"
    assert pool.asked == [4, 2] and [one.outcome for one in pool.manager.decisions(Query(action="scale_up"))] == ["done", "partial"]
    assert pool.manager.snapshot.current == 4 and all(task.state == "running" for task in tasks)


def test_what_was_never_heard_of_is_silent_and_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN as the time of the last sign of life is no sign of life."""
    pool = Manual(0)
    pool.engine.workers = {"a": "running"}
    observe = pool.engine.observe

    def unheard(now: float) -> Observation:
        seen = observe(now)
        object.__setattr__(seen, "heard_at", np.array([math.nan]))
        return seen

    monkeypatch.setattr(pool.engine, "observe", unheard)
    assert pool.tick().code == "stale_data"
