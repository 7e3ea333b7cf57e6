"""Providers whose instances are the workers of the pool: this machine, and the invented clouds of a simulated fleet.

They are read from the last snapshot and never wait. The engine launches and ends these workers, so nobody else may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drm.cloud.provider import Capabilities, Instance
from drm.errors import InvalidValueError, ProviderError
from drm.model import WORKER_STATES, InstanceKind, Price
from drm.snapshot import Snapshot


class EngineProvider:
    """The workers of a pool whose provider has this name, as instances."""

    engine = "the engine of the pool"
    """Who starts and ends them, in words."""
    capabilities = Capabilities(regions=True, prices=True)

    def __init__(self, name: str, region: str | None = None) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidValueError(f"a provider needs a name, got {name!r}")
        self.name, self.region = name, region
        self._read: Callable[[], Snapshot] | None = None

    def attach(self, read: Callable[[], Snapshot]) -> None:
        """From where the pool is read; its manager does this. InvalidValueError where it reads another pool already."""
        if self._read is not None and self._read != read:
            raise InvalidValueError(f"provider {self.name!r} belongs to another pool: make one for each DynamicResourceManager")
        self._read = read

    @property
    def is_attached(self) -> bool:
        """Whether there is a pool to read."""
        return self._read is not None

    @property
    def no_pool(self) -> str:
        """What is said where there is none."""
        return f"{self.name} reads a pool, and has none: DynamicResourceManager(..., cloud=CloudProviderManager([...])) gives it one"

    def launch(self, count: int, instance_type: str, spot: bool = False, token: str | None = None) -> list[Instance]:
        """Raises ProviderError: the engine does it."""
        raise ProviderError(
            f"{self.name} launches no {instance_type!r} for you: {self.engine} starts its workers, as the scaling policy decides; "
            "set_bounds(min, max) asks it for more"
        )

    def terminate(self, ids: Sequence[str]) -> None:
        """Raises ProviderError: the engine does it."""
        raise ProviderError(f"{self.name} ends no worker for you: {self.engine} does; drain(worker_id) asks it to, got {list(ids)[:5]!r}")

    def list_instances(self) -> list[Instance]:
        """Its workers as of the last tick."""
        snapshot = self._snapshot()
        ours = {number: kind for number, kind in enumerate(snapshot.kinds) if kind.provider == self.name}
        columns = zip(snapshot.worker_ids, snapshot.kind.tolist(), snapshot.states.tolist(), snapshot.started_at.tolist(), strict=True)
        return [
            _instance(self.name, worker_id, ours[kind], state, started_at) for worker_id, kind, state, started_at in columns if kind in ours
        ]

    def price(self, instance_type: str, spot: bool = False) -> Price:
        """What the engine's worker type of this name costs; ProviderError where no such type was seen, or its price is not known."""
        market = "spot" if spot else "on_demand"
        kinds = [kind for kind in self._snapshot().kinds if (kind.provider, kind.type, kind.market) == (self.name, instance_type, market)]
        if not kinds:
            raise ProviderError(f"{self.name} has no {market} type {instance_type!r} in this pool: list_instances() tells what it has")
        if kinds[-1].price is None:
            raise ProviderError(f"the price of {instance_type!r} at {self.name} is not known: {self._remedy()}")
        return kinds[-1].price

    def _remedy(self) -> str:
        return "give the worker type an hourly_price"

    def _snapshot(self) -> Snapshot:
        if self._read is None:
            raise ProviderError(self.no_pool)
        return self._read()


class LocalProvider(EngineProvider):
    """This machine. `hourly`: what one of its workers costs, 0 where that is nothing; None: what the pool says, which may be unknown."""

    engine = "the local engine"
    capabilities = Capabilities(prices=True)

    def __init__(self, hourly: float | None = None, currency: str = "", *, date: str = "") -> None:
        super().__init__("local")
        self.own_price = None if hourly is None else Price(hourly, currency, "LocalProvider", date)

    def price(self, instance_type: str, spot: bool = False) -> Price:
        """What one worker of this machine costs; ProviderError where nobody said it, or a spot price is asked for."""
        if spot:
            raise ProviderError("local has no spot market: this machine is not for rent")
        return self.own_price or super().price(instance_type)

    def _remedy(self) -> str:
        return "--worker-price, or LocalProvider(hourly=...), says it; 0 where this machine costs nothing"


class SimulatedProvider(EngineProvider):
    """One of the invented clouds of a simulated fleet. What a page shows of it says SIMULATED."""

    engine = "the simulated engine"
    capabilities = Capabilities(spot=True, regions=True, prices=True)


def _instance(provider: str, worker_id: str, kind: InstanceKind, state: int, started_at: float) -> Instance:
    return Instance(worker_id, provider, kind.region, kind.type, kind.market, WORKER_STATES[state], started_at, worker_id, kind.price)
