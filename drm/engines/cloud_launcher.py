"""A cloud provider as launcher: instances that run one worker each, followed from the order until they have ended.

Every call of the provider is made aside, so one that hangs delays neither a tick nor the other workers.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from drm.cloud.calls import aside, in_time
from drm.cloud.provider import WorkerOrder, WorkerProvider
from drm.engines.cloud_machine import Machines
from drm.engines.cloud_offers import Offers, instance_type
from drm.engines.dask_launcher import HAND_OVER_SECONDS, News
from drm.errors import CredentialsError, NoAnswerError, NoInstancesError, ProviderError, ThrottledError
from drm.model import WorkerType

T = TypeVar("T")
logger = logging.getLogger(__name__)

LAUNCHES_AT_ONCE = 8
CALL_SECONDS = 180.0
"""A provider's own time limit is shorter; this one holds for providers that have none."""
SHORT_SECONDS = 60.0
"""A type of which there is no more is not asked for again for so long."""
KILL_SECONDS = 3.0


class CloudLauncher:
    """`script`: what an instance of a type runs, given the worker's name. `fate`, `phase`, `labels` and so on may be called by any thread.

    `clock`: epoch seconds. `client`: the client of the scheduler, once there is one; without it workers are ended without handing over.
    """

    no_launcher_reason: str | None = None

    def __init__(
        self,
        provider: WorkerProvider,
        offers: Offers,
        script: Callable[[str, WorkerType], str],
        *,
        join_seconds: float,
        poll_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._provider, self._offers, self._script = provider, offers, script
        self._poll_seconds, self._clock = poll_seconds, clock
        self._machines = Machines(provider.name, join_seconds)
        self._short: dict[str, float] = {}
        self._addresses: dict[str, str] = {}
        self._closed = threading.Event()
        self.client: Any = None

    def owns(self, worker_id: str) -> bool:
        """Whether it was ordered here, and its instance has not ended."""
        return self._machines.phase(worker_id) not in (None, "gone")

    def phase(self, worker_id: str) -> str:
        """`booting` from the moment that the provider has granted an instance."""
        return "pending" if self._machines.phase(worker_id) in (None, "ordered", "unanswered") else "booting"

    def fate(self, worker_id: str) -> str | None:
        """Why its instance has ended or never came."""
        return self._machines.fate(worker_id)

    def labels(self, worker_id: str) -> Mapping[str, str]:
        """Type, provider, region, market and instance."""
        return self._machines.labels(worker_id)

    def registered(self, worker_id: str, address: str) -> None:
        """The scheduler knows it."""
        self._addresses[worker_id] = address
        self._machines.joined(worker_id)

    def forget(self, worker_id: str) -> None:
        """Its end was reported."""
        self._machines.forget(worker_id)

    def news(self) -> News:
        """What the provider did or said, and which workers became of another type."""
        return self._machines.take_news()

    async def start(self, names: Sequence[str], worker_type: WorkerType) -> None:
        """Orders an instance for each name; of the next cheapest type that holds as much, where there are no more of this one."""
        for name in names:
            self._machines.order(name, worker_type)
        at_once = asyncio.Semaphore(LAUNCHES_AT_ONCE)
        await asyncio.gather(*(self._launch(name, worker_type, at_once) for name in names))

    async def stop(self, names: Sequence[str]) -> None:
        """Ends instances, after their workers have handed over what others left there. Of one that went by itself is asked first why:
        once it is ended here, nobody can tell."""
        if self._machines.forgotten(names):
            await self._look()
        await self._retire([address for name in names if (address := self._addresses.pop(name, None))])
        await self._end(self._machines.ending(names))

    async def watch(self) -> None:
        """Compares what the provider has with what is wanted, until it is cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            if self._machines.any:
                await self._look()

    def kill(self) -> None:
        """Ends all instances that are left, and waits for a short time. What is launched by calls that are still on their way is ended
        when these come back."""
        if self._closed.is_set():
            return
        self._closed.set()
        left = self._machines.instances()
        if not left:
            return
        try:
            in_time(partial(self._provider.terminate, left), KILL_SECONDS, f"{self._provider.name} did not end {', '.join(left)}")
        except Exception as error:
            # The program ends whatever a provider says; the instances carry the pool's mark, and their workers end without a scheduler.
            logger.warning("%s. CloudProviderManager.orphans() shows instances that are left", error)

    async def _launch(self, name: str, asked: WorkerType, at_once: asyncio.Semaphore) -> None:
        async with at_once:
            reason = "retired"
            for number, worker_type in enumerate(self._offers.for_type(asked)):
                if not self._machines.still_wanted(name):
                    break
                if self._short.get(worker_type.name, 0.0) > self._clock():
                    reason = f"{worker_type.name} is not to be had at {self._provider.name}"
                    continue
                try:
                    await self._order(name, worker_type, f"{name}-{number}")
                    return
                except NoInstancesError as error:
                    reason = str(error)
                    self._short[worker_type.name] = self._clock() + SHORT_SECONDS
                    self._machines.tell("no_capacity", f"{worker_type.name} is not to be had: {error}", name)
                except NoAnswerError as error:
                    self._machines.unanswered(name, str(error), self._clock())
                    return
                except Exception as error:
                    # Whatever a provider raises, the other workers are launched, and this one's decision says why it has not come.
                    if isinstance(error, CredentialsError):
                        self._complain(error)
                    reason = str(error) or repr(error)
                    break
            self._machines.refused(name, reason)

    async def _order(self, name: str, worker_type: WorkerType, token: str) -> None:
        self._machines.trying(name, worker_type)
        order = WorkerOrder(
            worker_id=name,
            instance_type=instance_type(worker_type),
            spot=worker_type.market == "spot",
            user_data=self._script(name, worker_type),
            token=token,
            told=partial(self._repeated, name),
        )
        await self._ask(partial(self._launch_now, order), f"did not answer the launch of {name}")
        self._satisfied()

    def _launch_now(self, order: WorkerOrder) -> None:
        """In a thread of its own, which may outlive this launcher: what nobody waits for any more is ended again."""
        instance = self._provider.launch_worker(order)
        wanted = self._machines.granted(order.worker_id, instance, self._clock())
        if self._closed.is_set() or not wanted:
            self._provider.terminate([instance.id])

    async def _look(self) -> None:
        try:
            instances = await self._ask(self._provider.workers, "did not list its instances")
        except Exception as error:
            # It is asked again at the next poll; until then everything stands as it was.
            self._complain(error)
            return
        self._satisfied()
        await self._end(self._machines.look(instances, self._clock()))

    async def _retire(self, addresses: Sequence[str]) -> None:
        if self.client is None or not addresses:
            return
        try:
            await asyncio.wait_for(self.client.retire_workers(workers=list(addresses), close_workers=True), HAND_OVER_SECONDS)
        except Exception as error:
            # Whatever Dask raises, the instance goes.
            logger.warning("workers at %s did not hand over what they hold: %r", ", ".join(addresses), error)

    async def _end(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        try:
            await self._ask(partial(self._provider.terminate, ids), f"did not end {', '.join(ids)}")
        except Exception as error:
            # They are marked as ending: each poll that finds them asks again.
            self._complain(error)

    async def _ask(self, call: Callable[[], T], complaint: str) -> T:
        return await aside(call, CALL_SECONDS, f"{self._provider.name} {complaint}")

    def _repeated(self, name: str, error: ProviderError) -> None:
        if isinstance(error, ThrottledError):
            self._machines.tell("throttled", f"{error}; it is asked again after a pause", name)
        else:
            self._machines.tell("launch_repeated", f"{error}; it was asked for again with the same token, so that it stands once", name)

    def _complain(self, error: Exception) -> None:
        logger.warning("%s: %s", self._provider.name, error)
        code = "credentials_refused" if isinstance(error, CredentialsError) else "provider_silent"
        self._machines.trouble(code, " ".join(str(error).split()) or repr(error))

    def _satisfied(self) -> None:
        self._machines.answered(
            lambda code: (
                ("credentials_accepted", f"{self._provider.name} accepts the credentials again")
                if code == "credentials_refused"
                else ("provider_answers", f"{self._provider.name} answers again")
            )
        )
