"""What is asked of a cloud: small Protocols, one on top of the other, and the values that they speak of.

`PlainProvider` is what the totals need, `Provider` says in addition what it can do, and `WorkerProvider` starts machines that run a script
and tells what became of them: that is what a launcher needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from drm.errors import ProviderError
from drm.model import Price, Resources, WorkerState

POOL_TAG, WORKER_TAG, TOKEN_TAG = "drm:pool", "drm:worker", "drm:token"
"""What an instance of ours is marked with, where its provider has tags: whose pool it is, which worker, and which launch."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One rented machine at one moment."""

    id: str
    provider: str
    region: str | None
    type: str | None
    market: Literal["on_demand", "spot"] | None
    state: WorkerState
    launched_at: float
    """Epoch seconds; NaN where that is not known."""
    worker_id: str | None = None
    """The worker that stands on it; None: none, or none yet."""
    price: Price | None = None
    """None: unknown, which is not 0."""
    pool: str | None = None
    """The pool that it is marked with; None: it is not one of ours."""
    reason: str = ""
    """Why it has ended or is ending, in the provider's words."""
    notice: str = ""
    """That the provider is about to take it back, in its words; empty where it is not."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do. What nobody said it cannot."""

    spot: bool = False
    regions: bool = False
    tags: bool = False
    """Instances carry the pool and the worker in tags; otherwise their names tell, or nothing does."""
    user_data: bool = False
    """An instance can be given a script that it runs at its start."""
    tokens: bool = False
    """The same token twice launches once, so that a launch which was not answered may be asked for again."""
    interruption_notices: bool = False
    """It says in advance that it takes a spot instance back."""
    prices: bool = False
    """It tells prices itself."""
    billing_seconds: float | None = None
    """Granularity of its bill: 1 is by the second, 3600 by the hour begun; None: nobody said."""
    billing_minimum_seconds: float = 0.0
    """Each instance is billed for so long at least."""


def _nobody(error: ProviderError) -> None:
    """Told to nobody."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """A machine for one worker."""

    worker_id: str
    instance_type: str
    spot: bool
    user_data: str = field(repr=False)
    """The script that it runs at its start."""
    token: str
    """Made once for each order; the same order again carries the same one."""
    told: Callable[[ProviderError], None] = _nobody
    """Called with each failure after which the provider was asked again. Any thread may call it."""


@runtime_checkable
class PlainProvider(Protocol):
    """A cloud, or what acts as one. Every call may wait, so none is made from a tick; what cannot be done raises ProviderError."""

    @property
    def name(self) -> str:
        """What it is called on the page; two providers of a manager have different names."""
        ...

    @property
    def region(self) -> str | None:
        """Where it launches; None: it has no regions."""
        ...

    def launch(self, count: int, instance_type: str, spot: bool = False, token: str | None = None) -> list[Instance]:
        """Launches up to `count`, and returns those that it granted. The same `token` a second time launches nothing more."""
        ...

    def list_instances(self) -> list[Instance]:
        """All that it has now."""
        ...

    def terminate(self, ids: Sequence[str]) -> None:
        """Ends instances; one that has gone already is no error."""
        ...

    def price(self, instance_type: str, spot: bool = False) -> Price:
        """What one costs per hour; ProviderError where that is not known."""
        ...


@runtime_checkable
class Provider(PlainProvider, Protocol):
    """A provider that says what it can do."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; it asks nobody."""
        ...


@runtime_checkable
class WorkerProvider(Provider, Protocol):
    """A provider that a launcher can use."""

    @property
    def pool(self) -> str:
        """What its instances are marked with. Two pools that share an account have different ones."""
        ...

    def shape(self, instance_type: str) -> Resources:
        """What one instance has; ProviderError where there is no such type."""
        ...

    def launch_worker(self, order: WorkerOrder) -> Instance:
        """Launches one instance that runs the order's script, marked with the pool and the worker.

        NoInstancesError where another type may do; NoAnswerError where it is not known whether there is one now.
        """
        ...

    def workers(self) -> list[Instance]:
        """All instances marked with the pool, with why they ended and what was announced of them: those of the last minutes that have
        ended as well, if it knows of them."""
        ...
