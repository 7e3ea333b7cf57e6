"""A manager over an external pool, driven by hand: time is a number, launches are answered by the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources, WorkerType
from drm.policies import Policy
from drm.policies.pipeline import Pipeline
from drm.policies.queue import QueuePolicy
from drm.snapshot import Snapshot

GB = 1e9
SHAPE = Resources(cpu=4, memory=8 * GB)


@dataclass
class Elastic:
    """An external pool that can be launched and retired; `started` and `asked` hold what the manager asked for."""

    bounds: Bounds = field(default_factory=lambda: Bounds(0, 10))
    grace: float = 20.0
    asked: list[int] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    started: dict[str, str] = field(default_factory=dict)
    launch_error: Exception | None = None
    policy: Policy | None = None
    pipeline: Pipeline = field(default_factory=Pipeline)
    worker_types: Sequence[WorkerType] | None = None
    budget: float | None = None
    start_error: Exception | None = None

    def __post_init__(self) -> None:
        self.now = 0.0
        engine = ExternalEngine(worker_shape=SHAPE, on_launch=self._launch, on_retire=self._retire, on_start=self._start)
        self.manager = DynamicResourceManager(
            engine,
            self.policy or QueuePolicy(idle_grace_seconds=self.grace),
            self.bounds,
            pipeline=self.pipeline,
            worker_types=self.worker_types,
            budget=self.budget,
            now=0.0,
        )

    def _launch(self, count: int, shape: Resources) -> None:
        if self.launch_error:
            raise self.launch_error
        self.asked.append(count)

    def _retire(self, worker_ids: Sequence[str]) -> None:
        self.retired += worker_ids

    def _start(self, task_id: str, worker_id: str) -> None:
        if self.start_error:
            raise self.start_error
        self.started[task_id] = worker_id

    def tick(self, seconds: float = 1.0) -> Snapshot:
        """One tick, `seconds` after the last; all workers have reported just before."""
        self.now += seconds
        for worker_id in self.manager.snapshot.worker_ids:
            if worker_id not in self.silent and worker_id in self.here:
                self.manager.report(worker_id, used={"cpu": 1.0})
        return self.manager.advance(self.now)

    def join(self, *worker_ids: str) -> None:
        """Workers of the launched shape register."""
        for worker_id in worker_ids:
            self.manager.register_worker(worker_id, capacity=SHAPE)
            self.here.add(worker_id)

    def leave(self, *worker_ids: str) -> None:
        """Workers deregister."""
        for worker_id in worker_ids:
            self.manager.deregister_worker(worker_id)
            self.here.discard(worker_id)

    def finish_all(self) -> None:
        """All running tasks end well."""
        for task in self.manager.snapshot.running_tasks:
            self.manager.finish(task.id, "fine")

    here: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
