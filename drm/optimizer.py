"""`ResourceOptimizer`: what to change of a pool, and what that saves in a month; as values and as tables.

It reads what the manager has measured, and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from drm.analysis import efficiency, right_sizing
from drm.analysis.candidates import candidates
from drm.analysis.recommendation import Recommendation
from drm.analysis.recommendations import advise
from drm.analysis.right_sizing import Finding, Shortage, Study
from drm.cloud.price_list import PriceList
from drm.errors import InvalidValueError
from drm.manager import DynamicResourceManager
from drm.model import WorkerType
from drm.state import DRMState
from drm.tabs import LONGEST_SECONDS

if TYPE_CHECKING:
    import pandas as pd


class ResourceOptimizer:
    """Recommendations and findings about the tasks, workers, bounds and instance types of one pool.

    `source`: a manager or a DRMState. `range_seconds`: how far back evidence is taken (None: all that is kept, the newest 500 attempts of
    each of 1000 task shapes). `idle_seconds`: from when on a worker with nothing allocated is a finding. `types`: instance types that the
    pool is compared with, beside those that it has and can launch. `prices`: a price list (`drm.cloud.price_list.read_price_list`), whose
    types in the regions of the pool's workers of Amazon are compared as well.
    """

    def __init__(
        self,
        source: DynamicResourceManager | DRMState,
        range_seconds: float | None = None,
        idle_seconds: float = right_sizing.IDLE_SECONDS,
        *,
        types: Sequence[WorkerType] = (),
        prices: PriceList | None = None,
    ) -> None:
        for name, seconds in (("range_seconds", range_seconds), ("idle_seconds", idle_seconds)):
            if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
                raise InvalidValueError(f"{name} must be positive and finite, got {seconds!r}")
        for one in types:
            if not isinstance(one, WorkerType):
                raise InvalidValueError(f"types must be WorkerType(name, shape, hourly_price), got {one!r}")
        self._state = source if isinstance(source, DRMState) else DRMState(source)
        self._range_seconds = math.inf if range_seconds is None else range_seconds
        self._idle_seconds = idle_seconds
        self._types, self._prices = tuple(types), prices

    def recommendations(self) -> tuple[Recommendation, ...]:
        """What to change: what guards against failures first, then what saves most. None before the first tick.

        `request`: the findings of a task's shape, with the saving that a replay of the recorded demand finds; `idle_worker`: forgotten
        ones; `min_bound`: a minimum above the 5th percentile of what the policy wanted; `instance_type`: the cheapest type or pair that
        packs the 95th percentile of the demand; `market`: the 10th percentile on demand, the rest on spot. Formulas:
        docs/recommendations.md.
        """
        state, seconds = self._state, min(self._range_seconds, LONGEST_SECONDS)
        given = self._prices
        prices = None if given is None else lambda: given
        known = candidates((*state.manager.worker_types, *self._types), state.lifetimes_in(seconds), prices)
        return advise(state, seconds, known).recommendations

    def recommendations_frame(self) -> pd.DataFrame:
        """The recommendations as a table, one row each in their order; money and worker-hours in a month, NaN where not known."""
        import pandas as pd

        columns = [
            "kind",
            "subject",
            "change",
            "saving",
            "saving_hours",
            "currency",
            "freed",
            "confidence",
            "risk",
            "risk_share",
            "formula",
        ]
        replayed = ["hours_before", "hours_after", "cost_before", "cost_after", "waits_before", "waits_after"]
        rows = [
            {name: getattr(one, name) for name in columns}
            | {"samples": one.basis.samples, "since": one.basis.since, "until": one.basis.until}
            | {name: math.nan if one.replay is None else getattr(one.replay, name) for name in replayed}
            for one in self.recommendations()
        ]
        return pd.DataFrame(rows, columns=[*columns, "samples", "since", "until", *replayed])

    def findings(self) -> tuple[Finding, ...]:
        """What of requests is too much or too little, and which workers are idle now, gravest first.

        By the nearest-rank percentiles of what done attempts of a task name and request used: for cpu and gpu suggested = p95 x 1.15, for
        memory and gpu_memory max x 1.15; where memory ended an attempt, max(request, max) x 1.2 and at least 100 MiB more.
        Over-provisioned: the suggestion is at most 0.75 x the request. Under-provisioned: p95 above 1.05 x the request, a peak of memory
        at 0.9 x the request or more, or half of the attempts at 0.95 x their cpu while they take 1.2 x as long as they were said to. At
        least 20 measured attempts of a shape, or none of these. Sources: `drm.analysis.right_sizing`.
        """
        return self._study().findings

    def shortages(self) -> tuple[Shortage, ...]:
        """The tasks of which too few attempts were measured to say anything, and how many more it takes."""
        return self._study().shortages

    def findings_frame(self) -> pd.DataFrame:
        """The findings as a table, one row each, gravest first; amounts in the unit of the resource, NaN where not known."""
        import pandas as pd

        columns = ["kind", "cause", "subject", "resource", "request", "suggested", "frees", "cost_rate"]
        evidence = ["samples", "p50", "p95", "max", "out_of_memory", "since", "until"]
        rows = [{name: getattr(finding, name) for name in columns} | asdict(finding.evidence) for finding in self.findings()]
        return pd.DataFrame(rows, columns=[*columns, *evidence])

    def _study(self) -> Study:
        snapshot = self._state.snapshot
        if math.isnan(snapshot.time):
            return Study((), (), 0)
        uses = efficiency.of_shapes(self._state.task_usage(), snapshot.time - self._range_seconds, snapshot.time)
        return right_sizing.study(uses, snapshot, self._idle_seconds)
