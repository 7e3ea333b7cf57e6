"""A pool in which every text that comes from outside tries to be a script, a header, a formula or a template of the page that shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from drm.budget import Budget
from drm.cloud import CloudProviderManager, Instance
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.errors import EngineError, ProviderError
from drm.manager import DynamicResourceManager
from drm.model import Price, Resources, WorkerType
from drm.observation import LaunchReport, Notice, Observation
from drm.snapshot import Source
from drm.state import DRMState

GIB = 2.0**30
START = 1_800_000_000.0
TICKS = 90
RAN = "drmRan"
"""The property of `window` that a payload sets where it runs."""


def hostile(place: str) -> str:
    """A text for a place, by which it is known again. What runs it is short, as texts are cut; whatever it stands in is closed before."""
    run = f"window.{RAN}='{place}'"
    elements = f'<img src=x onerror={run}>"\'</b></title></script><script>{run}</script><a href="javascript:{run}">'
    return f"={place}{elements}%{{x}}${{{run}}}\r\nX: 1"


class HostileEngine(ExternalEngine):
    """An external pool whose words are all somebody's who wishes us ill."""

    fails = False

    def __init__(self) -> None:
        super().__init__()
        self._launched: list[LaunchReport] = []
        self._observed = 0

    @property
    def source(self) -> Source:
        """A label from outside."""
        return Source("live", hostile("source"))

    @property
    def worker_types(self) -> tuple[WorkerType, ...]:
        """As an odd file of prices tells them."""
        price = Price(1.5, "EUR", hostile("price-source"), "2026-11-01")
        return (
            WorkerType(hostile("type"), Resources(cpu=4, memory=8 * GIB), price, "spot", hostile("provider"), hostile("region")),
            WorkerType(hostile("unpriced"), Resources(cpu=8, memory=16 * GIB), None, "on_demand", hostile("other"), hostile("zone")),
        )

    @property
    def no_launcher_reason(self) -> str | None:
        """It launches."""
        return None

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        """Never grants one, and says why."""
        self._launched.append(LaunchReport(launch_id, (), count, hostile("launch-error")))

    def observe(self, now: float) -> Observation:
        """With notices and reasons."""
        if self.fails:
            raise EngineError(hostile("tick-error"))
        seen = super().observe(now)
        self._observed += 1
        launches, self._launched = tuple(self._launched), []
        notices: tuple[Notice, ...] = ()
        if self._observed == 20:
            notices = (Notice("provider_silent", hostile("notice"), (hostile("worker"),), hostile("notice-provider")),)
        departures = {worker_id: hostile("departure") for worker_id in seen.departures}
        return replace(seen, launches=launches, notices=notices, departures=departures)


class HostileCloud:
    """A provider whose every word is hostile; `fails`: that it has no other."""

    region: str | None = hostile("cloud-region")

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name, self._fails = name, fails

    def launch(self, count: int, instance_type: str, spot: bool = False, token: str | None = None) -> list[Instance]:
        """Never."""
        raise ProviderError(hostile("launch"))

    def list_instances(self) -> list[Instance]:
        """One that belongs to a pool that is not ours, so that it is told of as forgotten, or the error."""
        if self._fails:
            raise ProviderError(hostile("provider-error"))
        price = Price(2.0, "EUR", hostile("instance-price"), "2026-11-01")
        words = {"reason": hostile("instance-reason"), "notice": hostile("instance-notice"), "pool": hostile("pool")}
        return [
            Instance(
                hostile("instance"),
                self.name,
                self.region,
                hostile("instance-type"),
                "spot",
                "running",
                START,
                hostile("gone"),
                price,
                **words,
            )
        ]

    def terminate(self, ids: Sequence[str]) -> None:
        """Never."""

    def price(self, instance_type: str, spot: bool = False) -> Price:
        """None."""
        raise ProviderError(hostile("no-price"))


def hostile_state() -> tuple[DRMState, HostileEngine]:
    """A minute and a half of it: workers that run, left and were lost, tasks that ended well and badly, launches that failed, notices,
    and two clouds. The engine may be told to fail."""
    engine = HostileEngine()
    clouds = CloudProviderManager([HostileCloud(hostile("cloud")), HostileCloud(hostile("silent-cloud"), fails=True)])
    manager = DynamicResourceManager(engine, bounds=Bounds(0, 6), budget=Budget(hour=100.0), cloud=clouds, now=START)
    labels = {name: hostile(f"label-{name}") for name in ("provider", "region", "zone", hostile("label-key"))}
    big = Resources(cpu=8, memory=16 * GIB)
    for name in ("worker", "leaver", "lost"):
        manager.register_worker(hostile(name), capacity=big, labels=labels | {"worker_type": hostile("type")})
    state = DRMState(manager)
    waits = [manager.submit(resources=Resources(cpu=3, memory=6 * GIB), name=hostile(f"task{number}")) for number in range(6)]
    manager.submit(resources=Resources(gpu=4), name=hostile("infeasible"))
    for second in range(TICKS):
        for name in ("worker", "leaver")[: 2 if second < 40 else 1]:
            manager.report(hostile(name), used={"cpu": 2.0, "memory": 3 * GIB}, now=START + second)
        if second == 30:
            for number, one in enumerate(waits[:3]):
                error = RuntimeError(hostile("task-error")) if number else None
                manager.finish(one.id, error=error, used=Resources(cpu=0.5, memory=1 * GIB))
        if second == 40:
            manager.deregister_worker(hostile("leaver"))
        if second == 50:
            manager.cordon(hostile("worker"))
        if second in (10, 70):
            clouds.totals(now=START + second)
        state.advance(START + second)
    assert math.isfinite(state.snapshot.time)
    return state, engine
