"""What a program names when it says which machines may be rented."""

from __future__ import annotations

from dataclasses import dataclass

from drm.errors import InvalidValueError
from drm.model import Price, Resources

SPOT = ":spot"
"""How the name of a type ends that is taken from the spot market."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One type that may be launched. What is None the provider is asked for."""

    name: str
    """In the provider's words, as in `m5.large`."""
    spot: bool = False
    shape: Resources | None = None
    """What a worker on it has."""
    price: Price | None = None

    @classmethod
    def parse(cls, text: str) -> InstanceType:
        """Reads `m5.large`, or `m5.large:spot`."""
        name = text.removesuffix(SPOT)
        if not name or ":" in name or name != name.strip():
            raise InvalidValueError(f"{text!r} is no instance type: write its name, as in m5.large, or m5.large{SPOT} for the spot market")
        return cls(name, text.endswith(SPOT))
