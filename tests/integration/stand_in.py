"""A provider whose instances are processes of this machine: each runs the very script that an instance of a cloud would run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drm.cloud import Capabilities, Instance, WorkerOrder
from drm.errors import NoInstancesError, ProviderError
from drm.model import Price, Resources

WORKER_COMMAND = f"{sys.executable} -m distributed.cli.dask_worker"
SHAPES = {"small": Resources(cpu=0.5, memory=512 * 2**20), "large": Resources(cpu=1, memory=1024 * 2**20)}
PRICES = {"small": 0.02, "large": 0.05}
CAPABILITIES = Capabilities(spot=True, tags=True, user_data=True, interruption_notices=True)


@dataclass
class StandIn:
    """Meets `WorkerProvider`. `none_of`: types of which there are no more; `broken`: the script is replaced by one that never joins."""

    folder: Path
    name: str = "stand-in"
    region: str | None = "here"
    pool: str = "test"
    none_of: set[str] = field(default_factory=set)
    broken: bool = False
    unreachable: bool = False
    answering: threading.Event = field(default_factory=threading.Event)
    """While it is not set no question about its instances comes back."""
    capabilities: Capabilities = CAPABILITIES

    def __post_init__(self) -> None:
        self._processes: dict[str, tuple[subprocess.Popen[bytes], WorkerOrder, float]] = {}
        self._told_to_end: set[str] = set()
        self._notices: dict[str, str] = {}
        self._lock = threading.Lock()
        self.answering.set()

    def shape(self, instance_type: str) -> Resources:
        """Of the two types that there are."""
        if instance_type not in SHAPES:
            raise ProviderError(f"stand-in has no type {instance_type!r}: it has {', '.join(SHAPES)}")
        return SHAPES[instance_type]

    def price(self, instance_type: str, spot: bool = False) -> Price:
        """Spot costs half."""
        return Price(PRICES[instance_type] * (0.5 if spot else 1.0), "USD", "the stand-in", "2026-11-01")

    def launch(self, count: int, instance_type: str, spot: bool = False, token: str | None = None) -> list[Instance]:
        """Not needed by a launcher."""
        raise ProviderError("stand-in launches workers only")

    def launch_worker(self, order: WorkerOrder) -> Instance:
        """A session of its own, as a machine would be."""
        if order.instance_type in self.none_of:
            raise NoInstancesError(f"there are no more {order.instance_type}")
        script = self.folder / f"{order.worker_id}.sh"
        script.write_text("#!/bin/sh\nexec sleep 600\n" if self.broken else order.user_data)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DRM_")}
        with open(self.folder / f"{order.worker_id}.log", "wb") as log:
            process = subprocess.Popen(["sh", str(script)], start_new_session=True, stdout=log, stderr=log, env=environment)
        with self._lock:
            self._processes[f"i-{process.pid}"] = (process, order, time.time())
        return next(one for one in self.workers() if one.id == f"i-{process.pid}")

    def workers(self) -> list[Instance]:
        """All, those that have ended among them."""
        self.answering.wait(60)
        if self.unreachable:
            raise ProviderError("stand-in is not reachable")
        found = []
        with self._lock:
            for instance_id, (process, order, at) in self._processes.items():
                code = process.poll()
                market = "spot" if order.spot else "on_demand"
                found.append(
                    Instance(
                        instance_id,
                        self.name,
                        self.region,
                        order.instance_type,
                        market,  # type: ignore[arg-type]
                        "running" if code is None else "terminated",
                        at,
                        order.worker_id,
                        self.price(order.instance_type, order.spot),
                        self.pool,
                        "" if code is None else f"its process ended with {code}",
                        self._notices.get(instance_id, ""),
                    )
                )
        return found

    def list_instances(self) -> list[Instance]:
        """Those that run."""
        return [one for one in self.workers() if one.state == "running"]

    def terminate(self, ids: Sequence[str]) -> None:
        """Pulls the plug."""
        for instance_id in ids:
            self._told_to_end.add(instance_id)
            self.pull(instance_id)

    def pull(self, instance_id: str) -> None:
        """From outside: kill -9 on everything that the instance runs."""
        process = self._processes[instance_id][0]
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def announce(self, instance_id: str, notice: str) -> None:
        """An interruption notice."""
        self._notices[instance_id] = notice

    @property
    def told_to_end(self) -> set[str]:
        """What was ended by a call."""
        return self._told_to_end

    def close(self) -> None:
        """Whatever is left."""
        self.answering.set()
        for instance_id in list(self._processes):
            self.pull(instance_id)
