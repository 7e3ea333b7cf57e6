"""Which workers there are, from what was launched and what the scheduler shows: ids, states and measurements as columns. No Dask in here.

An id is a worker's name, and is never used twice: a name that registers again after its worker went becomes `name#2`, and one that
we launched does not come back at all.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from drm.engines.dask_launcher import Launcher
from drm.engines.remote import SURVEYED
from drm.model import STATE_CODE, FloatArray, Resources

Survey = tuple[list[str], list[str], list[str], list[str], "array[float]"]

COLUMN = {name: index for index, name in enumerate(SURVEYED)}
PENDING, BOOTING, RUNNING = (STATE_CODE[state] for state in ("pending", "booting", "running"))


@dataclass
class Member:
    """One worker, from its launch or its first sight to its end."""

    id: str
    capacity: FloatArray | None
    """(4,): the shape it was launched with; None: what it registers with."""
    slots: int | None
    server_id: str = ""
    address: str = ""
    first_measured_at: float = np.nan
    retiring: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    ordered: Mapping[str, str] = field(default_factory=dict)
    """What was said of it at its launch, before its launcher or itself says more."""


class Roster:
    """Not thread-safe: the thread that observes owns it."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._members: dict[str, Member] = {}
        self._by_server: dict[str, Member | None] = {}
        """None: a registration that is not counted."""
        self._times_seen: Counter[str] = Counter()
        self._banned: set[str] = set()
        self._surveyed: list[str] | None = None
        self.ids: tuple[str, ...] = ()
        self.labels: Mapping[str, Mapping[str, str]] = {}
        self._numbers: FloatArray = np.empty((0, len(SURVEYED)))

    def __contains__(self, worker_id: str) -> bool:
        return worker_id in self._members

    def member(self, worker_id: str) -> Member | None:
        """A worker that is listed, or None."""
        return self._members.get(worker_id)

    def launched(
        self, names: Sequence[str], shape: Resources | None, slots: int | None, labels: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """These were asked for; they are listed from now on, with these labels."""
        for name in names:
            self._members[name] = Member(name, None if shape is None else shape.vector(), slots, ordered=labels)
            self._banned.add(name)
        self._list()

    def retiring(self, worker_ids: Sequence[str]) -> None:
        """These were told to go: their end is expected."""
        for worker_id in worker_ids:
            self._members[worker_id].retiring = True

    def reshape(self, worker_id: str, shape: Resources, slots: int | None) -> None:
        """This one became of another shape than it was launched with; nothing where it has gone."""
        member = self._members.get(worker_id)
        if member is not None:
            member.capacity, member.slots = shape.vector(), slots
            self._list()

    def update(self, survey: Survey) -> dict[str, str]:
        """Takes over what the scheduler shows; returns why workers went, by id."""
        server_ids, names, addresses, hosts, numbers = survey
        self._numbers = np.array(numbers).reshape(-1, len(SURVEYED))
        changed = server_ids != self._surveyed
        if changed:
            present = set(server_ids)
            self._by_server = {server_id: member for server_id, member in self._by_server.items() if server_id in present}
            self._surveyed = server_ids
        departures = {member.id: reason for member in self._members.values() if (reason := self._why_gone(member)) is not None}
        for worker_id in departures:
            self._remove(worker_id)
        if changed:
            for row, server_id in enumerate(server_ids):
                if server_id not in self._by_server:
                    self._register(server_id, names[row], addresses[row], hosts[row], self._numbers[row])
        if changed or departures:
            self._list()
        return departures

    def columns(self) -> dict[str, Any]:
        """`states`, `capacity`, `used`, `occupied`, `slots`, `foreign_tasks`, as in an Observation, for `ids`; and `silence`, (n,): seconds
        since each was last heard of, 0 before it could be."""
        n = len(self.ids)
        index = {worker_id: row for row, worker_id in enumerate(self.ids)}
        surveyed = [self._by_server.get(server_id) for server_id in self._surveyed or ()]
        source = np.array([row for row, member in enumerate(surveyed) if member is not None], dtype=np.intp)
        target = np.array([index[member.id] for member in surveyed if member is not None], dtype=np.intp)
        seen = np.full((n, len(SURVEYED)), np.nan)
        seen[target] = self._numbers[source]
        states = np.array([PENDING if self._launcher.phase(worker_id) == "pending" else BOOTING for worker_id in self.ids], dtype=np.uint8)
        states[target] = RUNNING
        members = list(self._members.values())
        registered = ["nthreads", "memory_limit"]
        capacity = np.zeros((n, 4))
        capacity[:, :2] = np.nan_to_num(seen[:, [COLUMN[name] for name in registered]])
        gpu_memory = seen[:, COLUMN["gpu_memory_limit"]]
        capacity[:, 2], capacity[:, 3] = ~np.isnan(gpu_memory), np.nan_to_num(gpu_memory)
        for row, member in enumerate(members):
            if member.capacity is not None:
                capacity[row] = member.capacity
        first = np.array([member.first_measured_at for member in members]).reshape(n)
        # The first value that a worker sends is psutil's 0.0, which measures nothing; and one that has fallen silent is not measured.
        fresh = (seen[:, COLUMN["measured_at"]] > first) & (seen[:, COLUMN["silence_seconds"]] < _stale_seconds(n))
        used = np.where(fresh[:, None], seen[:, [COLUMN[name] for name in ("cpu", "memory", "gpu", "gpu_memory")]], np.nan)
        # A device's load says nothing about one of several workers that share it.
        used[capacity[:, 2] < 1, 2:] = np.nan
        foreign = np.nan_to_num(seen[:, COLUMN["foreign"]])
        occupied = np.zeros((n, 4))
        occupied[:, 0] = np.minimum(foreign, capacity[:, 0])
        accepts = seen[:, COLUMN["accepts"]] == 1
        slots = np.where(accepts, np.maximum(0, np.nan_to_num(seen[:, COLUMN["nthreads"]]) - foreign), 0)
        for row, member in enumerate(members):
            if states[row] != RUNNING and member.slots is not None:
                slots[row] = member.slots
        return {
            "states": states,
            "capacity": capacity,
            "used": used,
            "occupied": occupied,
            "slots": slots.astype(np.int64),
            "foreign_tasks": int(foreign.sum()),
            "silence": np.maximum(0.0, np.nan_to_num(seen[:, COLUMN["silence_seconds"]])),
        }

    def _register(self, server_id: str, name: str, address: str, host: str, numbers: FloatArray) -> None:
        member = self._members.get(name)
        if name in self._banned and (member is None or member.server_id):
            self._by_server[server_id] = None
            return
        if member is None or member.server_id:
            self._times_seen[name] += 1
            times = self._times_seen[name]
            member = Member(name if times == 1 else f"{name}#{times}", None, None)
            self._members[member.id] = member
        member.server_id, member.address = server_id, address
        member.first_measured_at = float(numbers[COLUMN["measured_at"]])
        member.labels = {"host": host, "pid": str(int(numbers[COLUMN["pid"]])), "address": address}
        self._by_server[server_id] = member
        if self._launcher.owns(member.id):
            self._launcher.registered(member.id, address)

    def _remove(self, worker_id: str) -> None:
        member = self._members.pop(worker_id)
        if member.server_id in self._by_server:
            self._by_server[member.server_id] = None
        if self._launcher.owns(worker_id):
            # Whoever watches over it may revive it under the same name before it is told to stop.
            self._banned.add(worker_id)
        self._launcher.forget(worker_id)

    def _why_gone(self, member: Member) -> str | None:
        fate = self._launcher.fate(member.id)
        here = not member.server_id or member.server_id in self._by_server
        if fate is None and here:
            return None
        return "retired" if member.retiring else fate or "it left the scheduler: its process ended, or the connection broke"

    def _list(self) -> None:
        ids = tuple(self._members)
        self.ids = self.ids if ids == self.ids else ids
        self.labels = {
            member.id: {**member.ordered, **self._launcher.labels(member.id), **member.labels} for member in self._members.values()
        }


def _stale_seconds(workers: int) -> float:
    """After this silence a worker's last measurement is out of date. Dask's workers report every 0.5 s, or 200 times a second in all."""
    return 5.0 + 3 * (workers / 200 + 1)
