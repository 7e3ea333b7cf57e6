"""What a decision cost or saved, against not having taken it, every other one being as it was.

Growing costs what its workers were paid for until they were gone; shrinking saves what its workers would have been paid for until the pool
grew again. Both are looked at for a day at most. What waited for it, or did not have to, is an estimate from the recorded series of the
resource that was in shortest supply: with x(t) the capacity of the decision's workers, a(t) what was allocated in the pool, c(t) its
capacity, q(t) its waiting tasks, and w the work of one task (its share of what was allocated, times the mean run time):

    grown:  e = max(0, a - (c - x)) ran on them and nowhere else; without them W' = e - max(0, c - x - a), W >= 0, would have piled up;
            waiting avoided = integral of W / w
    shrunk: V' = x as long as V < q * w, V <= q * w, is the waiting work that they would have done; waiting caused = integral of V / w
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from drm.cloud.accrual import CHARGED, HOUR_SECONDS
from drm.cloud.billing import Billing
from drm.decision import ScalingDecision
from drm.history.lifetimes import Lifetime
from drm.history.window import SeriesWindow
from drm.ledger_query import Query
from drm.model import IS_ACTIVE, RESOURCES, STATE_CODE, FloatArray
from drm.view import View

MOST_SECONDS = 86_400.0
COLUMNS = 720
LOOKED_AT = 50
"""So many scale-ups after a scale-down are looked at for one that brought a worker."""
End = Literal["open", "gone", "grew", "bound"]
"""Still running; its workers are gone; the pool grew again; a day has passed."""
NO_BILLING: Mapping[str, Billing] = MappingProxyType({})
Intervals = list[tuple[int, float, float]]
"""(which worker, from when, until when), in epoch seconds."""


@dataclass(frozen=True, slots=True)
class DecisionCost:
    """The account of one decision. Times are epoch seconds; NaN is not known."""

    action: Literal["scale_up", "scale_down"]
    since: float
    until: float
    """As far as it is accounted for."""
    end: End
    next_id: int | None
    """The decision by which the pool grew again."""
    workers: tuple[tuple[str, float, float], ...]
    """(id, seconds, price per hour or NaN) of those that were paid for, or would have been; the longest first."""
    worker_seconds: float
    """Paid for its workers, or no longer paid for."""
    money: float
    """The same at their prices."""
    currency: str
    resource: str
    """The one that was in shortest supply; empty where nothing was recorded."""
    held: float
    """What its workers had of it (or would have had), in units of the resource times seconds."""
    needed: float
    """Of that what ran on them and could have run nowhere else (or would have run on them)."""
    waiting_task_seconds: float
    """That tasks did not have to wait (or did)."""

    @property
    def idle_share(self) -> float:
        """The part (0 to 1) of what its workers had that nothing needed; NaN where that is not known."""
        return 1.0 - self.needed / self.held if self.held > 0 else math.nan


@dataclass(frozen=True, slots=True)
class _Use:
    """The last four of a DecisionCost."""

    resource: str
    held: float
    needed: float
    waiting_task_seconds: float


def decision_cost(view: View, decision: ScalingDecision) -> DecisionCost | None:
    """The account as of the view's end; None of a decision that changed nothing."""
    asked_at = decision.requested_at
    if decision.action == "maintain" or asked_at is None or not decision.worker_ids or decision.outcome == "failed":
        return None
    grows = decision.action == "scale_up"
    lifetimes = [_its_lifetime(view.lifetimes_of(worker_id), asked_at, grows=grows) for worker_id in decision.worker_ids]
    known = [one for one in lifetimes if one is not None]
    next_up = None if grows else _next_up(view, decision)
    until, end = _ended(known, decision, next_up, view.end())
    window = view.fleet(max(until - asked_at, 1.0), COLUMNS, until=until)
    return account(decision, known, window, until, end, next_up, billing=view.billing, is_whole=len(known) == len(lifetimes))


def account(
    decision: ScalingDecision,
    lifetimes: Sequence[Lifetime],
    window: SeriesWindow,
    until: float,
    end: End,
    next_up: ScalingDecision | None = None,
    *,
    billing: Mapping[str, Billing] = NO_BILLING,
    is_whole: bool = True,
) -> DecisionCost:
    """`lifetimes`: of its workers; `window`: the pool's series up to `until`; `billing`: by name of provider. Where it is not whole, since
    workers are not known any more, neither is the money."""
    since = decision.timestamp if decision.requested_at is None else decision.requested_at
    grows = decision.action == "scale_up"
    paid = _in_states(lifetimes, CHARGED) if grows else [(row, one.ended_at, until) for row, one in enumerate(lifetimes)]
    had = _in_states(lifetimes, IS_ACTIVE) if grows else paid
    seconds = np.zeros(len(lifetimes))
    for row, begin, stop in paid:
        # A lifetime that goes on has no end: whoever has not gone saves nothing.
        if not math.isnan(begin):
            seconds[row] += max(0.0, min(stop, until) - begin)
    for row, one in enumerate(lifetimes):
        bill = billing.get(one.kind.provider or "")
        if grows and bill is not None and one.ended_at <= until:
            seconds[row] += bill.beyond(float(seconds[row]))
    hourly = np.array([one.kind.hourly for one in lifetimes])
    theirs = [(one.worker_id, its, rate) for one, its, rate in zip(lifetimes, seconds.tolist(), hourly.tolist(), strict=True) if its > 0]
    currencies = {one.kind.price.currency for one in lifetimes if one.kind.price}
    is_known = is_whole and len(currencies) < 2
    use = _use(lifetimes, had, window, since, until, grows=grows)
    return DecisionCost(
        action="scale_up" if grows else "scale_down",
        since=since,
        until=until,
        end=end,
        next_id=next_up.id if next_up is not None and end == "grew" else None,
        workers=tuple(sorted(theirs, key=lambda one: -one[1])),
        worker_seconds=math.fsum(seconds.tolist()) if is_whole else math.nan,
        money=math.fsum((seconds[seconds > 0] / HOUR_SECONDS * hourly[seconds > 0]).tolist()) if is_known else math.nan,
        currency=next(iter(currencies), "") if len(currencies) == 1 else "",
        resource=use.resource,
        held=use.held,
        needed=use.needed,
        waiting_task_seconds=use.waiting_task_seconds,
    )


def _its_lifetime(found: Sequence[Lifetime], asked_at: float, *, grows: bool) -> Lifetime | None:
    """The one that a launch began, or that a retirement ended."""
    if grows:
        return next((one for one in found if one.began_at >= asked_at), None)
    return next((one for one in reversed(found) if one.began_at <= asked_at and not one.ended_at < asked_at), None)


def _next_up(view: View, decision: ScalingDecision) -> ScalingDecision | None:
    later = view.ledger.query(
        Query(since=math.nextafter(decision.timestamp, math.inf), action="scale_up", descending=False, limit=LOOKED_AT)
    )
    return next((one for one in later if one.outcome != "failed" and one.id > decision.id), None)


def _ended(lifetimes: Sequence[Lifetime], decision: ScalingDecision, next_up: ScalingDecision | None, now: float) -> tuple[float, End]:
    """(until when it is accounted for, why then)."""
    since = decision.timestamp if decision.requested_at is None else decision.requested_at
    bound = since + MOST_SECONDS
    if decision.action == "scale_down":
        at, end = (math.inf, "open") if next_up is None else (next_up.timestamp, "grew")
    else:
        settled = decision.outcome != "pending" and lifetimes and not any(math.isnan(one.ended_at) for one in lifetimes)
        at, end = (max(one.ended_at for one in lifetimes), "gone") if settled else (math.inf, "open")
    if min(at, bound) > now:
        return now, "open"
    return (at, end) if at <= bound else (bound, "bound")  # type: ignore[return-value]


def _in_states(lifetimes: Sequence[Lifetime], counted: npt.NDArray[np.bool_]) -> Intervals:
    """When each was in a state that counts."""
    return [
        (row, begin, stop)
        for row, one in enumerate(lifetimes)
        for (begin, state), stop in zip(one.states, [*(at for at, _ in one.states[1:]), math.inf], strict=True)
        if counted[STATE_CODE[state]]
    ]


def _use(lifetimes: Sequence[Lifetime], had: Intervals, window: SeriesWindow, since: float, until: float, *, grows: bool) -> _Use:
    """What the workers had, and what needed it, of the resource that was in shortest supply among those that they have."""
    seconds = np.clip(np.minimum(window.times + window.step_seconds, until) - np.maximum(window.times, since), 0.0, None)
    has = np.array([one.capacity.vector() for one in lifetimes]).reshape(-1, len(RESOURCES))
    names = [name for index, name in enumerate(RESOURCES) if has[:, index].any()]
    tightest = max(names, key=lambda name: _mean_share(window, name, seconds), default="")
    capacity, allocated = (_series(window, f"{measure}_{tightest}") for measure in ("capacity", "allocated"))
    known = (seconds > 0) & np.isfinite(capacity) & np.isfinite(allocated)
    if not known.any():
        return _Use("", math.nan, math.nan, math.nan)
    queued, running, run_seconds = (_series(window, name)[known] for name in ("tasks_queued", "tasks_running", "run_seconds"))
    # What they had is a mean over the part of a column that counts.
    theirs = _capacity_over(had, has[:, RESOURCES.index(tightest)], window, since, until)[known]
    seconds, allocated, capacity = seconds[known], allocated[known], capacity[known]
    work = _work_of_a_task(allocated, running, run_seconds)
    held = float(theirs @ seconds)
    if grows:
        rest = np.maximum(0.0, capacity - theirs)
        ran = np.minimum(theirs, np.maximum(0.0, allocated - rest)) * seconds
        left = _piled_up(ran, np.maximum(0.0, rest - allocated) * seconds)
    elif not np.nansum(queued):
        ran = left = np.zeros(len(seconds))
    else:
        ran, left = _done_for(theirs * seconds, np.nan_to_num(queued) * work)
    waited = float(left @ seconds)
    return _Use(tightest, held, float(ran.sum()), waited / work if waited else 0.0)


def _capacity_over(had: Intervals, capacity: FloatArray, window: SeriesWindow, since: float, until: float) -> FloatArray:
    """(c,) what the workers had on average in the part of each column that counts."""
    begins, stops = np.maximum(window.times, since), np.minimum(window.times + window.step_seconds, until)
    total = np.zeros(len(window.times))
    for row, begin, stop in had:
        if not math.isnan(begin):
            total += capacity[row] * np.clip(np.minimum(stops, stop) - np.maximum(begins, begin), 0.0, None)
    means: FloatArray = np.divide(total, stops - begins, out=np.zeros_like(total), where=stops > begins)
    return means


def _mean_share(window: SeriesWindow, name: str, seconds: FloatArray) -> float:
    """How much of the capacity was asked for on average; below all others where that is not known."""
    demand, capacity = (_series(window, f"{measure}_{name}") for measure in ("demand", "capacity"))
    known = (seconds > 0) & np.isfinite(demand) & (capacity > 0)
    return float(np.average(demand[known] / capacity[known], weights=seconds[known])) if known.any() else -1.0


def _series(window: SeriesWindow, name: str) -> FloatArray:
    return window.mean.get(name, np.full(len(window.times), math.nan))


def _work_of_a_task(allocated: FloatArray, running: FloatArray, run_seconds: FloatArray) -> float:
    """Units of the resource times seconds; NaN where no task ran that took any of it, or none has ended after any time."""
    ran, timed = running > 0, np.isfinite(run_seconds)
    if not ran.any() or not timed.any():
        return math.nan
    work = float(allocated[ran].sum() / running[ran].sum() * run_seconds[timed].mean())
    return work if work > 0 else math.nan


def _piled_up(more: FloatArray, less: FloatArray) -> FloatArray:
    """A sum that grows and shrinks, and is never less than nothing."""
    change = np.cumsum(more - less)
    return np.asarray(change - np.minimum(0.0, np.minimum.accumulate(change)), np.float64)


def _done_for(could: FloatArray, waiting: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of the waiting work what would have been done in each column, and what of that still waited at its end. NaN: not known."""
    done, ran, left = 0.0, np.zeros(len(could)), np.zeros(len(could))
    for place, (more, most) in enumerate(zip(could.tolist(), waiting.tolist(), strict=True)):
        # What others have done since is no longer waiting.
        before = min(done, most)
        done = min(most, before + more)
        ran[place], left[place] = done - before, done
    return ran, left
