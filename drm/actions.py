"""What a person may change of a pool from outside: each action says what will happen before it is done, and is kept in the ledger.

`InvalidValueError` where an action is not possible now, `UnknownIdError` where there is no such worker; then nothing has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from drm.decision import Bounds
from drm.errors import InvalidValueError
from drm.figures.units import count, plain
from drm.manager import DynamicResourceManager
from drm.model import Worker, WorkerState
from drm.policies import Policy, policy_text


class Action(Protocol):
    """One change."""

    def preview(self, manager: DynamicResourceManager) -> str:
        """What will happen, in sentences."""
        ...

    def perform(self, manager: DynamicResourceManager, by: str) -> str:
        """Does it; `by` says who, for the ledger. Returns what was done, in a sentence."""
        ...


@dataclass(frozen=True, slots=True)
class Cordon:
    """No new task on a worker."""

    worker_id: str
    sources: ClassVar[tuple[WorkerState, ...]] = ("running",)

    def preview(self, manager: DynamicResourceManager) -> str:
        """How many are left, and what runs on."""
        worker = _worker(manager, self.worker_id, self.sources, "cordoned")
        left = manager.snapshot.count("running") - 1
        others = f"{count(left, 'worker')} {'is' if left == 1 else 'are'}" if left > 0 else "No worker is"
        may = "the policy may add others." if manager.engine.no_launcher_reason is None else "nothing here can start others."
        return f"{_name(worker)} takes no new task until it is uncordoned. {_tasks(worker)} {others} left to take tasks; {may}"

    def perform(self, manager: DynamicResourceManager, by: str) -> str:
        """From now on."""
        manager.cordon(self.worker_id, by=by)
        return f"Worker {plain(self.worker_id, 60)} is cordoned."


@dataclass(frozen=True, slots=True)
class Uncordon:
    """New tasks on a worker again."""

    worker_id: str
    sources: ClassVar[tuple[WorkerState, ...]] = ("cordoned", "draining")

    def preview(self, manager: DynamicResourceManager) -> str:
        """That it takes tasks."""
        worker = _worker(manager, self.worker_id, self.sources, "running")
        drains = " It does not end any more." if worker.state == "draining" else ""
        return f"{_name(worker)} takes tasks again.{drains}"

    def perform(self, manager: DynamicResourceManager, by: str) -> str:
        """From now on."""
        manager.uncordon(self.worker_id, by=by)
        return f"Worker {plain(self.worker_id, 60)} takes tasks again."


@dataclass(frozen=True, slots=True)
class Drain:
    """No new task on a worker, and its end once the running ones have."""

    worker_id: str
    sources: ClassVar[tuple[WorkerState, ...]] = ("running", "cordoned")

    def preview(self, manager: DynamicResourceManager) -> str:
        """What runs on, who ends it, and whether the pool will replace it."""
        worker = _worker(manager, self.worker_id, self.sources, "draining")
        launcher = manager.engine.no_launcher_reason
        end = "then it is ended, for good." if launcher is None else "then it stays empty: whoever runs it has to end it."
        current, least = (manager.snapshot.current or 0) - 1, manager.bounds.min
        fewer = (
            f" The pool then has {count(max(0, current), 'worker')}, less than its minimum of {least}: "
            + ("a new one is started." if launcher is None else "nothing here can start a new one.")
            if current < least
            else ""
        )
        return f"{_name(worker)} takes no new task. {_tasks(worker)} When nothing runs there any more, {end}{fewer}"

    def perform(self, manager: DynamicResourceManager, by: str) -> str:
        """From now on."""
        manager.drain(self.worker_id, by=by)
        return f"Worker {plain(self.worker_id, 60)} drains."


@dataclass(frozen=True, slots=True)
class SetBounds:
    """How many workers the pool may have."""

    bounds: Bounds

    def preview(self, manager: DynamicResourceManager) -> str:
        """What the pool's size has to become."""
        old, new, current = manager.bounds, self.bounds, manager.snapshot.current or 0
        if old == new:
            raise InvalidValueError(f"the bounds are {old.min} to {old.max} already: choose others")
        stays = f"It has {count(current, 'worker')}"
        if new.min <= current <= new.max:
            follows = f"{stays}, which is within."
        elif manager.engine.no_launcher_reason is not None:
            follows = f"{stays}, and nothing here can start or end any: the decisions become recommendations."
        elif current < new.min:
            follows = f"{stays}: {count(new.min - current, 'worker')} will be started, which may cost money."
        else:
            follows = f"{stays}: {count(current - new.max, 'worker')} will be drained and ended; what runs there ends first."
        return f"The pool may have {new.min} to {new.max} workers, instead of {old.min} to {old.max}. {follows}"

    def perform(self, manager: DynamicResourceManager, by: str) -> str:
        """From the next tick on."""
        manager.set_bounds(self.bounds.min, self.bounds.max, by=by)
        return f"The pool may have {self.bounds.min} to {self.bounds.max} workers."


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """The scaling policy with its parameters."""

    policy: Policy

    def preview(self, manager: DynamicResourceManager) -> str:
        """From what to what."""
        if manager.policy == self.policy:
            raise InvalidValueError(f"the policy is {policy_text(self.policy)} already: choose another, or other parameters")
        return (
            f"From the next tick on the pool's size is decided by {policy_text(self.policy)}, instead of {policy_text(manager.policy)}. "
            "The pool may grow or shrink at once; bounds, budget and cooldowns go on to hold."
        )

    def perform(self, manager: DynamicResourceManager, by: str) -> str:
        """From the next tick on."""
        manager.set_policy(self.policy, by=by)
        return f"The policy is {policy_text(self.policy)}."


def _worker(manager: DynamicResourceManager, worker_id: str, sources: tuple[WorkerState, ...], to: str) -> Worker:
    worker = manager.worker(worker_id)
    if worker.state not in sources:
        raise InvalidValueError(f"worker {worker_id!r} is {worker.state}; only one that is {' or '.join(sources)} can become {to}")
    return worker


def _name(worker: Worker) -> str:
    return f"Worker {plain(worker.id, 60)}"


def _tasks(worker: Worker) -> str:
    if not worker.running_tasks:
        return "Nothing runs there now."
    runs, goes = ("runs", "goes") if worker.running_tasks == 1 else ("run", "go")
    return f"The {count(worker.running_tasks, 'task')} that {runs} there {goes} on to the end."
