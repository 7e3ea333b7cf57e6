"""Which workers a heatmap shows and in which order, by what is known of them: name, state, type, labels, provider, load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.history.grouping import Arrange, Arrangement, Order
from drm.history.lifetimes import Lifetime
from drm.model import WORKER_STATES, InstanceKind
from drm.snapshot import Snapshot

SORTS = ("type", "load", "name", "state")
GONE = "terminated"
ANY = "any"
"""What stands in a list of types, states or providers for all of them."""
_ORDERS: Mapping[str, Order] = {"type": "part", "state": "part", "load": "load", "name": "name"}


@dataclass(frozen=True, slots=True)
class Filters:
    """What workers must have to be shown; an empty text asks for nothing. Letters count as the same in both cases."""

    name: str = ""
    """A part of the id, or, with `*` for anything, the whole of it; several apart by commas, of which one must fit."""
    state: str = ""
    type: str = ""
    provider: str = ""
    label: str = ""
    """`key=value`, or `key` for any value; `*` stands for anything."""

    def __bool__(self) -> bool:
        return any((self.name, self.state, self.type, self.provider, self.label))


def worker_order(filters: Filters, sort: str, snapshot: Snapshot, lifetimes_of: Callable[[str], Sequence[Lifetime]]) -> Arrange:
    """Arranges workers by a snapshot, and those that are not in it by their last lifetime. Workers of different pools (a label) or types
    never share a row, nor those in different states where they are sorted by state."""

    def arrange(worker_ids: Sequence[str]) -> Arrangement:
        known = _Known(worker_ids, snapshot, lifetimes_of)
        part = known.parts
        if sort == "state":
            part = tuple(f"{state} {kind}".strip() for state, kind in zip(known.states, part, strict=True))
        return Arrangement(_shown(filters, worker_ids, known), part, _ORDERS[sort], is_filtered=bool(filters))

    return arrange


class _Known:
    """Of n workers."""

    def __init__(self, worker_ids: Sequence[str], snapshot: Snapshot, lifetimes_of: Callable[[str], Sequence[Lifetime]]) -> None:
        here = {worker_id: row for row, worker_id in enumerate(snapshot.worker_ids)}
        kinds, kind, states = snapshot.kinds, snapshot.kind.tolist(), snapshot.states.tolist()
        self.kinds: list[InstanceKind] = []
        self.states: list[str] = []
        self.labels = [snapshot.labels.get(worker_id, {}) for worker_id in worker_ids]
        for worker_id in worker_ids:
            row = here.get(worker_id)
            if row is not None:
                self.kinds.append(kinds[kind[row]])
                self.states.append(WORKER_STATES[states[row]])
            else:
                last = lifetimes_of(worker_id)
                self.kinds.append(last[-1].kind if last else InstanceKind())
                self.states.append(GONE)

    @property
    def parts(self) -> tuple[str, ...]:
        """Pool and type, in words."""
        words: dict[tuple[str, str], str] = {}
        found = []
        for labels, kind in zip(self.labels, self.kinds, strict=True):
            both = labels.get("pool", ""), kind.type or ""
            if both not in words:
                words[both] = " ".join(filter(None, both))
            found.append(words[both])
        return tuple(found)


def _shown(filters: Filters, worker_ids: Sequence[str], known: _Known) -> npt.NDArray[np.bool_]:
    shown = np.ones(len(worker_ids), bool)
    if filters.state:
        shown &= np.array([state == filters.state for state in known.states], bool)
    for asked, name in ((filters.type, "type"), (filters.provider, "provider")):
        if asked:
            fits = {kind: (getattr(kind, name) or "") == asked for kind in set(known.kinds)}
            shown &= np.array([fits[kind] for kind in known.kinds], bool)
    if filters.name.strip(" ,"):
        fitting = _names(filters.name)
        shown &= np.array([fitting(worker_id) for worker_id in worker_ids], bool)
    if filters.label.strip():
        labelled = _label(filters.label.strip())
        shown &= np.array([labelled(labels) for labels in known.labels], bool)
    return shown


def _names(text: str) -> Callable[[str], bool]:
    """Whether an id fits one of several texts."""
    patterns = [_fitting(one if "*" in one else f"*{one}*") for one in map(str.strip, text.split(",")) if one]
    return lambda worker_id: any(fits(worker_id.casefold()) for fits in patterns)


def _label(text: str) -> Callable[[Mapping[str, str]], bool]:
    key, _, value = text.partition("=")
    keys, values = (_fitting(one.strip() or "*") for one in (key, value))
    return lambda labels: any(keys(one.casefold()) and values(other.casefold()) for one, other in labels.items())


def _fitting(pattern: str) -> Callable[[str], bool]:
    """Whether a folded text is the pattern, in which `*` is anything. One way through the text, whatever the pattern: a regular
    expression with many stars may take for ever."""
    first, *rest = pattern.casefold().split("*")
    if not rest:
        return lambda text: text == first
    *middle, last = rest

    def fits(text: str) -> bool:
        if not text.startswith(first):
            return False
        at = len(first)
        for part in middle:
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(text) - len(last) >= at and text.endswith(last)

    return fits
