"""Engines: what really runs workers. One Protocol; the manager knows no engine by name.

No call here may wait for a worker, a scheduler or a disk: it returns at once, and its result arrives in a later `observe`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from drm.model import Resources, Task, WorkerType
from drm.observation import Observation
from drm.snapshot import Source


class Engine(Protocol):
    """What the manager asks of whoever runs the workers."""

    @property
    def source(self) -> Source:
        """What the page's badge says."""
        ...

    @property
    def worker_types(self) -> tuple[WorkerType, ...]:
        """What can be launched; empty where that is not known. A worker's label `worker_type` names its type, where there are several."""
        ...

    @property
    def no_launcher_reason(self) -> str | None:
        """Why nothing can be launched or retired here; None where it can."""
        ...

    @property
    def machine(self) -> Resources | None:
        """What the machine that holds the whole pool has; None where the pool is not on one machine."""
        ...

    def encode(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What `submit` needs to run this call later; raises InvalidValueError on what cannot be sent to a worker."""
        ...

    def observe(self, now: float) -> Observation:
        """All workers as they are known at `now`, and the events since the last call. Raises EngineError where contact is lost."""
        ...

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        """Asks for workers of one of the types; `LaunchReport`s with this id tell how it went."""
        ...

    def retire(self, worker_ids: Sequence[str]) -> None:
        """Ends workers, which hold no task of ours and no result that is not home. They leave the next observations."""
        ...

    def submit(self, task: Task, worker_id: str) -> None:
        """Starts the task on that worker, which has room for it; a `TaskReport` tells how it ended."""
        ...

    def cancel(self, task_id: str) -> None:
        """Asks to end a running task; a `TaskReport` follows when it has ended."""
        ...

    def close(self) -> None:
        """Ends what the engine started, within 5 s; may be called twice."""
        ...
