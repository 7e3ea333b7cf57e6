"""drm: what an elastic pool of workers is doing, what it costs, and why it scaled, or did not.

The public names are loaded when they are first used, so that `from drm import DynamicResourceManager` brings neither Dash nor distributed.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drm.version import __version__

if TYPE_CHECKING:
    from drm.budget import Budget
    from drm.cloud.manager import CloudProviderManager
    from drm.dashboard import MountError, create_app, mount
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
        ProviderError,
        QueueFull,
        TaskError,
        UnknownIdError,
    )
    from drm.export import BrowserError
    from drm.files import ExportError
    from drm.integration import DRMVisualizationIntegration
    from drm.manager import DynamicResourceManager
    from drm.model import Reservation, Resources, Task, Worker
    from drm.monitoring import MonitoringDashboard
    from drm.optimizer import ResourceOptimizer
    from drm.runner import Runner
    from drm.server import PortError
    from drm.snapshot import Snapshot
    from drm.state import DRMState
    from drm.tasks import TaskHandle
    from drm.visualization import DRMVisualization


_HOME = {
    "Bounds": "decision",
    "BrowserError": "export",
    "Budget": "budget",
    "CapacityError": "errors",
    "CloudProviderManager": "cloud.manager",
    "DRMError": "errors",
    "DRMState": "state",
    "DRMVisualization": "visualization",
    "DRMVisualizationIntegration": "integration",
    "DaskEngine": "engines.dask",
    "DuplicateIdError": "errors",
    "DynamicResourceManager": "manager",
    "EngineError": "errors",
    "ExportError": "files",
    "ExternalEngine": "engines.external",
    "InfeasibleError": "errors",
    "InvalidValueError": "errors",
    "MonitoringDashboard": "monitoring",
    "MountError": "dashboard",
    "PortError": "server",
    "ProviderError": "errors",
    "QueueFull": "errors",
    "Reservation": "model",
    "ResourceOptimizer": "optimizer",
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
    "BrowserError",
    "Budget",
    "CapacityError",
    "CloudProviderManager",
    "DRMError",
    "DRMState",
    "DRMVisualization",
    "DRMVisualizationIntegration",
    "DaskEngine",
    "DuplicateIdError",
    "DynamicResourceManager",
    "EngineError",
    "ExportError",
    "ExternalEngine",
    "InfeasibleError",
    "InvalidValueError",
    "MonitoringDashboard",
    "MountError",
    "PortError",
    "ProviderError",
    "QueueFull",
    "Reservation",
    "ResourceOptimizer",
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
