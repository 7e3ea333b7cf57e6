"""Odd pools for the tests of the page: by name: each a function that makes a state after some ticks."""

from __future__ import annotations

from collections.abc import Callable

from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState

GIB = 2.0**30
START = 1_800_000_000.0
CPU = Resources(cpu=4, memory=16 * GIB)
GPU = Resources(gpu=2, gpu_memory=48 * GIB)

HOSTILE = ("<script>alert(1)</script>", "x" * 300, "مرحبا بالعالم", "🚀🔥" * 20, "a\u202egnp.exe", "%{x}<br>", "", " ")
"""Names as somebody might give them who wishes the page ill."""


def _external(count: int = 0, capacity: Resources = CPU) -> DynamicResourceManager:
    manager = DynamicResourceManager(ExternalEngine(), bounds=Bounds(0, 10_000), now=START)
    for number in range(1, count + 1):
        manager.register_worker(f"w{number}", capacity=capacity)
    return manager


def _tick(manager: DynamicResourceManager, ticks: int = 2) -> DRMState:
    state = DRMState(manager)
    for second in range(1, ticks + 1):
        state.advance(START + second)
    return state


def no_workers() -> DRMState:
    """Nobody has joined."""
    return _tick(_external())


def one_worker() -> DRMState:
    """One worker of 4 cores and 16 GiB with two tasks; a third waits for memory."""
    manager = _external(1)
    manager.report("w1", used={"cpu": 2.5, "memory": 6 * GIB}, now=START + 2)
    for name, cpu, memory in (("train", 2, 10), ("score", 1, 4), ("train", 1, 4)):
        manager.submit(resources=Resources(cpu=cpu, memory=memory * GIB), name=name)
    return _tick(manager)


def gpu_only() -> DRMState:
    """Three workers that have nothing but GPUs; one is full, one half."""
    manager = _external(3, GPU)
    for _ in range(3):
        manager.submit(resources=Resources(gpu=1, gpu_memory=20 * GIB), name="infer")
    manager.report("w1", used={"gpu": 1.7, "gpu_memory": 30 * GIB}, now=START + 2)
    return _tick(manager)


def without_gpu() -> DRMState:
    """Four workers of CPU and memory; what waits asks for more memory than any has left, and one task asks for a GPU that nobody has."""
    manager = _external(4)
    for number in range(4):
        manager.report(f"w{number + 1}", used={"cpu": 0.5 * number, "memory": 2 * GIB}, now=START + 2)
    for _ in range(4):
        manager.submit(resources=Resources(cpu=1, memory=12 * GIB), name="wide")
    for _ in range(3):
        manager.submit(resources=Resources(cpu=1, memory=6 * GIB), name="late")
    manager.submit(resources=Resources(gpu=1), name="no chance")
    manager.advance(START)
    manager.reserve_resources(Resources(cpu=1, memory=1 * GIB))
    return _tick(manager)


def only_lost() -> DRMState:
    """Two workers that stopped reporting long ago."""
    manager = _external(2)
    for name in ("w1", "w2"):
        manager.report(name, used={"cpu": 1.0}, now=START)
    state = _tick(manager)
    for minute in range(1, 10):
        state.advance(START + 60 * minute)
    return state


def hostile_names() -> DRMState:
    """Workers and tasks with names that try to break the page."""
    manager = _external()
    for name in HOSTILE:
        if name.strip():
            manager.register_worker(name[:256], capacity=CPU)
    for name in HOSTILE:
        manager.submit(resources=Resources(cpu=2, memory=3 * GIB), name=name)
        manager.submit(resources=Resources(cpu=1, memory=1 * GIB), name=name * 2)
    manager.submit(resources=Resources(cpu=4, memory=8 * GIB), name="waits")
    return _tick(manager)


def ten_thousand() -> DRMState:
    """A simulated fleet that grew from 5 000 to 10 000 workers, five minutes under way."""
    manager = DynamicResourceManager(SimulatedEngine(10_000, 1), bounds=Bounds(1, 10_000), policy="manual,workers=10000", now=START)
    state = DRMState(manager)
    for step in range(3):
        state.advance(START + 150 * step)
    return state


POOLS: dict[str, Callable[[], DRMState]] = {
    one.__name__: one for one in (no_workers, one_worker, gpu_only, without_gpu, only_lost, hostile_names, ten_thousand)
}
