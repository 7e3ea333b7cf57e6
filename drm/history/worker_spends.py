"""What each worker was paid for, in blocks of a minute, of ten minutes and of an hour, in RAM; hours of before are in the archive.

A block holds what was added from the first tick of its minute (ten minutes, hour) until that of the next one, so blocks of one level that
follow each other leave nothing out. Finer ones go in whole groups of a coarser one: what is not told by the fine is told by the coarse.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.cloud.accrual import STATES, Spend
from drm.cloud.split import ENDED, PARTS
from drm.history.levels import STEPS_SECONDS, bucket_of
from drm.model import FloatArray, InstanceKind

STEPS = STEPS_SECONDS[1:]
KEPT_SECONDS = (1_200.0, 3_600.0, 86_400.0)
"""So long at least blocks of each step are kept in RAM, and at most one coarser step longer."""
PURPOSES = len(PARTS) + len(ENDED)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some workers' part of a block."""

    worker_ids: tuple[str, ...]
    numbers: npt.NDArray[np.int64]
    """(n,): one that comes back under its id has another number."""
    kinds: tuple[InstanceKind, ...]
    kind: npt.NDArray[np.int64]
    """(n,): of `kinds`"""
    purposes: npt.NDArray[np.intp]
    """(p,): of `PARTS` and then `ENDED`, those for which anything was added."""
    seconds: npt.NDArray[np.float32]
    """(p, n): worker-seconds"""

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        numbers: npt.NDArray[np.int64],
        kinds: tuple[InstanceKind, ...],
        kind: npt.NDArray[np.int64],
        seconds: npt.NDArray[np.floating[Any]],
    ) -> Piece:
        """Only those for whom anything was added. seconds: (18, n)"""
        rows, purposes = np.flatnonzero(seconds.any(axis=0)), np.flatnonzero(seconds.any(axis=1))
        chosen = tuple(ids) if len(rows) == len(ids) else tuple(ids[row] for row in rows.tolist())
        return cls(chosen, numbers[rows], kinds, kind[rows], purposes, seconds[np.ix_(purposes, rows)].astype(np.float32))

    @property
    def every(self) -> FloatArray:
        """(18, n): for every purpose."""
        whole = np.zeros((PURPOSES, len(self.worker_ids)))
        whole[self.purposes] = self.seconds
        return whole


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What was added from one tick to another, in epoch seconds; `level` of `STEPS`."""

    level: int
    start: float
    end: float
    pieces: tuple[Piece, ...]

    def of_worker(self, worker_id: str) -> dict[InstanceKind, FloatArray]:
        """(18,) by kind of instance."""
        found: dict[InstanceKind, FloatArray] = {}
        for piece in self.pieces:
            for row in _places(piece.worker_ids, worker_id):
                kind = piece.kinds[piece.kind[row]]
                found.setdefault(kind, np.zeros(PURPOSES))[piece.purposes] += piece.seconds[:, row]
        return found

    @property
    def rows(self) -> int:
        """How many workers' sums it holds."""
        return sum(len(piece.worker_ids) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class WorkerSpend:
    """What one worker was paid for between two moments."""

    since: float
    until: float
    by_kind: dict[InstanceKind, FloatArray]
    """(18,) each"""

    def __add__(self, later: WorkerSpend) -> WorkerSpend:
        sums = dict(self.by_kind)
        for kind, seconds in later.by_kind.items():
            sums[kind] = sums[kind] + seconds if kind in sums else seconds
        return WorkerSpend(self.since, later.until, sums)

    def spend(self) -> Spend:
        """As the spend of a pool that had this worker only, and began at `since`."""
        sums = np.array(list(self.by_kind.values())).reshape(-1, PURPOSES)
        parts, ended = sums[:, : len(PARTS)], sums[:, len(PARTS) :]
        counts = np.zeros((len(sums), STATES), np.int64)
        return Spend(self.until, self.since, tuple(self.by_kind), counts, parts.sum(axis=1), 0.0, parts, ended)


class WorkerSpends:
    """`add`, `settle`, `members` and `tick` are for the one thread of the tick, readers may be of any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: tuple[deque[Block], ...] = tuple(deque() for _ in STEPS)
        self._sums: FloatArray = np.zeros((PURPOSES, 0))
        """(18, n): of the open minute"""
        self._ids: tuple[str, ...] = ()
        self._numbers: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._last_number = 0
        self._kinds: tuple[InstanceKind, ...] = ()
        self._kind: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._rows: npt.NDArray[np.intp] = np.empty(0, np.intp)
        self._gone: list[Piece] = []
        self._open_since = math.nan
        self._closed: list[Block] = []
        """What nobody has taken yet to be written."""
        self._is_kept = False

    # The tick

    def add(self, seconds: float, columns: Sequence[tuple[int, FloatArray]], free: FloatArray, cause: npt.NDArray[np.intp]) -> None:
        """`seconds` of time: columns (n,) are the parts of a worker-second by index of `PARTS`, free (n,) is of the part `cause`."""
        if not seconds > 0:
            return
        for part, column in columns:
            if column.any():
                self._sums[part] += seconds * column
        # On the flat array, which is more than twice as fast.
        self._sums.reshape(-1)[cause * len(free) + self._rows] += seconds * free

    def settle(self, row: int, purpose: int, seconds: float) -> None:
        """Worker-seconds of one worker for one purpose, by index of `PARTS` and then `ENDED`."""
        self._sums[purpose, row] += seconds

    def tick(self, now: float) -> None:
        """After all that was added up to a time: closes the blocks whose time is over."""
        if math.isnan(self._open_since):
            self._open_since = now
            return
        if bucket_of(now, STEPS[0]) <= bucket_of(self._open_since, STEPS[0]):
            return
        whole = Piece.of(self._ids, self._numbers, self._kinds, self._kind, self._sums)
        pieces = tuple(one for one in (*self._gone, whole) if one.worker_ids)
        self._keep(Block(0, self._open_since, now, pieces))
        for level in range(1, len(STEPS)):
            if bucket_of(now, STEPS[level]) <= bucket_of(self._open_since, STEPS[level]):
                break
            self._keep(self._merged(level, now))
        with self._lock:
            self._trim(now)
        self._sums, self._gone, self._open_since = np.zeros_like(self._sums), [], now

    def members(
        self, worker_ids: tuple[str, ...], was: npt.NDArray[np.intp], kinds: tuple[InstanceKind, ...], kind: npt.NDArray[np.int64]
    ) -> None:
        """Takes over who is here; `was` (n,): the row in which each stood before, -1 of those who are new."""
        gone = np.ones(len(self._ids), bool)
        gone[was[was >= 0]] = False
        if len(self._kind):
            # Of one that has become another kind what was added stays with the kind that it was.
            gone[was[(was >= 0) & (kind != self._kind[np.maximum(was, 0)])]] = True
        if gone.any():
            rows = np.flatnonzero(gone)
            ids = tuple(self._ids[row] for row in rows.tolist())
            self._gone.append(Piece.of(ids, self._numbers[rows], self._kinds, self._kind[rows], self._sums[:, rows]))
            self._sums[:, rows] = 0.0
        stayed = was >= 0
        sums, numbers = np.zeros((PURPOSES, len(worker_ids))), np.empty(len(worker_ids), np.int64)
        sums[:, stayed], numbers[stayed] = self._sums[:, was[stayed]], self._numbers[was[stayed]]
        came = int((~stayed).sum())
        numbers[~stayed] = self._last_number + 1 + np.arange(came)
        self._last_number += came
        self._sums, self._numbers, self._ids, self._kinds, self._kind = sums, numbers, worker_ids, kinds, kind
        self._rows = np.arange(len(worker_ids))

    # What survives

    def keep_closed(self) -> None:
        """From now on somebody takes what is closed."""
        self._is_kept = True

    def take_closed(self) -> tuple[Block, ...]:
        """The blocks that have closed since the last time."""
        taken, self._closed = tuple(self._closed), []
        return taken

    def load(self, blocks: Iterable[Block]) -> None:
        """Takes over those of an earlier run, before the first tick; oldest first."""
        with self._lock:
            for block in blocks:
                self._blocks[block.level].append(block)

    # Readers

    def of_worker(self, worker_id: str, since: float, until: float) -> WorkerSpend | None:
        """What a worker was paid for from the last block's begin that is not after `since`, as far as blocks are kept, to the last block's
        end that is not after `until`; None where there is no such block."""
        chosen = self._chosen(since, until)
        if not chosen:
            return None
        sums: dict[InstanceKind, FloatArray] = {}
        for block in chosen:
            for kind, seconds in block.of_worker(worker_id).items():
                sums[kind] = sums[kind] + seconds if kind in sums else seconds
        return WorkerSpend(min(one.start for one in chosen), max(one.end for one in chosen), sums)

    def of_all(self, since: float, until: float) -> Block | None:
        """The same of all workers: a column for each worker and each kind of instance that it was of."""
        chosen = self._chosen(since, until)
        if not chosen:
            return None
        start, end = min(one.start for one in chosen), max(one.end for one in chosen)
        return Block(len(STEPS) - 1, start, end, merged([piece for one in chosen for piece in one.pieces]))

    def _chosen(self, since: float, until: float) -> list[Block]:
        with self._lock:
            levels = [list(blocks) for blocks in self._blocks]
        chosen: list[Block] = []
        before = until
        for blocks in levels:
            for block in reversed(blocks):
                if before > since and block.end <= before and block.end > since:
                    chosen.append(block)
                    before = block.start
        return chosen

    def _merged(self, level: int, now: float) -> Block:
        """The blocks of the level below that lie within the open one of this level."""
        bucket = bucket_of(self._open_since, STEPS[level])
        inside = [one for one in self._blocks[level - 1] if bucket_of(one.start, STEPS[level]) == bucket]
        pieces = [piece for one in inside for piece in one.pieces]
        return Block(level, inside[0].start, now, merged(pieces))

    def _keep(self, block: Block) -> None:
        with self._lock:
            self._blocks[block.level].append(block)
        if self._is_kept:
            self._closed.append(block)

    def _trim(self, now: float) -> None:
        """After the coarser ones are made: what is older goes, in whole blocks of the next level."""
        for blocks, kept, coarser in zip(self._blocks, KEPT_SECONDS, (*STEPS[1:], STEPS[-1]), strict=True):
            oldest = bucket_of(now - kept, coarser) * coarser
            # One that is longer than all that is kept stands on the coarsest level alone.
            while len(blocks) > (blocks is self._blocks[-1]) and blocks[0].start < oldest:
                blocks.popleft()


def _places(ids: tuple[str, ...], one: str) -> Iterator[int]:
    """Where it stands; found by the tuple itself, several times as fast as by a loop."""
    at = -1
    while True:
        try:
            at = ids.index(one, at + 1)
        except ValueError:
            return
        yield at


def merged(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """One piece in which each worker has one column for each kind that it was of."""
    if not pieces:
        return ()
    kinds: dict[InstanceKind, int] = {}
    for piece in pieces:
        for kind in piece.kinds:
            kinds.setdefault(kind, len(kinds))
    numbers = np.concatenate([piece.numbers for piece in pieces])
    of_kind = np.concatenate([np.array([kinds[kind] for kind in piece.kinds], np.int64)[piece.kind] for piece in pieces])
    _, first, place = np.unique(numbers * len(kinds) + of_kind, return_index=True, return_inverse=True)
    every = np.concatenate([piece.every for piece in pieces], axis=1)
    sums = np.array([np.bincount(place, weights=row, minlength=len(first)) for row in every])
    ids = [worker_id for piece in pieces for worker_id in piece.worker_ids]
    return (Piece.of([ids[at] for at in first.tolist()], numbers[first], tuple(kinds), of_kind[first], sums),)
