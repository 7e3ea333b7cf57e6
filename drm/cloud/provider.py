"""What the manager asks of a cloud: one small Protocol, and the instances that it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from drm.model import Price, WorkerState


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


@runtime_checkable
class Provider(Protocol):
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
