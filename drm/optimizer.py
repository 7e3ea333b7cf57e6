"""`ResourceOptimizer`: what of a pool asks for too much or too little, or stands idle, as values and as a table.

It reads what the manager has measured, and changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from drm.analysis import efficiency, right_sizing
from drm.analysis.right_sizing import Finding, Shortage, Study
from drm.errors import InvalidValueError
from drm.manager import DynamicResourceManager
from drm.state import DRMState

if TYPE_CHECKING:
    import pandas as pd


class ResourceOptimizer:
    """Findings about the tasks and workers of one pool.

    `source`: a manager or a DRMState. `range_seconds`: how far back evidence is taken (None: all that is kept, the newest 500 attempts of
    each of 1000 task shapes). `idle_seconds`: from when on a worker with nothing allocated is a finding.
    """

    def __init__(
        self,
        source: DynamicResourceManager | DRMState,
        range_seconds: float | None = None,
        idle_seconds: float = right_sizing.IDLE_SECONDS,
    ) -> None:
        for name, seconds in (("range_seconds", range_seconds), ("idle_seconds", idle_seconds)):
            if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
                raise InvalidValueError(f"{name} must be positive and finite, got {seconds!r}")
        self._state = source if isinstance(source, DRMState) else DRMState(source)
        self._range_seconds = math.inf if range_seconds is None else range_seconds
        self._idle_seconds = idle_seconds

    def findings(self) -> tuple[Finding, ...]:
        """What to change, gravest first.

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
