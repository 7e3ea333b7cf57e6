"""What had been charged by a moment: what an archive kept by its last look, and what the lifetimes say of the time since."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from drm.cloud.accrual import CHARGED, STATES, Spend
from drm.history.lifetimes import Lifetime, Lifetimes, Present
from drm.model import WORKER_STATES

if TYPE_CHECKING:
    from drm.history.gaps import Gap


def spend_until(moment: float, kept: Spend | None, there: Present, lifetimes: Lifetimes, gaps: Sequence[Gap]) -> Spend:
    """Who was there, with what that had cost; `kept` None: which is not known."""
    if kept is None:
        return Spend(moment, math.nan, there.kinds, _counts(there, len(there.kinds)), np.full(len(there.kinds), math.nan), 0.0)
    seconds = dict.fromkeys(there.kinds, 0.0) | dict(zip(kept.kinds, kept.seconds.tolist(), strict=True))
    for since, until in _recorded(kept.time, moment, gaps):
        for one in lifetimes.between(since, until):
            seconds[one.kind] = seconds.get(one.kind, 0.0) + _charged_seconds(one, since, until)
    # Those of the workers that are there stand first, as their numbers say.
    return Spend(moment, kept.since, tuple(seconds), _counts(there, len(seconds)), np.array(list(seconds.values())), kept.uncounted_seconds)


def _counts(there: Present, kinds: int) -> npt.NDArray[np.int64]:
    return np.bincount(there.kind * STATES + there.states, minlength=kinds * STATES).reshape(kinds, STATES)


def _recorded(since: float, until: float, gaps: Sequence[Gap]) -> list[tuple[float, float]]:
    """The parts of a time in which ticks were recorded."""
    edges = [since]
    for gap in gaps:
        if gap.until > since and gap.since < until:
            edges += [max(gap.since, since), min(gap.until, until)]
    return list(zip(edges[::2], [*edges[1::2], until], strict=True))


def _charged_seconds(one: Lifetime, since: float, until: float) -> float:
    """For how long a worker cost something between two moments."""
    ends = [at for at, _ in one.states[1:]] + [math.inf]
    return sum(
        max(0.0, min(end, until) - max(at, since))
        for (at, state), end in zip(one.states, ends, strict=True)
        if CHARGED[WORKER_STATES.index(state)]
    )
