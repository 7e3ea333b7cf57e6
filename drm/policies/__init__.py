"""Scaling policies, one module each: pure functions from the conditions to a desired size, and the registry of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from drm.errors import InvalidValueError
from drm.policies.base import PolicyBase as Policy

__all__ = ["Policy", "create_policy", "parse_policy", "policy_kinds", "policy_names", "policy_text"]


@cache
def policy_kinds() -> Mapping[str, type[Policy]]:
    """The policies by name; `policy_kinds()[name].described()` tells its parameters."""
    from drm.policies.manual import ManualPolicy
    from drm.policies.predictive import PredictivePolicy
    from drm.policies.queue import QueuePolicy
    from drm.policies.target_tracking import TargetTrackingPolicy
    from drm.policies.utilization import UtilizationPolicy

    kinds: tuple[type[Policy], ...] = (QueuePolicy, UtilizationPolicy, TargetTrackingPolicy, PredictivePolicy, ManualPolicy)
    return MappingProxyType({kind.name: kind for kind in kinds})


def policy_names() -> tuple[str, ...]:
    """The names that `create_policy` takes."""
    return tuple(policy_kinds())


def create_policy(name: str, **parameters: float) -> Policy:
    """The policy of that name; parameters that are not given have their defaults. InvalidValueError for an unknown name or parameter, and
    for a value out of its range."""
    kind = policy_kinds().get(name) if isinstance(name, str) else None
    if kind is None:
        raise InvalidValueError(f"policy must be one of {', '.join(policy_names())}, got {name!r}")
    return kind.of(parameters)


def parse_policy(text: str) -> Policy:
    """Reads a policy with its parameters, as in `queue` or `queue,target_seconds=60`; errors as `create_policy`."""
    name, *assignments = (part.strip() for part in text.split(","))
    parameters: dict[str, float] = {}
    for assignment in assignments:
        key, _, value = (piece.strip() for piece in assignment.partition("="))
        try:
            parameters[key] = float(value)
        except ValueError:
            raise InvalidValueError(f"{assignment!r} is no parameter: write name=number, as in queue,target_seconds=60") from None
    return create_policy(name, **parameters)


def policy_text(policy: Policy) -> str:
    """The policy with its parameters, as `parse_policy` reads it."""
    return ",".join([policy.name, *(f"{name}={value:.12g}" for name, value in policy.parameters.items())])
