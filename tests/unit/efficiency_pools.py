"""States at the edges of what the Efficiency tab has to show: no workers, one, 10 000, GPUs only, no GPU, only lost ones, hostile names."""

from __future__ import annotations

from functools import cache

from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.snapshot import Snapshot
from drm.state import DRMState
from tests.unit.usage_samples import GIB, START

HOSTILE = ("<script>alert(1)</script>", "w" * 256, "עובד-שלוש", "🔥🚀 <b>hot</b>", "a&b\x00\n\t")
TICK_SECONDS = 5.0


def new_state(**engine: float) -> DRMState:
    """An external pool of any size."""
    return DRMState(DynamicResourceManager(ExternalEngine(**engine), bounds=Bounds(0, 100), now=START))  # type: ignore[arg-type]


def run_tasks(state: DRMState, names: tuple[str, ...], request: Resources, used: Resources, rounds: int) -> Snapshot:
    """So many rounds of one task of each name, five seconds each; all workers report what a task of the pool uses."""
    manager, now = state.manager, START
    snapshot = state.advance(now)
    for _ in range(rounds):
        tasks = [manager.submit(resources=request, name=name) for name in names]
        for worker_id in snapshot.worker_ids:
            manager.report(worker_id, used=used)
        now += TICK_SECONDS
        state.advance(now)
        for task in tasks:
            if task.state == "running":
                manager.finish(task.id, used=used)
        now += TICK_SECONDS
        snapshot = state.advance(now)
    return snapshot


@cache
def edge_state(name: str) -> DRMState:
    """One of `EDGES`."""
    return EDGES[name]()


def _no_workers() -> DRMState:
    state = new_state()
    state.advance(START)
    return state


def _one_worker() -> DRMState:
    state = new_state()
    state.manager.register_worker("only", capacity=Resources(cpu=4, memory=8 * GIB))
    run_tasks(state, ("sort",), Resources(cpu=4, memory=8 * GIB), Resources(cpu=1, memory=GIB), 25)
    return state


def _gpu_only() -> DRMState:
    state = new_state()
    state.manager.register_worker("g", capacity=Resources(gpu=4, gpu_memory=40 * GIB))
    run_tasks(state, ("infer",), Resources(gpu=2, gpu_memory=20 * GIB), Resources(gpu=0.5, gpu_memory=18.5 * GIB), 25)
    return state


def _only_lost() -> DRMState:
    state = new_state(lost_after_seconds=10.0)
    for worker_id in ("a", "b"):
        state.manager.register_worker(worker_id, capacity=Resources(cpu=4, memory=8 * GIB))
    for second in range(0, 40, 2):
        state.advance(START + second)
    assert state.snapshot.count("lost") == 2
    return state


def _hostile() -> DRMState:
    state = new_state()
    for worker_id in HOSTILE:
        state.manager.register_worker(worker_id, capacity=Resources(cpu=4, memory=8 * GIB))
    run_tasks(state, HOSTILE, Resources(cpu=4, memory=GIB), Resources(cpu=1, memory=0.5 * GIB), 25)
    return state


def _many() -> DRMState:
    engine = SimulatedEngine(10_000)
    state = DRMState(DynamicResourceManager(engine, "manual,workers=10000", bounds=Bounds(0, 10_000), now=START))
    for minute in range(3):
        state.advance(START + 60.0 * minute)
    return state


EDGES = {
    "no workers": _no_workers,
    "one worker": _one_worker,
    "gpu only": _gpu_only,
    "only lost": _only_lost,
    "hostile names": _hostile,
    "10 000 workers": _many,
}
