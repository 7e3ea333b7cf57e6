"""Who starts workers for a scheduler: the Protocol, nobody at all, and a `SpecCluster` of the user's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from drm.errors import EngineError
from drm.model import Resources, WorkerType
from drm.observation import Notice

if TYPE_CHECKING:
    from distributed.deploy.spec import SpecCluster

logger = logging.getLogger(__name__)

HAND_OVER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class News:
    """What a launcher has to tell since it was last asked."""

    notices: tuple[Notice, ...] = ()
    retyped: Mapping[str, WorkerType] = field(default_factory=dict)
    """Workers that became of another type than was asked for, and of which."""


class Launcher(Protocol):
    """Coroutines run on the engine's loop; the other methods are quick, and any thread may call them."""

    no_launcher_reason: str | None

    def owns(self, worker_id: str) -> bool:
        """Whether it can end this worker."""
        ...

    def phase(self, worker_id: str) -> str:
        """`pending` until something was started for it, then `booting`."""
        ...

    def fate(self, worker_id: str) -> str | None:
        """Why a worker has ended or never came up; None while there is nothing to say."""
        ...

    def labels(self, worker_id: str) -> Mapping[str, str]:
        """What it knows of a worker."""
        ...

    def registered(self, worker_id: str, address: str) -> None:
        """The scheduler knows the worker now."""
        ...

    def forget(self, worker_id: str) -> None:
        """The worker's end was reported."""
        ...

    def news(self) -> News:
        """What happened since this was last called."""
        ...

    async def start(self, names: Sequence[str], worker_type: WorkerType) -> None:
        """Starts a worker of this type for each name."""
        ...

    async def stop(self, names: Sequence[str]) -> None:
        """Ends workers, and makes sure that dead ones do not come back."""
        ...

    async def watch(self) -> None:
        """Runs beside the engine until it is cancelled."""
        ...

    def kill(self) -> None:
        """Last resort when the engine closes: leaves no process of this launcher behind."""
        ...


class NoLauncher:
    """A scheduler whose workers are somebody else's."""

    no_launcher_reason: str | None = (
        "a running scheduler was given without anything that starts workers for it: pass DaskEngine a SpecCluster"
    )

    def owns(self, worker_id: str) -> bool:
        """Nothing."""
        return False

    def phase(self, worker_id: str) -> str:
        """Never asked: nothing is launched."""
        return "pending"

    def fate(self, worker_id: str) -> str | None:
        """Unknown."""
        return None

    def labels(self, worker_id: str) -> Mapping[str, str]:
        """Nothing more than the scheduler says."""
        return {}

    def registered(self, worker_id: str, address: str) -> None:
        """Of no concern."""

    def forget(self, worker_id: str) -> None:
        """Of no concern."""

    def news(self) -> News:
        """Nothing happens here."""
        return News()

    async def start(self, names: Sequence[str], worker_type: WorkerType) -> None:
        """Cannot."""
        raise EngineError(f"{len(names)} workers cannot be started: {self.no_launcher_reason}")

    async def stop(self, names: Sequence[str]) -> None:
        """Cannot."""
        raise EngineError(f"workers {', '.join(names)} cannot be ended: {self.no_launcher_reason}")

    async def watch(self) -> None:
        """Nothing to watch."""

    def kill(self) -> None:
        """Nothing was started."""


class SpecLauncher:
    """Adds and removes entries of a user's `SpecCluster`, each of which is one worker. What it started it ends; the cluster stays open."""

    no_launcher_reason: str | None = None

    def __init__(self, cluster: SpecCluster) -> None:
        self._cluster: Any = cluster
        self._started: set[str] = set()
        self._launched: set[str] = set()
        self._failed: dict[str, str] = {}
        if len((cluster.new_spec or {}).get("group", ())) > 1:
            raise EngineError(f"{cluster!r} starts {len(cluster.new_spec['group'])} workers at once, not one: give it processes=1")
        if not cluster.new_spec:
            self.no_launcher_reason = f"{type(cluster).__name__} does not say how a new worker is started: it has no `worker` specification"
        self.refuse_adaptive()

    def refuse_adaptive(self) -> None:
        """Raises EngineError if the cluster scales itself as well."""
        adaptive = getattr(self._cluster, "_adaptive", None)
        if adaptive is not None and adaptive.periodic_callback is not None:
            raise EngineError(
                f"{type(self._cluster).__name__} scales itself by adapt(), and only one may decide: call cluster.adapt().stop() first"
            )

    def shape(self) -> Resources | None:
        """What a new worker has, as far as the specification says so in the usual words."""
        from dask.utils import parse_bytes

        options = (self._cluster.new_spec or {}).get("options", {})
        cores = next((options[name] for name in ("nthreads", "ncores", "cores", "threads") if options.get(name)), None)
        memory = next((options[name] for name in ("memory_limit", "memory") if isinstance(options.get(name), (str, int))), None)
        return None if cores is None or memory is None else Resources(cores, parse_bytes(memory))

    def owns(self, worker_id: str) -> bool:
        """Whether it is in the cluster's specification."""
        return self._key(worker_id) is not None

    def phase(self, worker_id: str) -> str:
        """`booting` once the cluster has started (or queued) its process or job."""
        return "booting" if worker_id in self._started else "pending"

    def fate(self, worker_id: str) -> str | None:
        """Why it could not be started."""
        return self._failed.get(worker_id)

    def labels(self, worker_id: str) -> Mapping[str, str]:
        """Nothing more than the scheduler says."""
        return {}

    def registered(self, worker_id: str, address: str) -> None:
        """Of no concern."""

    def forget(self, worker_id: str) -> None:
        """Its end was reported."""
        self._failed.pop(worker_id, None)
        self._started.discard(worker_id)

    def news(self) -> News:
        """A cluster tells nothing but fates."""
        return News()

    async def start(self, names: Sequence[str], worker_type: WorkerType) -> None:
        """Adds an entry for each name. The shape is the specification's own."""
        self._launched.update(names)
        await self._on_its_loop(self._add(names))

    async def stop(self, names: Sequence[str]) -> None:
        """Takes the entries out, so that the cluster ends these workers, and revives none of them."""
        await self._on_its_loop(self._drop(names))

    async def watch(self) -> None:
        """Nothing to watch: the cluster does that."""

    def kill(self) -> None:
        """Asks the cluster to end what was launched here and is left; whether it does is its affair."""
        left = [name for name in self._launched if self.owns(name)]
        if left:
            asyncio.run_coroutine_threadsafe(self._drop(left), self._loop).add_done_callback(lambda done: _complain(done.exception()))

    async def _add(self, names: Sequence[str]) -> None:
        for name in names:
            spec = self._cluster.new_spec
            self._cluster.worker_spec[name] = {**spec, "options": {**spec.get("options", {}), "name": name}}
        error: BaseException | None = None
        try:
            await self._correct_state()
        except Exception as failure:
            error = failure
        for name in names:
            worker = self._cluster.workers.get(name)
            if worker is None or worker.status.name in ("failed", "closed"):
                self._cluster.worker_spec.pop(name, None)
                self._cluster.workers.pop(name, None)
                self._failed[name] = f"it could not be started: {error or 'the cluster gave no reason'}"
            else:
                self._started.add(name)

    async def _drop(self, names: Sequence[str]) -> None:
        known = {name: key for name in names if (key := self._key(name)) is not None}
        if not known:
            return
        try:
            # Results of other users that live only there move elsewhere first.
            handing_over = self._cluster.scheduler_comm.retire_workers(names=list(known), close_workers=False, remove=False)
            await asyncio.wait_for(handing_over, HAND_OVER_SECONDS)
        except (TimeoutError, OSError) as error:
            logger.warning("workers %s did not hand over what they hold: %r", ", ".join(known), error)
        for key in known.values():
            self._cluster.worker_spec.pop(key, None)
        self._launched.difference_update(known)
        await self._correct_state()

    def _correct_state(self) -> Awaitable[None]:
        """Makes the cluster follow its `worker_spec`. Private in distributed, and the only way to add or remove workers by name."""
        correction: Awaitable[None] = self._cluster._correct_state()
        return correction

    def _key(self, worker_id: str) -> Any:
        """The key of a worker in the specification (clusters use integers); None if it is not there."""
        spec = self._cluster.worker_spec
        return worker_id if worker_id in spec else next((key for key in list(spec) if str(key) == worker_id), None)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop = self._cluster.loop.asyncio_loop
        return loop

    async def _on_its_loop(self, work: Any) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def _complain(error: BaseException | None) -> None:
    if error is not None:
        logger.warning("workers of the cluster could not be ended: %s", error)
