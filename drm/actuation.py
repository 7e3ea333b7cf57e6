"""What a tick asks of its engine: to start tasks, launch workers and end drained ones. The engine is not ours and may raise anything."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from drm.decision import ScalingDecision
from drm.engines import Engine
from drm.model import Task
from drm.observation import TaskReport
from drm.pool import Pool
from drm.scaler import Scaler

logger = logging.getLogger(__name__)


class Actuator:
    """Calls the engine without the lock; where a call fails, what it was to do is undone under the lock, and the rest goes on."""

    def __init__(self, engine: Engine, pool: Pool, scaler: Scaler, lock: threading.Lock) -> None:
        self._engine = engine
        self._pool = pool
        self._scaler = scaler
        self._lock = lock
        self._ending: set[str] = set()

    def is_ending(self, worker_id: str) -> bool:
        """Whether the engine was asked to end this worker."""
        return worker_id in self._ending

    def start(self, tasks: Sequence[Task], now: float) -> None:
        """Sends placed tasks to their workers; one that cannot be sent counts as one failed attempt."""
        for task in tasks:
            self._ask(
                lambda task=task: self._engine.submit(task, task.worker_id or ""),  # type: ignore[misc]
                lambda error, task=task: self._pool.end_attempt(  # type: ignore[misc]
                    TaskReport(task.id, "lost", reason=f"it could not be sent to its worker: {error}"), now
                ),
                f"task {task.id} could not be sent to worker {task.worker_id}",
            )

    def launch(self, decision: ScalingDecision) -> None:
        """Asks for the workers of a scale-up."""
        self._ask(
            lambda: self._engine.launch(decision.count, self._pool.worker_types[decision.worker_type or ""], str(decision.id)),
            lambda error: self._scaler.launch_failed(decision, error),
            f"a launch of {decision.count} failed",
        )

    def retire_drained(self) -> None:
        """Ends the draining workers on which nothing is left, each asked for once."""
        if self._engine.no_launcher_reason is not None:
            return
        with self._lock:
            self._ending.intersection_update(self._pool.fleet.ids)
            drained = [worker_id for worker_id in self._pool.drained() if worker_id not in self._ending]
            self._ending.update(drained)
        if drained:
            self._ask(
                lambda: self._engine.retire(drained),
                lambda _: self._ending.difference_update(drained),
                f"{', '.join(drained)} could not be ended",
            )

    def _ask(self, call: Callable[[], None], undo: Callable[[Exception], None], complaint: str) -> None:
        try:
            call()
        except Exception as error:
            logger.warning("%s: %s", complaint, error)
            with self._lock:
                undo(error)
