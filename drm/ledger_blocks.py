"""What decisions rested on, whole, by id: the newest as they are, older ones packed in blocks or left in the history file."""

from __future__ import annotations

import logging
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.decision import ScalingDecision
from drm.errors import DRMError

logger = logging.getLogger(__name__)

BLOCK = 64
"""So many decisions are packed together; they share most of their words, which is what makes them small."""
WHOLE_BLOCKS = 4
"""So many of the newest full blocks stay unpacked: outcomes still arrive there."""
THAWED_BLOCKS = 8


class DecisionBlocks:
    """Not thread-safe: the ledger's lock guards it."""

    def __init__(self) -> None:
        self._whole: dict[int, ScalingDecision] = {}
        self._packed: dict[int, bytes] = {}
        """By number of the block, oldest first; nothing where its decisions stand in the history file."""
        self._amended: dict[int, ScalingDecision] = {}
        """Decisions of packed blocks whose outcome came later."""
        self._thawed: OrderedDict[int, dict[int, ScalingDecision]] = OrderedDict()
        self._fetch: Callable[[int, int], list[ScalingDecision]] | None = None

    def load(self, ids: npt.NDArray[Any], newest: Iterable[ScalingDecision], fetch: Callable[[int, int], list[ScalingDecision]]) -> None:
        """Takes over those of an earlier run: (n,) ids, the decisions from `first_of_newest` on, and who reads older ones."""
        older = ids[ids < first_of_newest(ids)]
        self._packed = dict.fromkeys(np.unique(older // BLOCK).tolist(), b"")
        self._whole = {one.id: one for one in newest}
        self._fetch = fetch

    def find(self, decision_id: int) -> ScalingDecision | None:
        """One that is kept; None where it cannot be read now."""
        whole = self._whole.get(decision_id) or self._amended.get(decision_id)
        if whole is not None:
            return whole
        block = decision_id // BLOCK
        decisions = self._thawed.get(block)
        if decisions is None:
            try:
                decisions = self._thawed[block] = self._thaw(block)
            except DRMError as error:
                logger.warning("decisions %d to %d cannot be read now: %s", block * BLOCK, (block + 1) * BLOCK - 1, error)
                return None
            if len(self._thawed) > THAWED_BLOCKS:
                self._thawed.popitem(last=False)
        return decisions.get(decision_id)

    def write(self, decision: ScalingDecision) -> None:
        """Keeps one as it stands now."""
        if decision.id // BLOCK in self._packed:
            self._amended[decision.id] = decision
        else:
            self._whole[decision.id] = decision

    def pack(self, newest_id: int) -> None:
        """Packs the oldest block that is still whole, once it is old; no call packs more than one."""
        block = next(iter(self._whole)) // BLOCK
        if block >= newest_id // BLOCK - WHOLE_BLOCKS:
            return
        decisions = [self._whole.pop(one) for one in range(block * BLOCK, (block + 1) * BLOCK) if one in self._whole]
        self._packed[block] = zlib.compress(pickle.dumps(decisions, pickle.HIGHEST_PROTOCOL), 1)

    @property
    def oldest_packed(self) -> int | None:
        """The first id beyond the oldest packed block; None where none is packed."""
        return (next(iter(self._packed)) + 1) * BLOCK if self._packed else None

    def forget_oldest(self) -> None:
        """Lets go of the oldest packed block."""
        oldest = next(iter(self._packed))
        del self._packed[oldest]
        self._thawed.pop(oldest, None)
        self._amended = {one: decision for one, decision in self._amended.items() if one >= (oldest + 1) * BLOCK}

    def _thaw(self, block: int) -> dict[int, ScalingDecision]:
        packed = self._packed.get(block)
        if packed:
            # Packed by this very object: nothing from outside is unpickled.
            decisions = pickle.loads(zlib.decompress(packed))
        else:
            decisions = self._fetch(block * BLOCK, (block + 1) * BLOCK - 1) if self._fetch else []
        return {decision.id: decision for decision in decisions}


def first_of_newest(ids: npt.NDArray[Any]) -> int:
    """The first id of the blocks that are not packed, of (n,) ids in their order."""
    blocks = np.unique(ids // BLOCK)
    return int(blocks[-WHOLE_BLOCKS - 1 :][0]) * BLOCK
