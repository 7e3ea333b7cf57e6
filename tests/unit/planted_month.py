"""A month of an external pool with known waste in it: driven tick by tick through the manager, with any of the waste left out.

Three kinds of tasks follow the hours of the day; `report` asks for four times what it uses. One worker was cordoned on the first day and
forgotten, the minimum is far above what nights need, and the machines have four times the memory that anything asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import count

from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.manager import DynamicResourceManager
from drm.model import Price, Resources, Task, WorkerType
from drm.policies.pipeline import Pipeline
from drm.state import DRMState
from drm.tasks import TaskHandle

GIB = 2.0**30
START = 1_767_225_600.0
TICK_SECONDS, DAY_SECONDS, DAYS = 1200.0, 86_400.0, 30
RUN_TICKS = 6
TICKS_A_DAY = round(DAY_SECONDS / TICK_SECONDS)
FORGOTTEN = "forgotten"


def priced(name: str, shape: Resources, hourly: float) -> WorkerType:
    """A type on demand."""
    return WorkerType(name, shape, Price(hourly, "USD", "test", "2026-01-01"), "on_demand", "alpha", "alpha-1")


MEMORY_RICH = priced("memory-rich", Resources(cpu=8, memory=128 * GIB), 0.64)
STANDARD = priced("standard", Resources(cpu=8, memory=32 * GIB), 0.38)
LARGE = priced("large", Resources(cpu=32, memory=128 * GIB), 1.60)


@dataclass(frozen=True)
class Kind:
    """Tasks of two hours each."""

    name: str
    request: Resources
    used: Resources
    night: float
    day: float
    """night, day: how many run at once."""

    def arriving(self, tick: int) -> int:
        """How many come at a tick, so that most run at four in the afternoon and least at four in the morning; each day the same."""
        into = tick % TICKS_A_DAY
        return math.floor(self._come(into + 1)) - math.floor(self._come(into))

    def _come(self, ticks: int) -> float:
        """How many have come by so many ticks of a day."""
        levels = (0.5 - 0.5 * math.cos(2 * math.pi * (number / TICKS_A_DAY - 1 / 6)) for number in range(ticks))
        return sum(self.night + (self.day - self.night) * level for level in levels) / RUN_TICKS


REPORT = Kind("report", Resources(cpu=4, memory=8 * GIB), Resources(cpu=1.0, memory=2 * GIB), 3, 24)
ETL = Kind("etl", Resources(cpu=2, memory=6 * GIB), Resources(cpu=1.85, memory=5 * GIB), 2, 12)
QUERY = Kind("query", Resources(cpu=1, memory=3 * GIB), Resources(cpu=0.9, memory=2.5 * GIB), 4, 24)


@dataclass(frozen=True)
class Plan:
    """A month; the default has all of the waste."""

    kinds: tuple[Kind, ...] = (REPORT, ETL, QUERY)
    minimum: int = 10
    worker_type: WorkerType = MEMORY_RICH
    has_forgotten: bool = True
    days: float = DAYS


class Month:
    """Runs a plan; `state` is that of its end."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        shape = plan.worker_type.shape
        self.engine = ExternalEngine(worker_shape=shape, on_launch=self._launch, on_retire=self._retire, lost_after_seconds=1e9)
        self.manager = DynamicResourceManager(
            self.engine,
            "queue,target_seconds=60,idle_grace_seconds=1200",
            Bounds(plan.minimum, 100),
            pipeline=Pipeline(stale_after_seconds=7200.0, silent_after_seconds=7200.0),
            worker_types=(plan.worker_type,),
            interval_seconds=TICK_SECONDS,
            now=START,
        )
        self.state = DRMState(self.manager)
        self._numbers = count(1)
        self._handles: list[tuple[TaskHandle, Kind]] = []
        self._workers: list[str] = []
        self.bills: list[float] = []
        """What all of it had cost, tick by tick."""
        self._run()

    @property
    def daily(self) -> float:
        """What a day costs, on average from the second one on."""
        return (self.bills[-1] - self.bills[TICKS_A_DAY]) / (self.plan.days - 1)

    @property
    def bill(self) -> float:
        """What all of it cost."""
        return float(self.manager.spend.spent.sum())

    def _run(self) -> None:
        if self.plan.has_forgotten:
            self._join(FORGOTTEN)
        for tick in range(round(self.plan.days * TICKS_A_DAY) + 1):
            now = START + tick * TICK_SECONDS
            self._finish(tick)
            for kind in self.plan.kinds:
                for _ in range(kind.arriving(tick)):
                    self._handles.append((self.manager.submit(resources=kind.request, name=kind.name), kind))
            for worker_id in self._workers:
                self.manager.report(worker_id, used={})
            self.state.advance(now)
            self.bills.append(self.bill)
            if tick == 1 and self.plan.has_forgotten:
                self.manager.cordon(FORGOTTEN)

    def _finish(self, tick: int) -> None:
        """Tasks that were placed so many ticks ago end, with what they used."""
        left = []
        for handle, kind in self._handles:
            task: Task = handle.task
            if task.state == "running" and START + tick * TICK_SECONDS - task.placed_at >= RUN_TICKS * TICK_SECONDS:
                self.manager.finish(task.id, used=kind.used)
            else:
                left.append((handle, kind))
        self._handles = left

    def _join(self, worker_id: str) -> None:
        one = self.plan.worker_type
        labels = {"worker_type": one.name, "provider": one.provider or "", "region": one.region or "", "market": one.market}
        self.manager.register_worker(worker_id, capacity=one.shape, labels=labels)
        self._workers.append(worker_id)

    def _launch(self, number: int, _shape: Resources) -> None:
        for _ in range(number):
            self._join(f"w{next(self._numbers)}")

    def _retire(self, worker_ids: object) -> None:
        for worker_id in worker_ids:  # type: ignore[attr-defined]
            self.manager.deregister_worker(worker_id)
            self._workers.remove(worker_id)


def without(plan: Plan, kind: Kind, request: Resources) -> Plan:
    """The plan with another request of one kind."""
    return replace(plan, kinds=tuple(replace(one, request=request) if one.name == kind.name else one for one in plan.kinds))
