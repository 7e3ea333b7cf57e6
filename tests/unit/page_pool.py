"""A state with a history for the tests of the page: two workers, one with a GPU, some minutes of ticks."""

from __future__ import annotations

from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.policies import Policy
from drm.state import DRMState

GIB = 2.0**30
START = 1_800_000_000.0
TICKS = 120


def state_with_history(policy: Policy | None = None) -> DRMState:
    """120 ticks of a second each; `plain` is half busy, `<b>fast` has a GPU and joined after a minute."""
    manager = DynamicResourceManager(ExternalEngine(), policy, bounds=Bounds(0, 4), now=START)
    manager.register_worker("plain", capacity=Resources(cpu=4, memory=8 * GIB))
    state = DRMState(manager)
    manager.submit(resources=Resources(cpu=1, memory=2 * GIB), name="<i>train</i>")
    for second in range(TICKS):
        if second == 60:
            manager.register_worker("<b>fast", capacity=Resources(cpu=8, memory=16 * GIB, gpu=1, gpu_memory=4 * GIB))
        manager.report("plain", used={"cpu": 2.0, "memory": 1 * GIB})
        if second > 60:
            manager.report("<b>fast", used={"cpu": 6.0, "gpu": 0.25})
        state.advance(START + second)
    return state
