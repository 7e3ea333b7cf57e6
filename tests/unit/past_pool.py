"""A simulated pool that is stepped tick by tick, with what its readers saw at each of them, for the tests of views of the past."""

from __future__ import annotations

from dataclasses import dataclass

from drm.decision import Bounds, ScalingDecision
from drm.engines.simulated import SimulatedEngine
from drm.history.store import HistoryStore
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.snapshot import Snapshot
from drm.state import DRMState

START = 1_800_000_000.0
STEP = 5.0
"""As long as a bucket of the finest level: each holds one sample."""


@dataclass(frozen=True)
class Seen:
    """What there was to see at one tick."""

    snapshot: Snapshot
    decisions: list[ScalingDecision]
    events: tuple[int, int]


def stepped_manager(workers: int = 40, seed: int = 3, step: float = STEP, store: HistoryStore | None = None) -> DynamicResourceManager:
    """One that was never stepped."""
    engine = SimulatedEngine(workers, seed)
    return DynamicResourceManager(engine, "queue,target_seconds=30", Bounds(2, workers), interval_seconds=step, now=START, store=store)


def stepped_pool(ticks: int, workers: int = 40, seed: int = 3, step: float = STEP) -> tuple[DRMState, list[Seen]]:
    """The state after so many ticks, and what was seen at each."""
    state = DRMState(stepped_manager(workers, seed, step))
    seen = []
    for tick in range(ticks):
        state.advance(START + tick * step)
        seen.append(Seen(state.snapshot, state.ledger.query(Query(limit=1000)), state.scaling_events(600)))
    return state, seen
