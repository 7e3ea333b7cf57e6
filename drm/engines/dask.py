"""`DaskEngine`: real workers on dask.distributed, on this machine or wherever a scheduler is.

The queue is ours, and so is the pool's size: a worker gets only tasks that it can start now, each pinned to it, and one that dies is
not replaced behind the manager's back. Dask is imported where it is needed, for a local pool in the engine's own thread.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drm.engines.cloud_plan import CloudOptions, cloud_plan
from drm.engines.dask_launcher import Launcher
from drm.engines.dask_link import Link
from drm.engines.dask_plans import Plan, cluster_plan, connect_plan, local_plan
from drm.engines.dask_roster import RUNNING, Roster
from drm.engines.dask_tasks import Courier
from drm.errors import EngineError, InvalidValueError, UnknownIdError
from drm.model import Resources, Task, WorkerType
from drm.observation import LaunchReport, Observation, TaskReport
from drm.snapshot import Source

if TYPE_CHECKING:
    from distributed.deploy.spec import SpecCluster

    from drm.cloud.instance_type import InstanceType
    from drm.cloud.provider import WorkerProvider

logger = logging.getLogger(__name__)

_NOTHING = Observation(
    ready=False,
    worker_ids=(),
    states=np.empty(0, np.uint8),
    capacity=np.empty((0, 4)),
    used=np.empty((0, 4)),
    occupied=np.empty((0, 4)),
    slots=np.empty(0, np.int64),
)


class DaskEngine:
    """Runs tasks on Dask workers. A worker's id is its Dask name.

    `DaskEngine.local()` starts worker processes here, `DaskEngine.connect(address)` uses a running scheduler and its workers,
    `DaskEngine.cloud(provider, types, ...)` rents machines for them, and `DaskEngine(cluster)` uses any
    `distributed.deploy.spec.SpecCluster`, through which it also starts and ends workers; the cluster stays the caller's to close. Workers
    that it did not start have `nthreads` cores and their memory limit (0 where they have none, so that no task that asks for memory goes
    there); a task of another user occupies one core while it is on a worker.
    All methods are for the one thread that ticks, but `encode`, `cancel` and `close`, which any may call.
    """

    def __init__(self, cluster: SpecCluster | Plan) -> None:
        plan = cluster if isinstance(cluster, Plan) else cluster_plan(cluster)
        prefix = f"drm-{plan.epoch}-"
        self._plan = plan
        self._numbers = itertools.count(len(plan.first_workers) + 1)
        self._worker_shape = plan.worker_shape
        self._launches: list[LaunchReport] = []
        self._launch_ids: dict[str, str] = {}
        self._roster: Roster | None = None
        self._closed = False
        self._link = Link(plan.opening, prefix)
        self._courier = Courier(self._link, prefix)

    @classmethod
    def local(cls, worker_shape: Resources | None = None, workers: int = 1) -> Self:
        """Worker processes on this machine, of this shape (a quarter of the machine, if none is given), and so many at first.

        Returns at once and starts in the background: `observe` says when it is ready, and raises if it cannot start.
        """
        return cls(local_plan(worker_shape, workers))

    @classmethod
    def connect(cls, address: str, timeout_seconds: float = 5.0) -> Self:
        """The scheduler at an address such as `tcp://host:8786`; waits until it answers, so long at most, else raises EngineError."""
        import distributed  # noqa: F401  (the time that its import takes is not the scheduler's)

        engine = cls(connect_plan(address, timeout_seconds))
        try:
            if not engine._link.wait(timeout_seconds) or not engine._link.ready:
                raise EngineError("it does not answer")
        except EngineError as error:
            engine.close()
            raise EngineError(
                f"no Dask scheduler answers at {address!r} within {timeout_seconds:g} s: start one with `dask scheduler`, "
                "or correct the address"
            ) from error
        return engine

    @classmethod
    def cloud(cls, provider: WorkerProvider, types: Sequence[str | InstanceType], **options: Any) -> Self:
        """Instances that a provider rents out, each of which runs one worker.

        `types`: what may be launched, as in `["m5.large", "m5.large:spot"]`; the provider is asked for their shapes and prices, so this may
        wait. `options`: the fields of `drm.engines.cloud_plan.CloudOptions`; one of `scheduler` and `host` is needed, since instances have
        to reach the scheduler. Raises InvalidValueError where one of them makes no sense, ProviderError where the provider refuses.
        """
        return cls(cloud_plan(provider, types, CloudOptions(**options)))

    @property
    def source(self) -> Source:
        """LIVE, this machine or the scheduler's address."""
        return self._plan.source

    @property
    def worker_shape(self) -> Resources | None:
        """What one launched worker has; on a scheduler without a launcher what the largest worker seen has, or None before one was seen."""
        return self._worker_shape

    @property
    def no_launcher_reason(self) -> str | None:
        """Why nothing can be launched or retired here; None where it can."""
        return self._plan.no_launcher_reason

    @property
    def machine(self) -> Resources | None:
        """What this machine has, for a local pool."""
        return self._plan.machine

    def encode(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """The call, pickled by value where workers could not import it; InvalidValueError where it cannot be pickled."""
        import cloudpickle

        try:
            pickled: bytes = cloudpickle.dumps((function, tuple(args), dict(kwargs)))
        except Exception as error:
            name = getattr(function, "__qualname__", None) or repr(function)
            raise InvalidValueError(
                f"{name} cannot be sent to a worker, since it or one of its arguments cannot be pickled ({error}): pass plain values, "
                "and open files, locks and connections inside it"
            ) from error
        return pickled

    def observe(self, now: float) -> Observation:
        """All workers, their measurements of the last second or so, and the events since the last call.

        Raises EngineError where the pool could not start, or its scheduler has not answered for 5 s.
        """
        if self._closed:
            raise EngineError("this engine is closed: make a new one")
        if not self._link.ready:
            return _NOTHING
        roster = self._opened_roster()
        survey = self._link.survey()
        if survey is None:
            return _NOTHING
        launcher = self._link.launcher
        assert launcher is not None
        news = launcher.news()
        for worker_id, worker_type in news.retyped.items():
            roster.reshape(worker_id, worker_type.shape, None if self._plan.slots is None else self._plan.slots(worker_type.shape))
        departures = roster.update(survey)
        # Results that came home before their worker went count; what has not come home with it is lost.
        tasks = self._courier.collect()
        for worker_id, reason in departures.items():
            tasks += self._part_with(worker_id, reason)
        columns = roster.columns()
        silence = columns.pop("silence")
        self._forget_booted(roster, columns["states"])
        if self._plan.worker_shape is None and len(roster.ids):
            self._worker_shape = Resources.of(columns["capacity"][columns["capacity"][:, 0].argmax()])
        launches, self._launches = tuple(self._launches), []
        return Observation(
            ready=True,
            worker_ids=roster.ids,
            labels=roster.labels,
            departures=departures,
            tasks=tuple(tasks),
            launches=launches,
            heard_at=now - silence,
            notices=news.notices,
            retyped=tuple(news.retyped),
            **columns,
        )

    @property
    def worker_types(self) -> tuple[WorkerType, ...]:
        """Those of a cloud; else one, `local` for processes of this machine and `cluster` elsewhere, and none before a worker was seen."""
        if self._plan.types:
            return self._plan.types
        name = "cluster" if self._plan.slots is None else "local"
        return () if self._worker_shape is None else (WorkerType(name, self._worker_shape, provider=name),)

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        """Starts workers: of this type on this machine or a cloud, of the cluster's own specification elsewhere."""
        shape = worker_type.shape
        roster, launcher = self._open()
        if launcher.no_launcher_reason is not None:
            raise EngineError(f"{count} workers cannot be launched: {launcher.no_launcher_reason}")
        self._plan.check()
        names = tuple(f"w-{self._plan.epoch}-{next(self._numbers)}" for _ in range(count))
        self._link.post(partial(launcher.start, names, worker_type), f"workers {', '.join(names)} could not be started")
        local = self._plan.slots is not None
        # Its kind, and with it its price, is told at its first sight, which may come before its launcher has begun.
        labels = {"worker_type": worker_type.name} if self._plan.types else {}
        roster.launched(names, shape if local else self._plan.worker_shape, self._plan.slots(shape) if self._plan.slots else None, labels)
        self._launch_ids.update(dict.fromkeys(names, launch_id))
        self._launches.append(LaunchReport(launch_id, names))

    def retire(self, worker_ids: Sequence[str]) -> None:
        """Ends workers. EngineError for one that the launcher did not start; the others go nevertheless."""
        roster, launcher = self._open()
        if launcher.no_launcher_reason is not None:
            raise EngineError(f"workers {', '.join(worker_ids)} cannot be retired: {launcher.no_launcher_reason}")
        self._plan.check()
        listed = [worker_id for worker_id in worker_ids if worker_id in roster]
        ours = [worker_id for worker_id in listed if launcher.owns(worker_id) or worker_id in self._launch_ids]
        roster.retiring(ours)
        if ours:
            self._link.post(partial(launcher.stop, ours), f"workers {', '.join(ours)} could not be ended")
        foreign = sorted(set(listed) - set(ours))
        if foreign:
            raise EngineError(f"workers {', '.join(foreign)} were started by others on this scheduler: only they can end them")

    def submit(self, task: Task, worker_id: str) -> None:
        """Starts the task there; UnknownIdError where no such worker is registered."""
        roster, _ = self._open()
        member = roster.member(worker_id)
        if member is None or not member.server_id:
            raise UnknownIdError(f"no worker {worker_id!r} is registered with the scheduler: it has gone, or is not up yet")
        self._courier.send(task, worker_id, member.address, member.server_id)

    def cancel(self, task_id: str) -> None:
        """A callable that runs cannot be interrupted: it runs on, its result is dropped, and its end is reported as `cancelled`."""
        self._courier.cancel(task_id)

    def close(self) -> None:
        """Ends what this engine started within 5 s: its worker processes, its own scheduler, its client and its thread."""
        self._closed = True
        self._link.close()

    def _open(self) -> tuple[Roster, Launcher]:
        if self._closed:
            raise EngineError("this engine is closed: make a new one")
        if not self._link.ready:
            raise EngineError("this engine is still starting: observe says when it is ready")
        launcher = self._link.launcher
        assert launcher is not None
        return self._opened_roster(), launcher

    def _opened_roster(self) -> Roster:
        if self._roster is None:
            assert self._link.launcher is not None
            self._roster = Roster(self._link.launcher)
            if self._plan.first_workers and self._plan.worker_shape is not None and self._plan.slots is not None:
                shape = self._plan.worker_shape
                self._roster.launched(self._plan.first_workers, shape, self._plan.slots(shape))
                self._launch_ids.update(dict.fromkeys(self._plan.first_workers, ""))
        return self._roster

    def _part_with(self, worker_id: str, reason: str) -> list[TaskReport]:
        """A worker has gone: nobody revives it, its launch hears of it if it never came up, and its tasks are lost."""
        launcher = self._link.launcher
        assert launcher is not None
        if reason != "retired":
            logger.warning("worker %s went: %s", worker_id, reason)
            if launcher.owns(worker_id):
                self._link.post(partial(launcher.stop, [worker_id]), f"worker {worker_id} could not be kept from coming back")
        launch_id = self._launch_ids.pop(worker_id, None)
        if launch_id:
            # The name was reported with the launch: that it went without having run is what counts it as failed.
            self._launches.append(LaunchReport(launch_id, error=f"{worker_id}: {reason}"))
        return self._courier.drop(worker_id, reason)

    def _forget_booted(self, roster: Roster, states: Any) -> None:
        for row in np.flatnonzero(states == RUNNING) if self._launch_ids else ():
            self._launch_ids.pop(roster.ids[row], None)
