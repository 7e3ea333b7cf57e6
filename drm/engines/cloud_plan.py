"""How a Dask engine over a cloud provider is opened: a scheduler that instances can reach, and the launcher that rents them."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from drm.cloud.instance_type import InstanceType
from drm.cloud.price_file import stale_prices
from drm.cloud.provider import WorkerProvider
from drm.engines.cloud_launcher import CloudLauncher
from drm.engines.cloud_offers import find_offers
from drm.engines.dask_link import Opened, connected
from drm.engines.dask_plans import Plan
from drm.engines.worker_script import worker_script
from drm.errors import InvalidValueError
from drm.hosting import is_loopback
from drm.model import WorkerType
from drm.snapshot import Source

logger = logging.getLogger(__name__)

SHORTEST_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudOptions:
    """What `DaskEngine.cloud` is told beside provider and types. One of `scheduler` and `host` is needed."""

    scheduler: str | None = None
    """A running scheduler that instances reach, as in `tcp://10.0.0.5:8786`."""
    host: str | None = None
    """The address of this machine at which a scheduler is started, and at which instances reach it."""
    port: int = 0
    """With `host`; 0 takes a free one."""
    worker_command: str = "dask worker"
    """How the image starts a worker; the options follow."""
    setup: str = ""
    """Lines of shell that an instance runs before that."""
    join_seconds: float = 300.0
    """An instance whose worker has not joined so long after it was granted is ended."""
    poll_seconds: float = 5.0
    """How often the provider is asked what it has."""
    security: Any = None
    """A `distributed.Security` for scheduler and client; `worker_command` then has to name its files on the image."""

    def __post_init__(self) -> None:
        if (self.scheduler is None) == (self.host is None):
            raise InvalidValueError(
                "instances have to reach the scheduler: give either scheduler='tcp://10.0.0.5:8786', one that runs, or host='10.0.0.5', "
                f"an address of this machine where one is started; got scheduler={self.scheduler!r}, host={self.host!r}"
            )
        if not (math.isfinite(self.join_seconds) and self.join_seconds > 0):
            raise InvalidValueError(f"join_seconds must be positive and finite, got {self.join_seconds!r}")
        if not (math.isfinite(self.poll_seconds) and self.poll_seconds >= SHORTEST_POLL_SECONDS):
            raise InvalidValueError(f"poll_seconds must be at least {SHORTEST_POLL_SECONDS:g} and finite, got {self.poll_seconds!r}")


def cloud_plan(provider: WorkerProvider, types: Sequence[str | InstanceType], options: CloudOptions) -> Plan:
    """Asks the provider for the types that it does not know yet, and waits for it; launches nothing."""
    from drm.engines.dask_local import slots

    if not isinstance(provider, WorkerProvider):
        raise InvalidValueError(f"a provider that launches workers has shape, launch_worker and workers, got {provider!r}")
    if not provider.capabilities.user_data:
        raise InvalidValueError(
            f"{provider.name} cannot give an instance a script that it runs at its start: no worker would come up on it"
        )
    offers = find_offers(provider, types)
    for sentence in stale_prices(offers.types, time.time()):
        logger.warning("%s", sentence)
    if options.host is not None and not is_loopback(options.host) and options.security is None:
        logger.warning(
            "whoever reaches the scheduler at %s can run code here: keep it in a private network, or give security=", options.host
        )

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Opened]:
        async with contextlib.AsyncExitStack() as stack:
            scheduler = None
            if options.host is not None:
                from distributed import Scheduler
                from distributed.utils import silence_logging_cmgr

                stack.enter_context(silence_logging_cmgr(logging.ERROR))
                where = {"host": options.host, "port": options.port, "security": options.security}
                scheduler = await stack.enter_async_context(Scheduler(dashboard=False, dashboard_address=f"{options.host}:0", **where))
            address = options.scheduler if scheduler is None else scheduler.address

            def script(name: str, worker_type: WorkerType) -> str:
                return worker_script(str(address), name, worker_type.shape, command=options.worker_command, setup=options.setup)

            launcher = CloudLauncher(provider, offers, script, join_seconds=options.join_seconds, poll_seconds=options.poll_seconds)
            launcher.client = await stack.enter_async_context(connected(address, 10.0, options.security))
            yield launcher.client, scheduler, launcher

    place = f"{provider.name} {provider.region}" if provider.region else provider.name
    return Plan(opening, Source("live", place), None, offers.types[0].shape, None, slots, offers.types)
