"""A program that keeps history at full speed until it is killed: `python -m tests.integration.killed_pool FOLDER SEED NOW`.

Each line on stdout tells one batch, before it is handed over, or up to which tick everything is written.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

from drm.engines.external import ExternalEngine
from drm.history import recorder
from drm.history.batch import Batch
from drm.history.buckets import ClosedCells
from drm.history.store import HistoryStore
from drm.manager import DynamicResourceManager
from drm.model import Resources

STEP_SECONDS = 3.0
MOST_WAITING = 20
# As often as a kill has to be likely to hit them.
recorder.CHECKPOINT_SECONDS, recorder.RETENTION_SECONDS, recorder.FORGET_SECONDS, recorder.RENEWAL_SECONDS = 0.3, 0.2, 0.5, 0.4


def facts(batch: Batch) -> dict[str, Any]:
    """What a batch says, in short."""
    return {
        "epoch": batch.epoch,
        "decisions": [[one.id, one.last_at, one.evaluations, one.outcome, one.action] for one in batch.decisions],
        "tasks": [[one.task.id, one.task.attempt, one.task.state] for one in batch.tasks],
        "lifetimes": [[one.number, one.worker_id, [state for _, state in one.states]] for one in batch.lifetimes],
        "samples": [
            [one.level, one.start, worker_id, int(one.max[0, index]) - 1]
            for one in (one.sampled for one in batch.closed if isinstance(one, ClosedCells) and one.resources.start == 0)
            for index, worker_id in enumerate(one.worker_ids)
        ],
        "events": [one.kind for one in batch.events],
    }


def tell(**said: Any) -> None:
    """One line."""
    print(json.dumps(said), flush=True)


def main(folder: str, seed: int, now: float) -> None:
    """Until it is killed."""
    store = HistoryStore(folder)
    keep = store._recorder.keep

    def told(batch: Batch) -> None:
        tell(batch=facts(batch))
        keep(batch)

    store._recorder.keep = told  # type: ignore[method-assign]
    manager = DynamicResourceManager(ExternalEngine(lost_after_seconds=30), now=now, interval_seconds=1.0, store=store)
    chance = random.Random(seed)
    here: list[str] = []
    for number in range(8):
        here.append(f"w{number}")
        manager.register_worker(here[-1], capacity=Resources(cpu=4, memory=8e9))
    written = -1.0
    while True:
        for worker_id in here:
            if chance.random() < 0.9:
                manager.report(worker_id, used={"cpu": 4 * chance.random(), "memory": 1e9})
        if chance.random() < 0.4:
            manager.submit(resources=Resources(cpu=1, memory=1e9), name=f"job-{chance.randrange(3)}")
        for task in manager.snapshot.running_tasks or ():
            if chance.random() < 0.2:
                manager.finish(task.id, error=RuntimeError("broken") if chance.random() < 0.1 else None)
        if chance.random() < 0.1 and len(here) > 3:
            manager.deregister_worker(here.pop(chance.randrange(len(here))))
        if chance.random() < 0.1 and len(here) < 12:
            here.append(f"x{seed}-{now:.0f}")
            manager.register_worker(here[-1], capacity=Resources(cpu=4, memory=8e9))
        if chance.random() < 0.05:
            manager.set_bounds(0, chance.randrange(5, 50))
        manager.advance(now)
        now += STEP_SECONDS
        if store.recording.complete_until > written:
            written = store.recording.complete_until
            tell(written=written, state=store.recording.state, reason=store.recording.reason)
        while store.recording.waiting > MOST_WAITING:
            store.flush(0.01)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
