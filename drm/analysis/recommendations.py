"""All recommendations over a range of a view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drm.analysis import idle_workers, instance_mix, market_split, minimum_bound, request_size, right_sizing
from drm.analysis.efficiency import TaskUse, of_shapes
from drm.analysis.moments import read_moments
from drm.analysis.recommendation import Recommendation, in_order
from drm.analysis.recorded import Recorded, read
from drm.analysis.replay import pack
from drm.model import WorkerType
from drm.view import View


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change, and what it was read from."""

    recommendations: tuple[Recommendation, ...]
    record: Recorded | None
    """None before the first tick."""
    study: right_sizing.Study | None
    """What of the requests was judged, and what could not be."""


def advise(view: View, range_seconds: float, candidates: Iterable[WorkerType] = (), uses: Sequence[TaskUse] | None = None) -> Advice:
    """`uses`: those of the range, where they are known already (`efficiency.of_shapes`)."""
    record = read(view, range_seconds)
    if record is None:
        return Advice((), None, None)
    if uses is None:
        uses = of_shapes(record.usage, record.until - range_seconds, record.until)
    judged = right_sizing.study(uses, record.snapshot, most_idle=0)
    idle = idle_workers.forgotten(record)
    moments, offered = read_moments(record), tuple(candidates)
    packed = None if moments is None else pack(record, moments, len(idle))
    found = [
        *request_size.study(record, judged.findings, packed),
        *idle_workers.study(record, idle),
        *minimum_bound.study(record),
        *instance_mix.study(record, packed, offered),
        *market_split.study(record, offered),
    ]
    return Advice(in_order(found), record, judged)
