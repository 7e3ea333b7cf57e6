"""`CloudProviderManager`: several providers, their inventories merged, and what they cost.

A provider that does not answer hides none of the others: its last inventory stays, and its error is told with the time of the question.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from drm.cloud.accrual import STATES, Accrual
from drm.cloud.billing import Billing
from drm.cloud.calls import MOST_HANGING, in_time
from drm.cloud.engine_providers import EngineProvider, LocalProvider, SimulatedProvider
from drm.cloud.orphans import Orphans, find_orphans
from drm.cloud.provider import Instance, PlainProvider, Provider
from drm.cloud.totals import Problem, Totals, in_order, lines_of
from drm.errors import InvalidValueError
from drm.hidden import without_secrets
from drm.model import STATE_CODE, InstanceKind, WorkerType
from drm.snapshot import Snapshot, Source

ERROR_LIMIT = 300
ANSWER_SECONDS = 60.0
"""A provider that takes longer is not waited for, so that the others are asked as well."""


class _Polled:
    """One provider that has to be asked, with what it last answered."""

    def __init__(self, provider: PlainProvider) -> None:
        self.provider = provider
        self.accrual = Accrual()
        self.instances: list[Instance] = []
        self.problem: Problem | None = None
        self.asked_at = math.nan
        """When it was last asked."""
        self._hanging = threading.BoundedSemaphore(MOST_HANGING)
        self._numbers: dict[InstanceKind, int] = {}

    def ask(self, now: float) -> None:
        """Takes over its inventory; where it fails, the old one stands and is charged on."""
        self.asked_at = now
        try:
            name = self.provider.name
            instances = in_time(
                lambda: list(self.provider.list_instances()), ANSWER_SECONDS, f"{name} did not list its instances", self._hanging
            )
            kinds = [self._number(one) for one in instances]
            states = [STATE_CODE[one.state] for one in instances]
        except Exception as error:
            told = " ".join(without_secrets(str(error)).split()) or type(error).__name__
            self.problem = Problem(self.provider.name, now, told[:ERROR_LIMIT])
            return
        self.problem, self.instances = None, instances
        counts = np.zeros((len(self._numbers), STATES), np.int64)
        np.add.at(counts, (np.array(kinds, np.intp), np.array(states, np.intp)), 1)
        # Whoever asks rarely still means all of the time in between: nothing else is known of it.
        self.accrual.add(now, tuple(self._numbers), counts, sampling_seconds=math.inf)

    def _number(self, one: Instance) -> int:
        kind = InstanceKind(self.provider.name, one.region, one.type, one.market, one.price)
        return self._numbers.setdefault(kind, len(self._numbers))


class CloudProviderManager:
    """`providers`: each with a name of its own. The workers of the pool that it is given to (`DynamicResourceManager(cloud=...)`) are in
    its totals as well, whoever provides them; where that is one of `providers` that has to be asked, its own word counts.

    It ends no instance by itself, and asks a provider only when a program calls `totals()` or `list_instances()`.
    """

    def __init__(self, providers: Iterable[PlainProvider] = ()) -> None:
        self.providers: tuple[PlainProvider, ...] = tuple(providers)
        for one in self.providers:
            if not isinstance(one, PlainProvider):
                raise InvalidValueError(f"a provider has name, region, launch, list_instances, terminate and price, got {one!r}")
        names = [one.name for one in self.providers]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InvalidValueError(f"two providers are called {twice!r}: give each a name of its own")
        self._of_pool = [one for one in self.providers if isinstance(one, EngineProvider)]
        self._polled = [_Polled(one) for one in self.providers if not isinstance(one, EngineProvider)]
        self._pool: Accrual | None = None
        self._read: Callable[[], Snapshot] | None = None
        self._asking = threading.Lock()

    @classmethod
    def of_pool(cls, source: Source, worker_types: Sequence[WorkerType], *, on_this_machine: bool) -> CloudProviderManager:
        """The providers that a pool brings with it: this machine, or the invented ones of a simulated fleet, else none."""
        if source.kind == "simulated":
            regions = {one.provider: one.region for one in worker_types if one.provider}
            return cls(SimulatedProvider(name, region) for name, region in regions.items())
        return cls([LocalProvider()] if on_this_machine else [])

    @property
    def asks(self) -> bool:
        """Whether any provider has to be asked what it has."""
        return bool(self._polled)

    @property
    def has_cloud(self) -> bool:
        """Whether any provider is more than this machine."""
        return any(not isinstance(one, LocalProvider) for one in self.providers)

    def attach(self, read: Callable[[], Snapshot], accrual: Accrual) -> None:
        """Takes the workers of a pool into the totals; its manager does this."""
        if self._pool is not None and self._pool is not accrual:
            raise InvalidValueError("this CloudProviderManager belongs to another pool: make one for each DynamicResourceManager")
        for one in self._of_pool:
            one.attach(read)
        self._pool, self._read = accrual, read

    def billing(self) -> dict[str, Billing]:
        """How each provider bills, by name, of those that say it."""
        told = {one.name: one.capabilities for one in self.providers if isinstance(one, Provider)}
        return {name: Billing(can.billing_seconds or 0.0, can.billing_minimum_seconds) for name, can in told.items() if can.billing_seconds}

    def priced(self, worker_types: Sequence[WorkerType]) -> list[WorkerType]:
        """The types, with this machine's price where a LocalProvider says it and the type does not."""
        local = next((one for one in self.providers if isinstance(one, LocalProvider)), None)
        price = local.own_price if local else None
        return [
            replace(one, hourly_price=price) if price and one.hourly_price is None and one.provider == "local" else one
            for one in worker_types
        ]

    def list_instances(self, now: float | None = None) -> list[Instance]:
        """All instances of all providers, each of which is asked now and may make the caller wait; where one fails, its last ones."""
        self.ask(time.time() if now is None else now)
        found = [one for provider in self._of_pool if provider.is_attached for one in provider.list_instances()]
        return found + [one for polled in self._polled for one in polled.instances]

    def orphans(self, now: float | None = None) -> Orphans:
        """Instances marked with a pool that are no worker of this one, workers without an instance, and what they cost an hour. Each
        provider is asked now and may make the caller wait; none of what is found is ended."""
        self.ask(time.time() if now is None else now)
        found = self.last_orphans()
        return find_orphans((), (), None, 0.0) if found is None else found[1]

    def last_orphans(self) -> tuple[float, Orphans] | None:
        """The same as the providers last told, and when they were asked; None where none has been. Waits for nobody."""
        asked_at = max((polled.asked_at for polled in self._polled), default=math.nan)
        if math.isnan(asked_at):
            return None
        instances = [one for polled in self._polled if polled.problem is None for one in polled.instances]
        answered = [polled.provider.name for polled in self._polled if polled.problem is None]
        problems = tuple(polled.problem for polled in self._polled if polled.problem is not None)
        snapshot = None if self._read is None else self._read()
        return asked_at, find_orphans(instances, answered, snapshot, asked_at, problems)

    def totals(self, now: float | None = None) -> Totals:
        """What there is and what it costs. Asks the providers, and may make the caller wait: not for a tick or a page, which take
        `last_totals()`. `now`: when it is asked, in epoch seconds (None: the clock's time)."""
        self.ask(time.time() if now is None else now)
        return self.last_totals()

    def last_totals(self) -> Totals:
        """What was known last; waits for nobody."""
        told = [(polled, polled.accrual.spend, polled.problem) for polled in self._polled]
        # Until somebody has asked it, what the pool knows of its workers is all that there is.
        own = {polled.provider.name for polled, spend, _ in told if not math.isnan(spend.time)}
        spends = [spend for _, spend, _ in told if not math.isnan(spend.time)]
        lines = [line for spend in spends for line in lines_of(spend)]
        if self._pool is not None:
            pool = self._pool.spend
            lines += [line for line in lines_of(pool) if line.kind.provider not in own]
            spends += [] if math.isnan(pool.time) else [pool]
        known = {line.kind.provider for line in lines}
        problems = [
            problem or Problem(polled.provider.name, math.nan, "not asked yet: call totals()")
            for polled, spend, problem in told
            if problem or (math.isnan(spend.time) and polled.provider.name not in known)
        ]
        problems += [Problem(one.name, math.nan, one.no_pool) for one in self._of_pool if not one.is_attached]
        return Totals(
            lines=in_order(lines),
            problems=tuple(problems),
            time=max((spend.time for spend in spends), default=math.nan),
            since=min((spend.since for spend in spends), default=math.nan),
            uncounted_seconds=sum(spend.uncounted_seconds for spend in spends),
        )

    def ask(self, now: float) -> None:
        """Asks each provider, one after the other, and waits for it; `now` is finite, in epoch seconds."""
        with self._asking:
            for polled in self._polled:
                polled.ask(now)
