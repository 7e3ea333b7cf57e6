"""Who was there when, in which state, and why each worker went: what the ticks saw, kept for 30 days.

A worker that comes back under the id of one that has ended begins a lifetime of its own. Times are those of ticks, in epoch seconds.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import nlargest
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from drm.history.changed_rows import alike, rows_to_look_at
from drm.model import STATE_CODE, WORKER_STATES, FloatArray, InstanceKind, Resources, WorkerState
from drm.snapshot import Snapshot

SECONDS_KEPT = 30 * 86400.0
MOST_ENDED = 50_000
"""So many lifetimes that have ended are kept; the oldest go beyond that."""
MOST_STATES = 512
"""So many states of one lifetime are kept in RAM: its first, and the latest; the file has all."""
TERMINATED, LOST, RUNNING = (STATE_CODE[state] for state in ("terminated", "lost", "running"))
NO_REASON = "it went, and nobody said why"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """One worker from its first tick to its last."""

    number: int
    """Counts up from 1 and is never used twice."""
    worker_id: str
    states: tuple[tuple[float, WorkerState], ...]
    """When each state began, oldest first; the last one is `terminated` once it has ended."""
    reason: str
    """Why it ended, or is lost; empty while it lives."""
    capacity: Resources
    """What it had last."""
    kind: InstanceKind

    @property
    def began_at(self) -> float:
        """Its first tick."""
        return self.states[0][0]

    @property
    def ended_at(self) -> float:
        """The tick in which it was not there any more; NaN while it lives."""
        at, state = self.states[-1]
        return at if state == "terminated" else math.nan

    @property
    def started_at(self) -> float:
        """When it first was `running`; NaN where it never was."""
        return next((at for at, state in self.states if state == "running"), math.nan)

    def state_at(self, moment: float) -> WorkerState | None:
        """Its state at a moment; None before its first tick."""
        return next((state for at, state in reversed(self.states) if at <= moment), None)

    def changed_at(self, moment: float) -> float:
        """When its state of a moment began; -inf before its first tick."""
        last = self.states[-1][0]
        return last if last <= moment else next((at for at, _ in reversed(self.states) if at <= moment), -math.inf)

    def so_far(self, moment: float) -> Lifetime:
        """As far as it had gone at a moment that is not before its first tick."""
        if self.states[-1][0] <= moment:
            return self
        states = tuple((at, state) for at, state in self.states if at <= moment)
        return replace(self, states=states, reason=self.reason if states[-1][1] in ("terminated", "lost") else "")


@dataclass(frozen=True, slots=True)
class Newest:
    """The lifetimes of a range that changed last, no more of them than were asked for."""

    lifetimes: tuple[Lifetime, ...]
    """Those that changed last come first; each as far as it had gone at the end of the range."""
    count: int
    """How many there are in all."""
    changed: int
    """How many of these began, went into another state or ended within the range."""


@dataclass(frozen=True, slots=True, eq=False)
class Present:
    """Who was there at a moment, as columns over n workers; read-only."""

    worker_ids: tuple[str, ...]
    states: npt.NDArray[np.uint8]
    """(n,) codes of `STATE_CODE`."""
    capacity: FloatArray
    """(n, 4)"""
    started_at: FloatArray
    """(n,) when each first was `running`; NaN before."""
    kinds: tuple[InstanceKind, ...]
    kind: npt.NDArray[np.int64]
    """(n,): worker i is of `kinds[kind[i]]`."""

    @property
    def price(self) -> FloatArray:
        """(n,) per hour; NaN where it is not known."""
        hourly = np.array([kind.hourly for kind in self.kinds] or [math.nan])
        return np.asarray(hourly[self.kind], np.float64)


class Lifetimes:
    """Thread-safe: one writer observes, any number of readers ask; a short lock of its own."""

    def __init__(self, seconds_kept: float = SECONDS_KEPT) -> None:
        self._seconds_kept = seconds_kept
        self._lock = threading.Lock()
        self._living: dict[str, Lifetime] = {}
        self._ended: list[Lifetime] = []
        self._ended_of: dict[str, list[Lifetime]] = {}
        self._newest_begin = -math.inf
        self._unresolved: set[str] = set()
        """Living workers of an earlier run that nobody has seen yet in this one."""
        self._next_number = 1
        self._changes = 0
        self.begun_at = math.nan
        """From when on it knows; NaN before the first look."""
        self._seen: Snapshot | None = None

    @property
    def changes(self) -> int:
        """Counts the ticks in which something changed."""
        return self._changes

    def observe(self, snapshot: Snapshot, departures: Mapping[str, str]) -> tuple[Lifetime, ...]:
        """Takes over one tick; `departures`: why workers went, by id. Returns the lifetimes that are new or have changed."""
        seen = self._seen
        if not departures and seen is not None and alike(seen, snapshot):
            self._seen = snapshot
            return ()
        with self._lock:
            if math.isnan(self.begun_at):
                self.begun_at = snapshot.time
            changed = self._changed(snapshot, departures)
            self._seen = snapshot
            self._changes += bool(changed)
            self._forget(snapshot.time)
        return changed

    def load(self, lifetimes: Iterable[Lifetime], begun_at: float) -> None:
        """Takes over what an earlier run kept, oldest first, before the first tick of this one. Who lived then is looked for by that
        tick; see `end_unseen`."""
        with self._lock:
            for one in lifetimes:
                self._next_number = max(self._next_number, one.number + 1)
                self._newest_begin = max(self._newest_begin, one.began_at)
                if math.isnan(one.ended_at):
                    self._living[one.worker_id] = one
                    self._unresolved.add(one.worker_id)
                else:
                    self._keep_ended(one)
            self._ended.sort(key=lambda one: one.ended_at)
            self.begun_at = begun_at
            self._changes += 1

    def begin_at(self, number: int) -> None:
        """The number of the first lifetime, where those of earlier runs are not known."""
        with self._lock:
            self._next_number = max(self._next_number, number)

    def keep_seconds(self, seconds: float) -> None:
        """How long those that have ended are kept from now on."""
        self._seconds_kept = seconds

    def living(self) -> tuple[Lifetime, ...]:
        """Those that have not ended."""
        with self._lock:
            return tuple(self._living.values())

    def end_unseen(self, seen: Iterable[str], at: float, reason: str) -> tuple[Lifetime, ...]:
        """Ends those of an earlier run that are not among the workers of this one, at the last time at which they were known."""
        with self._lock:
            gone = self._unresolved - set(seen)
            self._unresolved.clear()
            ended = tuple(self._end(worker_id, at, reason) for worker_id in sorted(gone))
            self._ended.sort(key=lambda one: one.ended_at)
            self._changes += bool(ended)
            return ended

    def at(self, moment: float) -> Present:
        """Who was there at a moment, in the order in which they came."""
        with self._lock:
            first = self._first_ended_after(moment)
            there = [one for one in (*self._ended[first:], *self._living.values()) if one.began_at <= moment]
        there.sort(key=lambda one: one.number)
        kinds: dict[InstanceKind, int] = {}
        kind = np.fromiter((kinds.setdefault(one.kind, len(kinds)) for one in there), np.int64, len(there))
        present = Present(
            worker_ids=tuple(one.worker_id for one in there),
            states=np.fromiter((STATE_CODE[one.state_at(moment) or "pending"] for one in there), np.uint8, len(there)),
            capacity=np.array([one.capacity.vector() for one in there], np.float64).reshape(len(there), 4),
            started_at=np.fromiter((one.started_at if one.started_at <= moment else math.nan for one in there), np.float64, len(there)),
            kinds=tuple(kinds),
            kind=kind,
        )
        for column in (present.states, present.capacity, present.started_at, present.kind):
            column.flags.writeable = False
        return present

    def between(self, since: float, until: float) -> tuple[Lifetime, ...]:
        """The lifetimes that touch this time, in the order in which they began."""
        with self._lock:
            found = [*self._ended[self._first_ended_after(since) :], *self._living.values()]
        if until < self._newest_begin:
            found = [one for one in found if one.states[0][0] <= until]
        # Numbers count up as lifetimes begin.
        found.sort(key=attrgetter("number"))
        return tuple(found)

    def newest(self, since: float, until: float, most: int) -> Newest:
        """Of the lifetimes that touch this time those that changed last, be it that they ended; in time that does not grow with those
        that ended before."""
        with self._lock:
            first, last = self._first_ended_after(since), self._first_ended_after(until)
            ended = self._ended[max(first, last - most) : last]
            there = [*self._ended[last:], *self._living.values()]
        changes = [(one.changed_at(until), one.number, one) for one in there]
        changes = [change for change in changes if change[0] > -math.inf]
        changed = last - first + sum(at >= since for at, _, _ in changes)
        count = last - first + len(changes)
        changes += [(one.ended_at, one.number, one) for one in ended]
        return Newest(tuple(one.so_far(until) for _, _, one in nlargest(most, changes)), count, changed)

    def newest_ended(self, since: float, until: float, most: int) -> Newest:
        """Of the lifetimes that ended within this time the last ones."""
        with self._lock:
            first, last = self._first_ended_after(since), self._first_ended_after(until)
            ended = self._ended[max(first, last - most) : last]
        return Newest(tuple(reversed(ended)), last - first, last - first)

    def of(self, worker_id: str) -> tuple[Lifetime, ...]:
        """All kept lifetimes under one id, oldest first."""
        with self._lock:
            living = self._living.get(worker_id)
            return (*self._ended_of.get(worker_id, ()), *((living,) if living else ()))

    def _changed(self, snapshot: Snapshot, departures: Mapping[str, str]) -> tuple[Lifetime, ...]:
        changed: list[Lifetime] = []
        seen = self._seen
        if seen is None or seen.worker_ids is not snapshot.worker_ids:
            here = set(snapshot.worker_ids)
            gone = [worker_id for worker_id in self._living if worker_id not in here and worker_id not in self._unresolved]
            changed += [self._end(worker_id, snapshot.time, departures.get(worker_id, "")) for worker_id in gone]
        for row in rows_to_look_at(seen, snapshot):
            worker_id = snapshot.worker_ids[row]
            one = self._looked_at(self._living.get(worker_id), snapshot, row, departures)
            if one is not None:
                self._living[worker_id] = one
                changed.append(one)
            self._unresolved.discard(worker_id)
        return tuple(changed)

    def _looked_at(self, one: Lifetime | None, snapshot: Snapshot, row: int, departures: Mapping[str, str]) -> Lifetime | None:
        """The lifetime with what this row says; None where that is nothing new."""
        worker_id, state = snapshot.worker_ids[row], WORKER_STATES[int(snapshot.states[row])]
        capacity, kind = Resources.of(snapshot.capacity[row]), snapshot.kinds[int(snapshot.kind[row])]
        reason = "" if state != "lost" else departures.get(worker_id, "") or (one.reason if one else "") or "it was not heard of any more"
        if one is None:
            number, self._next_number = self._next_number, self._next_number + 1
            self._newest_begin = max(self._newest_begin, snapshot.time)
            return Lifetime(number, worker_id, ((snapshot.time, state),), reason, capacity, kind)
        states = one.states if one.states[-1][1] == state else (*one.states, (snapshot.time, state))
        if len(states) > MOST_STATES:
            states = (states[0], *states[len(states) - MOST_STATES + 1 :])
        new = replace(one, states=states, reason=reason, capacity=capacity, kind=kind)
        return None if new == one else new

    def _end(self, worker_id: str, at: float, reason: str) -> Lifetime:
        one = self._living.pop(worker_id)
        at = max(at, one.states[-1][0])
        ended = replace(one, states=(*one.states, (at, "terminated")), reason=reason or one.reason or NO_REASON)
        self._keep_ended(ended)
        return ended

    def _keep_ended(self, one: Lifetime) -> None:
        self._ended.append(one)
        self._ended_of.setdefault(one.worker_id, []).append(one)

    def _first_ended_after(self, moment: float) -> int:
        """Where those that ended after a moment begin."""
        low, high = 0, len(self._ended)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._ended[middle].ended_at <= moment else (low, middle)
        return low

    def _forget(self, now: float) -> None:
        gone = max(self._first_ended_after(now - self._seconds_kept), len(self._ended) - MOST_ENDED)
        for one in self._ended[: max(0, gone)]:
            others = [other for other in self._ended_of.pop(one.worker_id) if other is not one]
            if others:
                self._ended_of[one.worker_id] = others
        del self._ended[: max(0, gone)]
