"""What a Dask engine is made of, before anything runs: one plan for each way to get workers."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drm.engines.dask_launcher import NoLauncher, SpecLauncher
from drm.engines.dask_link import Opened, Opening, connected
from drm.errors import EngineError, InvalidValueError
from drm.model import Resources, WorkerType
from drm.snapshot import Source

if TYPE_CHECKING:
    from distributed.deploy.spec import SpecCluster

BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def _epoch() -> str:
    """A short word that no other engine has, not even a later one with the same scheduler or the same history."""
    seconds, digits = int(time.time()), ""
    while seconds:
        seconds, digit = divmod(seconds, 36)
        digits = BASE36[digit] + digits
    return digits + secrets.choice(BASE36) + secrets.choice(BASE36)


def _anything_goes() -> None:
    """Nothing can forbid a launch."""


@dataclass(frozen=True)
class Plan:
    """How to open a Dask engine, and what is known of it before it is open."""

    opening: Opening
    source: Source
    no_launcher_reason: str | None = None
    worker_shape: Resources | None = None
    machine: Resources | None = None
    slots: Callable[[Resources], int] | None = None
    """How many tasks a launched worker of a shape runs at once; None where that shows when it registers."""
    types: tuple[WorkerType, ...] = ()
    """What can be launched, where that is more than one shape."""
    first_workers: tuple[str, ...] = ()
    """Names of the workers that opening launches."""
    check: Callable[[], None] = _anything_goes
    """Raises EngineError where workers must not be launched or retired now."""
    epoch: str = field(default_factory=_epoch)


def local_plan(worker_shape: Resources | None, workers: int) -> Plan:
    """A scheduler in this process and worker processes on this machine."""
    from drm.engines.dask_local import LocalLauncher, machine, slots

    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise InvalidValueError(f"workers must be a whole number of at least 0, got {workers!r}")
    whole = machine()
    shape = worker_shape or Resources.of(whole.vector() / 4)
    if not (shape.cpu and shape.memory):
        raise InvalidValueError(f"a worker needs cpu and memory, as in cpu=1,memory=1GiB, got {shape}")
    epoch = _epoch()
    names = tuple(f"w-{epoch}-{number}" for number in range(1, workers + 1))

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Opened]:
        from distributed import Scheduler
        from distributed.utils import silence_logging_cmgr

        # What Dask says of dead workers the manager says better; errors still show.
        with silence_logging_cmgr(logging.ERROR):
            async with Scheduler(host="127.0.0.1", port=0, dashboard=False, dashboard_address="127.0.0.1:0") as scheduler:
                launcher = LocalLauncher(scheduler)
                try:
                    await launcher.start(names, WorkerType("local", shape, provider="local"))
                    async with connected(scheduler.address, 10.0) as client:
                        yield client, scheduler, launcher
                finally:
                    launcher.kill()

    return Plan(opening, Source("live", "this machine"), None, shape, whole, slots, first_workers=names, epoch=epoch)


def connect_plan(address: str, timeout_seconds: float) -> Plan:
    """A running scheduler and whatever workers it has."""
    if not timeout_seconds > 0:
        raise InvalidValueError(f"timeout_seconds must be positive, got {timeout_seconds!r}")
    launcher = NoLauncher()

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Opened]:
        async with connected(address, timeout_seconds) as client:
            yield client, None, launcher

    return Plan(opening, Source("live", address), launcher.no_launcher_reason)


def cluster_plan(cluster: SpecCluster) -> Plan:
    """A cluster of the user's, which knows how to start workers and stays the user's to close."""
    from distributed import LocalCluster, Scheduler
    from distributed.deploy.spec import SpecCluster

    from drm.engines.dask_local import machine

    if not isinstance(cluster, SpecCluster):
        raise EngineError(
            f"a SpecCluster is needed, got {type(cluster).__name__}: use DaskEngine.connect(address of its scheduler) instead"
        )
    launcher = SpecLauncher(cluster)

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Opened]:
        async with connected(cluster.scheduler_address, 10.0, cluster.security) as client:
            yield client, cluster.scheduler if isinstance(cluster.scheduler, Scheduler) else None, launcher

    return Plan(
        opening,
        Source("live", cluster.scheduler_address),
        launcher.no_launcher_reason,
        launcher.shape(),
        machine() if isinstance(cluster, LocalCluster) else None,
        check=launcher.refuse_adaptive,
    )
