"""The machines of a cloud pool, from the order to the end: what each is now, and why it went. No cloud, no Dask, no clock in here.

A machine is followed from both sides: the provider says whether its instance is there, the scheduler whether its worker has joined.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from drm.cloud.provider import Instance
from drm.engines.dask_launcher import News
from drm.model import WorkerType
from drm.observation import Notice

Phase = Literal["ordered", "unanswered", "booting", "joined", "ending", "gone"]
HERE: tuple[Phase, ...] = ("booting", "joined", "ending")
"""An instance is known, and not known to have ended."""

SETTLE_SECONDS = 60.0
"""A cloud may not list an instance at once that it has granted (EC2: "eventual consistency"), nor one whose launch it did not answer."""


@dataclass
class Machine:
    """One worker's machine."""

    worker_id: str
    asked: WorkerType
    worker_type: WorkerType
    """What it is, or is tried as."""
    phase: Phase = "ordered"
    since: float = math.nan
    """When it was granted, or when its launch was given up waiting for."""
    instance_id: str = ""
    fate: str = ""
    notice: str = ""
    has_joined: bool = False
    forgotten: bool = False
    """Its end was reported, or it was never heard of: it is kept until its instance has ended."""


@dataclass
class Machines:
    """Thread-safe: the launcher's loop and calls write, the thread that ticks reads. Times are epoch seconds.

    `join_seconds`: from the grant of an instance until its worker must have joined.
    """

    provider: str
    join_seconds: float
    _all: dict[str, Machine] = field(default_factory=dict)
    _notices: list[Notice] = field(default_factory=list)
    _retyped: dict[str, WorkerType] = field(default_factory=dict)
    _trouble: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # What the launcher does

    def order(self, worker_id: str, worker_type: WorkerType) -> None:
        """A machine is wanted."""
        with self._lock:
            self._all[worker_id] = Machine(worker_id, worker_type, worker_type)

    def still_wanted(self, worker_id: str) -> bool:
        """Whether nobody has given it up since it was ordered."""
        with self._lock:
            machine = self._all.get(worker_id)
            return machine is not None and machine.phase == "ordered" and not machine.fate

    def trying(self, worker_id: str, worker_type: WorkerType) -> None:
        """It is asked for as this type now."""
        with self._lock:
            self._all[worker_id].worker_type = worker_type

    def granted(self, worker_id: str, instance: Instance, now: float) -> bool:
        """There is an instance. False where it is not wanted any more: then it has to be ended."""
        with self._lock:
            machine = self._all.get(worker_id)
            if machine is None:
                return False
            machine.instance_id, machine.since = instance.id, now
            machine.phase = "ending" if machine.fate else "joined" if machine.has_joined else "booting"
            got = machine.worker_type
            if got.name != machine.asked.name and not machine.fate:
                self._retyped[worker_id] = got
                self.tell("retyped", f"{got.name} was got instead of {machine.asked.name}, which was not to be had", worker_id)
            return not machine.fate

    def refused(self, worker_id: str, reason: str) -> None:
        """There is none, and none will come."""
        with self._lock:
            machine = self._all.get(worker_id)
            if machine is not None and machine.phase in ("ordered", "unanswered"):
                machine.phase, machine.fate = "gone", machine.fate or reason
                self._drop(machine)

    def unanswered(self, worker_id: str, reason: str, now: float) -> None:
        """It is not known whether there is one."""
        with self._lock:
            machine = self._all.get(worker_id)
            if machine is not None and machine.phase == "ordered":
                machine.phase, machine.since, machine.notice = "unanswered", now, reason

    def ending(self, worker_ids: Iterable[str]) -> list[str]:
        """These have to go. Returns the ids of their instances, as far as they have one."""
        with self._lock:
            ids = []
            for worker_id in worker_ids:
                machine = self._all.get(worker_id)
                if machine is None or machine.phase == "gone":
                    continue
                machine.fate = machine.fate or "retired"
                if machine.phase in HERE:
                    machine.phase = "ending"
                    ids.append(machine.instance_id)
            return ids

    def joined(self, worker_id: str) -> None:
        """The scheduler knows the worker."""
        with self._lock:
            machine = self._all.get(worker_id)
            if machine is not None:
                # A worker that speaks for itself is there, whether or not the provider has answered.
                machine.has_joined = True
                machine.phase = "joined" if machine.phase == "booting" else machine.phase

    def forget(self, worker_id: str) -> None:
        """Its end was reported."""
        with self._lock:
            machine = self._all.get(worker_id)
            if machine is not None:
                machine.forgotten = True
                self._drop(machine)

    # What the provider shows

    def look(self, instances: Sequence[Instance], now: float) -> list[str]:
        """Takes over what there is. Returns the ids of instances that have to be ended: of workers that never joined, and of those that
        were told to go and are still there."""
        by_id = {one.id: one for one in instances}
        by_worker = {one.worker_id: one for one in instances if one.worker_id and not _has_ended(one)}
        to_end = []
        with self._lock:
            for machine in list(self._all.values()):
                if machine.phase == "unanswered":
                    self._find(machine, by_worker.get(machine.worker_id), now)
                if machine.phase in HERE:
                    found = by_id.get(machine.instance_id)
                    self._compare(machine, found, now)
                    if machine.phase == "ending" and not _has_ended(found):
                        to_end.append(machine.instance_id)
                self._drop(machine)
        return to_end

    def _find(self, machine: Machine, found: Instance | None, now: float) -> None:
        if found is not None:
            self.tell("launch_repeated", f"a launch that was not answered had been done: instance {found.id} is there", machine.worker_id)
            machine.notice = ""
            self.granted(machine.worker_id, found, now)
        elif now - machine.since > SETTLE_SECONDS and not machine.has_joined:
            self.refused(machine.worker_id, f"{machine.notice}; no instance has appeared since")

    def _compare(self, machine: Machine, found: Instance | None, now: float) -> None:
        is_unlisted = found is None and now - machine.since > SETTLE_SECONDS
        if _has_ended(found) or is_unlisted:
            if machine.phase != "ending":
                self._lost(machine, found)
            elif found is None or found.state == "terminated":
                machine.phase = "gone"
            return
        if found is not None and found.notice and not machine.notice:
            machine.notice = found.notice
            self.tell("interruption", f"{self.provider} takes instance {found.id} back: {found.notice}", machine.worker_id)
        if machine.phase == "booting" and now - machine.since > self.join_seconds:
            state = "not listed" if found is None else found.state
            machine.fate = f"its instance {machine.instance_id} was {state} and its worker had not joined after {self.join_seconds:g} s"
            machine.phase = "ending"
            self.tell("never_joined", f"{machine.fate}: it is ended", machine.worker_id)

    def _lost(self, machine: Machine, found: Instance | None) -> None:
        said = (found.reason if found else "") or machine.notice or "it is no longer listed"
        ending = f"instance {machine.instance_id} has ended, and nobody here ended it: {said}"
        machine.phase, machine.fate = "gone", f"its {ending}"
        self.tell("ended_outside", ending, machine.worker_id)

    # What others ask

    def phase(self, worker_id: str) -> Phase | None:
        """None: there is no such machine."""
        with self._lock:
            machine = self._all.get(worker_id)
            return None if machine is None else machine.phase

    def fate(self, worker_id: str) -> str | None:
        """Why it has ended or never came; None while there is nothing to say."""
        with self._lock:
            machine = self._all.get(worker_id)
            return None if machine is None else machine.fate or None

    def forgotten(self, worker_ids: Iterable[str]) -> list[str]:
        """Those of them that went by themselves, and whose instance may still run."""
        with self._lock:
            return [one for one in worker_ids if (machine := self._all.get(one)) and machine.forgotten and machine.phase in HERE]

    def labels(self, worker_id: str) -> Mapping[str, str]:
        """Type, provider, region, market and instance."""
        with self._lock:
            machine = self._all.get(worker_id)
            if machine is None:
                return {}
            one = machine.worker_type if machine.instance_id else machine.asked
            told = {"worker_type": one.name, "provider": one.provider, "region": one.region, "market": one.market}
            return {key: word for key, word in (told | {"instance": machine.instance_id}).items() if word}

    def instances(self) -> list[str]:
        """The ids of all instances that are not known to have ended."""
        with self._lock:
            return [one.instance_id for one in self._all.values() if one.phase in HERE]

    @property
    def any(self) -> bool:
        """Whether there is anything to look for."""
        with self._lock:
            return any(one.phase != "gone" for one in self._all.values())

    def tell(self, code: str, text: str, *worker_ids: str) -> None:
        """Something for the ledger; the same of several workers is told once."""
        with self._lock:
            for number, one in enumerate(self._notices):
                if (one.code, one.text) == (code, text):
                    self._notices[number] = replace(one, worker_ids=tuple(dict.fromkeys((*one.worker_ids, *worker_ids))))
                    return
            self._notices.append(Notice(code, text, worker_ids, self.provider))

    def trouble(self, code: str, text: str) -> None:
        """The provider cannot be used; told when that begins or changes."""
        with self._lock:
            if self._trouble != code:
                self._trouble = code
                self.tell(code, text)

    def answered(self, text: Callable[[str], tuple[str, str]]) -> None:
        """The provider can be used; told where it could not: (code, sentence) for the code of the trouble."""
        with self._lock:
            if self._trouble:
                self.tell(*text(self._trouble))
                self._trouble = ""

    def take_news(self) -> News:
        """What was not taken yet."""
        with self._lock:
            news = News(tuple(self._notices), self._retyped)
            self._notices, self._retyped = [], {}
            return news

    def _drop(self, machine: Machine) -> None:
        if machine.forgotten and machine.phase == "gone":
            self._all.pop(machine.worker_id, None)


def _has_ended(found: Instance | None) -> bool:
    return found is not None and found.state in ("terminated", "draining")
