"""Policies in a closed loop over a pool that answers: rest under constant demand, and windows that differ."""

from __future__ import annotations

import itertools
import math

import pytest

from drm.decision import Bounds, ScalingDecision
from drm.model import Resources
from drm.policies import parse_policy
from drm.policies.pipeline import Pipeline
from tests.unit.external_pool import GB, Elastic

HALF = Resources(cpu=2, memory=2 * GB)
STEP_SECONDS = 3.0


class Loop:
    """An elastic pool whose workers come and go as asked, after `boot` ticks, under a load that keeps so many tasks unfinished."""

    def __init__(self, policy: str, boot: int = 2, **limits: float) -> None:
        self.pool = Elastic(bounds=Bounds(0, 40), policy=parse_policy(policy), pipeline=Pipeline(**limits))
        self.boot = boot
        self.due: list[tuple[int, int]] = []
        self.began: dict[str, float] = {}
        self.number = 0

    def tick(self, load: int, task_seconds: float = 30.0) -> ScalingDecision:
        pool, manager = self.pool, self.pool.manager
        pool.now += STEP_SECONDS
        for task_id in [one for one, at in self.began.items() if pool.now - at >= task_seconds]:
            del self.began[task_id]
            manager.finish(task_id)
        counts = manager.snapshot.tasks
        for _ in range(load - counts.queued - counts.running):
            manager.submit(resources=HALF)
        busy = {task.worker_id for task in manager.snapshot.running_tasks}
        for worker_id in pool.here:
            on_it = sum(task.worker_id == worker_id for task in manager.snapshot.running_tasks) if worker_id in busy else 0
            manager.report(worker_id, used={"cpu": 2.0 * on_it, "memory": 0.1 * GB})
        asked = len(pool.asked)
        decision = manager.advance(pool.now).last_decision
        assert decision is not None
        if len(pool.asked) > asked:
            self.due.append((self.boot, pool.asked[-1]))
        self.due = [(left - 1, count) for left, count in self.due]
        for left, count in self.due:
            if left == 0:
                self.number += count
                pool.join(*(f"w{self.number - index}" for index in range(count)))
        for task_id in pool.started:
            self.began.setdefault(task_id, pool.now)
        pool.started.clear()
        pool.leave(*(pool.here & set(pool.retired)))
        return decision


@pytest.mark.parametrize("load", [0, 7])
@pytest.mark.parametrize("policy", ["queue", "predictive", "utilization", "target_tracking", "manual,workers=5"])
def test_constant_demand_brings_the_pool_to_rest(policy: str, load: int) -> None:
    """Ten minutes of one load, with tasks that end and come: it turns twice at most, and the last four minutes change nothing."""
    loop = Loop(policy)
    decisions = [loop.tick(load) for _ in range(200)]
    directions = [1 if one.action == "scale_up" else -1 for one in decisions if one.action != "maintain"]
    assert sum(one != other for one, other in itertools.pairwise(directions)) <= 2
    assert [one.reason for one in decisions[-80:] if one.action != "maintain"] == []
    if policy.startswith(("queue", "predictive")):
        assert loop.pool.manager.snapshot.current == math.ceil(load / 2)


def test_target_tracking_grows_at_once_and_shrinks_after_its_window() -> None:
    """A burst is answered within its tick; its end only once the highest proposal has left the five minutes."""
    loop = Loop("target_tracking", boot=1, down_cooldown_seconds=0.0)
    for _ in range(10):
        loop.tick(2)
    before = loop.pool.manager.snapshot.current
    burst = [loop.tick(40, task_seconds=20.0) for _ in range(20)]
    assert next(index for index, one in enumerate(burst) if one.action == "scale_up") <= 3
    assert loop.pool.manager.snapshot.current > before + 3
    quiet = [loop.tick(2) for _ in range(140)]
    downs = [index for index, one in enumerate(quiet) if one.action == "scale_down"]
    assert downs and downs[0] * STEP_SECONDS > 250
    assert "stabilization" in {one.code for one in quiet[:60]}
