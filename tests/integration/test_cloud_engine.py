"""A pool that rents its machines, end to end: instances are processes of this machine that run the very script of an instance."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from drm.cloud import CloudProviderManager
from drm.decision import Bounds, ScalingDecision
from drm.engines.dask import DaskEngine
from drm.errors import InvalidValueError, ProviderError
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.policies.pipeline import Pipeline
from drm.policies.queue import QueuePolicy
from drm.runner import Runner
from drm.state import DRMState
from tests.integration.stand_in import WORKER_COMMAND, StandIn

HALF = Resources(cpu=0.5, memory=64 * 2**20)
DEADLINE_SECONDS = 40.0


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    """No process of it is left when the test ends."""
    provider = StandIn(tmp_path)
    yield provider
    left = [one.id for one in provider.list_instances()]
    provider.close()
    assert left == [], "the pool left instances running"


@contextmanager
def pool(provider: StandIn, types: list[str], bounds: Bounds, **options: Any) -> Iterator[DRMState]:
    """A pool of rented machines that ticks ten times a second and is quick to shrink."""
    told = {"host": "127.0.0.1", "worker_command": WORKER_COMMAND, "poll_seconds": 0.2} | options
    engine = DaskEngine.cloud(provider, types, **told)
    cloud = CloudProviderManager([provider])
    policy, pipeline = QueuePolicy(idle_grace_seconds=0.5), Pipeline(0.2, 0.2, backoff_seconds=30)
    with DynamicResourceManager(engine, policy, bounds, pipeline=pipeline, cloud=cloud, interval_seconds=0.1) as manager:
        state = DRMState(manager)
        with Runner(state, 0.1):
            yield state


def until(condition: Callable[[], object], what: str, state: DRMState) -> None:
    """Waits for something that the pool does by itself."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            rows = state.manager.decisions(Query(limit=20))
            raise AssertionError((what, [(one.actor, one.code, one.outcome, one.error, one.reason) for one in rows]))
        time.sleep(0.02)


def told(state: DRMState, code: str) -> list[ScalingDecision]:
    """What the ledger has of a provider under this code."""
    return state.manager.decisions(Query(actor="provider", code=code))


def square(number: int) -> tuple[int, int]:
    time.sleep(0.2)
    return os.getpid(), number * number


def test_the_pool_grows_through_the_provider_works_and_shrinks(stand_in: StandIn) -> None:
    """Work brings instances, runs on them, and their number falls again; states, types and prices are the provider's."""
    with pool(stand_in, ["small", "large:spot"], Bounds(0, 2)) as state:
        until(lambda: state.snapshot.ready, "a scheduler", state)
        assert not stand_in.workers()
        assert [(one.name, one.hourly) for one in state.manager.engine.worker_types] == [("small", 0.02), ("large:spot", 0.025)]
        seen: set[str] = set()
        handles = [state.manager.submit(square, number, resources=HALF) for number in range(8)]
        until(lambda: seen.update(_states(state)) or all(one.state == "done" for one in handles), "results", state)
        answers = [one.result(1) for one in handles]
        assert [answer for _, answer in answers] == [number * number for number in range(8)]
        assert {"booting", "running"} <= seen
        assert os.getpid() not in {pid for pid, _ in answers}
        ups = state.manager.decisions(Query(action="scale_up"))
        assert {one.provider for one in ups} == {"stand-in"} and {one.worker_type for one in ups} <= {"small", "large:spot"}
        until(lambda: not stand_in.list_instances() and not state.snapshot.count("running", "draining"), "an empty pool", state)
        downs = state.manager.decisions(Query(action="scale_down"))
        until(lambda: all(state.manager.explain(one.id).outcome == "done" for one in (*ups, *downs)), "outcomes", state)
        assert {worker_id for one in downs for worker_id in one.worker_ids} == {one.worker_id for one in stand_in.workers()}
        assert not state.manager.decisions(Query(actor="provider"))
        lines = {line.kind.type: line for line in state.cloud.last_totals().lines}
        assert all(line.spent > 0 and line.kind.provider == "stand-in" for line in lines.values()) and lines


def _states(state: DRMState) -> set[str]:
    return {str(name) for name in ("pending", "booting", "running") if state.snapshot.count(name)}  # type: ignore[arg-type]


def test_a_provider_that_hangs_delays_no_tick(stand_in: StandIn) -> None:
    """While neither a launch nor a question comes back, ticks go on as they did; once it answers, the work is done."""
    with pool(stand_in, ["small"], Bounds(0, 2)) as state:
        until(lambda: state.snapshot.ready, "a scheduler", state)
        stand_in.answering.clear()
        handle = state.manager.submit(square, 3, resources=HALF)
        until(lambda: state.manager.decisions(Query(action="scale_up")), "a launch", state)
        took: list[float] = []
        forget = state.listen(lambda: took.append(state.health.tick_seconds))
        until(lambda: len(took) >= 30, "thirty ticks", state)
        forget()
        assert max(took) < 1.0
        stand_in.answering.set()
        until(lambda: handle.state == "done", "the result", state)
        assert handle.result(1)[1] == 9
        until(lambda: not stand_in.list_instances() and not state.snapshot.count("running", "draining"), "an empty pool", state)


def test_an_instance_that_never_joins_is_ended_and_the_next_cheapest_type_is_taken(stand_in: StandIn) -> None:
    """What was short, what was got instead, and why it was ended stand in the ledger; its price is the one that was got."""
    stand_in.none_of, stand_in.broken = {"small"}, True
    with pool(stand_in, ["small", "large"], Bounds(1, 1), join_seconds=0.5) as state:
        until(lambda: told(state, "never_joined"), "an end", state)
        until(lambda: not stand_in.list_instances(), "no instance", state)
        (short,), (other,), (never,) = told(state, "no_capacity"), told(state, "retyped"), told(state, "never_joined")
        assert "there are no more small" in short.reason and short.provider == "stand-in"
        assert other.reason == "large was got instead of small, which was not to be had"
        assert short.worker_ids == other.worker_ids == never.worker_ids != ()
        assert "had not joined after 0.5 s: it is ended" in never.reason
        up = state.manager.decisions(Query(action="scale_up"))[-1]
        until(lambda: state.manager.explain(up.id).outcome == "failed", "an outcome", state)
        assert "had not joined" in state.manager.explain(up.id).error
        charged = {line.kind.type: line.spent for line in state.cloud.last_totals().lines}
        assert charged.get("large", 0) > 0


def test_what_happens_to_running_instances_is_told_and_mended(stand_in: StandIn) -> None:
    """An interruption notice, an end from outside with a task on it, a provider that cannot be reached; the task is done elsewhere."""
    with pool(stand_in, ["small:spot"], Bounds(1, 1)) as state:
        until(lambda: state.snapshot.count("running") == 1, "a worker", state)
        (first,) = stand_in.list_instances()
        assert state.manager.worker(first.worker_id or "").labels["instance"] == first.id
        stand_in.announce(first.id, "marked for termination")
        until(lambda: told(state, "interruption"), "a notice", state)
        assert told(state, "interruption")[0].worker_ids == (first.worker_id,)
        stand_in.unreachable = True
        until(lambda: told(state, "provider_silent"), "silence", state)
        stand_in.unreachable = False
        until(lambda: told(state, "provider_answers"), "answers", state)
        stand_in.answering.clear()
        version = state.snapshot.version
        assert state.manager.submit(pow, 2, 5, resources=HALF).result(DEADLINE_SECONDS) == 32
        until(lambda: state.snapshot.version > version + 5, "ticks while the provider hangs", state)
        stand_in.answering.set()
        slow = state.manager.submit(time.sleep, 0.5, resources=HALF)
        until(lambda: slow.state == "running", "a running task", state)
        stand_in.pull(first.id)
        until(lambda: told(state, "ended_outside"), "an end", state)
        assert "its process ended with -9" in told(state, "ended_outside")[0].reason
        slow.result(DEADLINE_SECONDS)
        assert slow.task.attempt == 2 and slow.task.worker_id != first.worker_id
    assert first.id not in stand_in.told_to_end


def test_a_running_scheduler_gets_rented_workers_as_well(stand_in: StandIn) -> None:
    """It is somebody else's and stays; the instances are the pool's and go."""
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        with pool(stand_in, ["small"], Bounds(0, 1), host=None, scheduler=address) as state:
            answer = state.manager.submit(square, 7, resources=HALF)
            assert answer.result(DEADLINE_SECONDS)[1] == 49
            (one,) = stand_in.list_instances()
            assert one.worker_id in {str(worker.name) for worker in cluster.scheduler.workers.values()}
            until(lambda: not stand_in.list_instances(), "an empty pool", state)
            down = state.manager.decisions(Query(action="scale_down"))[0]
            until(lambda: state.manager.explain(down.id).outcome == "done", "an outcome", state)
        assert cluster.scheduler_address == address and cluster.status.name == "running"


def test_what_makes_no_sense_is_refused_before_anything_is_launched(stand_in: StandIn) -> None:
    """By value, with the rule and the remedy."""
    for wrong, rule in (
        ({"host": None}, "give either scheduler="),
        ({"scheduler": "tcp://127.0.0.1:1"}, "give either scheduler="),
        ({"join_seconds": 0}, "join_seconds must be positive"),
        ({"poll_seconds": float("nan")}, "poll_seconds must be at least"),
    ):
        with pytest.raises(InvalidValueError, match=rule):
            DaskEngine.cloud(stand_in, ["small"], **({"host": "127.0.0.1"} | wrong))
    for types, rule in (([], "at least one instance type"), (["small", "small"], "named twice"), (["a:b"], "no instance type")):
        with pytest.raises(InvalidValueError, match=rule):
            DaskEngine.cloud(stand_in, types, host="127.0.0.1")
    with pytest.raises(ProviderError, match="no type 'tiny': it has small, large"):
        DaskEngine.cloud(stand_in, ["tiny"], host="127.0.0.1")
    with pytest.raises(InvalidValueError, match="launch_worker"):
        DaskEngine.cloud("aws", ["small"], host="127.0.0.1")  # type: ignore[arg-type]
