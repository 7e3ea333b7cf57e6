"""The GPUs of a host, through NVML. Without the extra `gpu`, a driver or a device there are none, and it is asked again each minute."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

RETRY_SECONDS = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GpuReading:
    """`devices` and bytes, of all together. None: the driver does not measure it."""

    devices: int
    memory_bytes: float
    used: float | None
    memory_used: float | None


class Gpus:
    """`nvml`: the module, for tests; None: `pynvml`, if it is installed."""

    def __init__(self, nvml: Any = None) -> None:
        self._nvml = nvml
        self._devices: list[Any] = []
        self._next_probe = float("-inf")

    def read(self, now: float) -> GpuReading | None:
        """What the devices do at a monotonic time; None where there are none."""
        if not self._devices and now >= self._next_probe:
            self._next_probe = now + RETRY_SECONDS
            self._devices = self._probe()
        if not self._devices:
            return None
        try:
            memory = [self._nvml.nvmlDeviceGetMemoryInfo(device) for device in self._devices]
        except self._nvml.NVMLError as error:
            # As after an update of the driver: begun anew at the next probe.
            logger.warning("the GPUs do not answer: %s", error)
            self._devices, self._next_probe = [], now + RETRY_SECONDS
            return None
        shares = [self._share(device) for device in self._devices]
        known = [share for share in shares if share is not None]
        return GpuReading(
            len(self._devices),
            float(sum(one.total for one in memory)),
            sum(known) if len(known) == len(shares) else None,
            float(sum(one.used for one in memory)),
        )

    def _probe(self) -> list[Any]:
        if self._nvml is None:
            try:
                import pynvml
            except ImportError:
                return []
            self._nvml = pynvml
        try:
            self._nvml.nvmlInit()
            return [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(self._nvml.nvmlDeviceGetCount())]
        except self._nvml.NVMLError:
            return []

    def _share(self, device: Any) -> float | None:
        """How much of its time the device was busy, 0 to 1; None where the driver does not say."""
        try:
            return float(self._nvml.nvmlDeviceGetUtilizationRates(device).gpu) / 100
        except self._nvml.NVMLError:
            return None
