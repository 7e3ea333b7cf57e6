"""allocated = the sum of the live reservations, whatever happens to workers, tasks and claims."""

from __future__ import annotations

import contextlib

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from drm.decision import Bounds
from drm.errors import CapacityError, InfeasibleError, InvalidValueError, UnknownIdError
from drm.model import Resources
from tests.unit.external_pool import GB, SHAPE, Elastic

amounts = st.builds(Resources, cpu=st.sampled_from([0.1, 0.3, 1.0, 4.0, 9.0]), memory=st.sampled_from([0.0, 0.7 * GB, 3 * GB]))
workers = st.sampled_from(["a", "b", "c", "d"])


class AnyUse(RuleBasedStateMachine):
    """Everything that a program may do to an external pool, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Elastic(bounds=Bounds(0, 10), grace=1e6)
        self.claims: list[str] = []

    @rule(worker=workers)
    def join(self, worker: str) -> None:
        with contextlib.suppress(InvalidValueError):
            self.pool.join(worker)

    @rule(worker=workers)
    def leave(self, worker: str) -> None:
        with contextlib.suppress(UnknownIdError):
            self.pool.leave(worker)

    @rule(worker=workers, operation=st.sampled_from(["cordon", "uncordon", "drain"]))
    def move(self, worker: str, operation: str) -> None:
        with contextlib.suppress(UnknownIdError, InvalidValueError):
            getattr(self.pool.manager, operation)(worker)

    @rule(resources=amounts, ttl=st.sampled_from([None, 2.0, 30.0]))
    def reserve(self, resources: Resources, ttl: float | None) -> None:
        with contextlib.suppress(CapacityError, InfeasibleError):
            self.claims.append(self.pool.manager.reserve_resources(resources, ttl_seconds=ttl).id)

    @precondition(lambda self: self.claims)
    @rule(choice=st.integers(0, 1000))
    def release(self, choice: int) -> None:
        with contextlib.suppress(UnknownIdError):
            self.pool.manager.release_resources(self.claims.pop(choice % len(self.claims)))

    @rule(resources=amounts)
    def submit(self, resources: Resources) -> None:
        self.pool.manager.submit(resources=resources)

    @rule(choice=st.integers(0, 1000), fails=st.booleans())
    def finish(self, choice: int, fails: bool) -> None:
        running = self.pool.manager.snapshot.running_tasks
        if running:
            with contextlib.suppress(UnknownIdError, InvalidValueError):
                self.pool.manager.finish(running[choice % len(running)].id, error=ValueError("no") if fails else None)

    @rule(worker=workers)
    def fall_silent(self, worker: str) -> None:
        self.pool.silent ^= {worker}

    @rule(seconds=st.sampled_from([1.0, 25.0, -100.0, 3600.0]))
    def tick(self, seconds: float) -> None:
        self.pool.tick(seconds)

    @invariant()
    def sums_are_right(self) -> None:
        manager = self.pool.manager
        live = manager.reservations()
        pool = manager._members()
        fleet = pool.fleet
        expected = np.zeros((len(fleet), 4))
        held = np.zeros(len(fleet), int)
        for reservation in live:
            row = fleet.row(reservation.worker_id)
            expected[row] += reservation.resources.vector()
            held[row] += 1
        assert np.allclose(fleet.allocated, expected, atol=1e-3)
        assert (fleet.reserved == held).all()
        assert (fleet.allocated[held == 0] == 0).all()
        assert (fleet.allocated <= SHAPE.vector() * (1 + 1e-6)).all()
        assert {reservation.task_id for reservation in live if reservation.task_id} == set(pool.tasks.running)


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
