"""The ladder of a time by worker: those on which most was paid, and the others together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drm.analysis.ladder import Ladder, ladder
from drm.cloud.split import PARTS
from drm.history.worker_spends import PURPOSES, Block, Piece, WorkerSpend
from drm.model import FloatArray, InstanceKind
from drm.view import View

MOST = 20
"""Workers that are told one by one."""
NEXT_TO_NOTHING = 1e-9
"""A price for those that have none, so that the longest of them comes first."""


@dataclass(frozen=True, slots=True)
class ByWorker:
    """Accounts that add up to that of all."""

    workers: tuple[tuple[str, Ladder], ...]
    """(id, account), those on which most was paid first."""
    others: int
    rest: Ladder | None
    """others, rest: how many more there are, and their account; None where there is none."""
    whole: Ladder


def workers_of(view: View, since: float, until: float, kinds: Set[InstanceKind] | None = None) -> ByWorker | None:
    """The workers of a view between two moments, or those of some kinds of instances. None as in `by_worker`."""
    blocks = view.worker_spends(since, until)
    if kinds is None:
        return by_worker(blocks, lambda worker_id, kind: True)
    # The history file knows of a worker's kind the price only; its lifetimes know the rest.
    theirs = {one.worker_id for one in view.lifetimes_in(view.end() - since) if one.kind in kinds}
    return by_worker(blocks, lambda worker_id, kind: kind in kinds if kind.type else worker_id in theirs)


def by_worker(blocks: Sequence[Block], is_meant: Callable[[str, InstanceKind], bool], most: int = MOST) -> ByWorker | None:
    """`blocks`: what each worker was paid for, one after the other. `is_meant(worker_id, kind)`: whose account it is; what is read from
    the history file knows of a kind the price only. None where nothing was paid."""
    pieces = [(piece, _meant(piece, is_meant)) for block in blocks for piece in block.pieces]
    paid: dict[str, float] = defaultdict(float)
    for piece, rows in pieces:
        for row, amount in zip(rows.tolist(), _paid(piece)[rows].tolist(), strict=True):
            paid[piece.worker_ids[row]] += amount
    if not paid:
        return None
    order = sorted(paid, key=lambda worker_id: (-paid[worker_id], worker_id))

    def account(chosen_ids: Container[str]) -> Ladder:
        sums: dict[InstanceKind, FloatArray] = {}
        for piece, rows in pieces:
            chosen = [row for row in rows.tolist() if piece.worker_ids[row] in chosen_ids]
            every, kinds = piece.every[:, chosen], piece.kind[chosen]
            for number in np.unique(kinds).tolist():
                kind = piece.kinds[number]
                sums[kind] = sums.get(kind, np.zeros(PURPOSES)) + every[:, kinds == number].sum(axis=1)
        found = ladder(None, WorkerSpend(blocks[0].start, blocks[-1].end, sums).spend())
        assert found is not None
        return found

    first = order[:most]
    others = set(order[most:])
    return ByWorker(
        tuple((worker_id, account({worker_id})) for worker_id in first),
        len(others),
        account(others) if others else None,
        account(paid),
    )


def _meant(piece: Piece, is_meant: Callable[[str, InstanceKind], bool]) -> npt.NDArray[np.intp]:
    kinds = [piece.kinds[number] for number in piece.kind.tolist()]
    return np.flatnonzero([is_meant(worker_id, kind) for worker_id, kind in zip(piece.worker_ids, kinds, strict=True)])


def _paid(piece: Piece) -> FloatArray:
    """(n,) what was paid for each worker of it."""
    hourly = np.array([kind.hourly for kind in piece.kinds])
    seconds: FloatArray = piece.every[: len(PARTS)].sum(axis=0)
    return seconds * np.where(np.isnan(hourly), NEXT_TO_NOTHING, hourly)[piece.kind]
