"""Clouds: who rents out the machines that workers stand on, and what they cost.

The public names of this package are loaded when they are first used. No tick waits for a provider: what the tick needs is columns.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drm.cloud.aws import AWSProvider
    from drm.cloud.engine_providers import EngineProvider, LocalProvider, SimulatedProvider
    from drm.cloud.instance_type import InstanceType
    from drm.cloud.libcloud_provider import LibcloudProvider
    from drm.cloud.manager import CloudProviderManager
    from drm.cloud.price_file import PriceFile
    from drm.cloud.provider import Capabilities, Instance, PlainProvider, Provider, WorkerOrder, WorkerProvider

_HOME = {
    "AWSProvider": "aws",
    "Capabilities": "provider",
    "CloudProviderManager": "manager",
    "EngineProvider": "engine_providers",
    "Instance": "provider",
    "InstanceType": "instance_type",
    "LibcloudProvider": "libcloud_provider",
    "LocalProvider": "engine_providers",
    "PlainProvider": "provider",
    "PriceFile": "price_file",
    "Provider": "provider",
    "SimulatedProvider": "engine_providers",
    "WorkerOrder": "provider",
    "WorkerProvider": "provider",
}

__all__ = [
    "AWSProvider",
    "Capabilities",
    "CloudProviderManager",
    "EngineProvider",
    "Instance",
    "InstanceType",
    "LibcloudProvider",
    "LocalProvider",
    "PlainProvider",
    "PriceFile",
    "Provider",
    "SimulatedProvider",
    "WorkerOrder",
    "WorkerProvider",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'drm.cloud' has no attribute {name!r}")
    return getattr(import_module(f"drm.cloud.{_HOME[name]}"), name)
