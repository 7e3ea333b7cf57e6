"""drm: what an elastic pool of workers is doing, what it costs, and why it scaled, or did not.

The public names are loaded when they are first used, so that `from drm import DynamicResourceManager` brings neither Dash nor distributed.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drm.dashboard import create_app, mount
    from drm.decision import Bounds, ScalingDecision
    from drm.engines.dask import DaskEngine
    from drm.engines.external import ExternalEngine
    from drm.errors import (
        CapacityError,
        DRMError,
        DuplicateIdError,
        EngineError,
        InfeasibleError,
        InvalidValueError,
        QueueFull,
        TaskError,
        UnknownIdError,
    )
    from drm.manager import DynamicResourceManager
    from drm.model import Reservation, Resources, Task, Worker
    from drm.runner import Runner
    from drm.snapshot import Snapshot
    from drm.state import DRMState
    from drm.tasks import TaskHandle

__version__ = "0.1.0"

_HOME = {
    "Bounds": "decision",
    "CapacityError": "errors",
    "DRMError": "errors",
    "DRMState": "state",
    "DaskEngine": "engines.dask",
    "DuplicateIdError": "errors",
    "DynamicResourceManager": "manager",
    "EngineError": "errors",
    "ExternalEngine": "engines.external",
    "InfeasibleError": "errors",
    "InvalidValueError": "errors",
    "QueueFull": "errors",
    "Reservation": "model",
    "Resources": "model",
    "Runner": "runner",
    "ScalingDecision": "decision",
    "Snapshot": "snapshot",
    "Task": "model",
    "TaskError": "errors",
    "TaskHandle": "tasks",
    "UnknownIdError": "errors",
    "Worker": "model",
    "create_app": "dashboard",
    "mount": "dashboard",
}

__all__ = [
    "Bounds",
    "CapacityError",
    "DRMError",
    "DRMState",
    "DaskEngine",
    "DuplicateIdError",
    "DynamicResourceManager",
    "EngineError",
    "ExternalEngine",
    "InfeasibleError",
    "InvalidValueError",
    "QueueFull",
    "Reservation",
    "Resources",
    "Runner",
    "ScalingDecision",
    "Snapshot",
    "Task",
    "TaskError",
    "TaskHandle",
    "UnknownIdError",
    "Worker",
    "__version__",
    "create_app",
    "mount",
]

# In a checkout layouts/, callbacks/ and assets/ stand beside drm/; a wheel has them inside. The name is drm.layouts in both.
_CHECKOUT = Path(__file__).resolve().parent.parent
if (_CHECKOUT / "layouts" / "__init__.py").is_file() and (_CHECKOUT / "pyproject.toml").is_file():
    __path__.append(str(_CHECKOUT))


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'drm' has no attribute {name!r}")
    value = getattr(import_module(f"drm.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
