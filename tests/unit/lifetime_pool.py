"""A pool in which workers came, drained, were lost and came back, over a quarter of an hour; for the tests of lifetimes."""

from __future__ import annotations

from collections.abc import Callable

from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState

GIB = 2.0**30
START = 1_800_000_000.0
STEP, TICKS = 5.0, 170
SHAPE = Resources(cpu=4, memory=8 * GIB)
LOST_AFTER = 60.0


def pool_with_ends() -> DRMState:
    """After 850 s: `steady` runs; `drained` was asked to drain at 300 s and went at 330 s; `silent` is lost since about 360 s; `again` left
    after 100 s and is back since 500 s; `brief` was there for one tick; `cordoned` takes no more tasks since 700 s."""
    manager = DynamicResourceManager(ExternalEngine(lost_after_seconds=LOST_AFTER), bounds=Bounds(0, 9), now=START)
    state = DRMState(manager)
    busy = {"steady": 3.0, "drained": 1.0, "silent": 2.0, "again": 0.5, "cordoned": 4.0, "brief": 1.0}
    here: set[str] = set()

    def join(name: str) -> Callable[[], None]:
        def joins() -> None:
            manager.register_worker(name, capacity=SHAPE)
            here.add(name)

        return joins

    def leave(name: str) -> Callable[[], None]:
        def leaves() -> None:
            manager.deregister_worker(name)
            here.discard(name)

        return leaves

    events: dict[int, list[Callable[[], None]]] = {
        0: [join("steady"), join("again")],
        8: [join("drained"), join("silent")],
        20: [leave("again")],
        60: [lambda: manager.drain("drained"), lambda: here.discard("silent")],
        66: [leave("drained")],
        80: [join("brief")],
        81: [leave("brief")],
        90: [join("cordoned")],
        100: [join("again")],
        140: [lambda: manager.cordon("cordoned")],
    }
    for tick in range(TICKS):
        for event in events.get(tick, ()):
            event()
        for name in sorted(here):
            manager.report(name, used={"cpu": busy[name], "memory": busy[name] * GIB})
        state.advance(START + tick * STEP)
    return state
