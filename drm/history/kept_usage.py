"""What ended tasks used, read from the history file: of each shape the newest samples, among millions of attempts."""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from drm.history.attempts import NOTHING_LEARNT, request_of, ticks_of
from drm.history.file import HistoryFile
from drm.history.schema import TICKS_A_SECOND
from drm.model import RESOURCES
from drm.task_usage import OUTCOMES, SAMPLE, SAMPLES_KEPT, SHAPES_KEPT, TaskShape, UsageView


def usage(file: HistoryFile, since: float, until: float) -> UsageView:
    """The newest samples of each shape of the tasks that ended in a time."""
    ended = (
        "finished > $since AND finished <= $until AND state IN ('done', 'failed', 'lost') AND waited IS NOT NULL "
        "AND (state <> 'lost' OR reason NOT IN (SELECT unnest($nothing_learnt)))"
    )
    # From when on the newest of a shape are: a heap for each shape, where a window over millions of tasks would sort them all.
    found = file.columns(
        f"WITH newest AS (SELECT name, request, list_min(max(finished, {SAMPLES_KEPT})) AS newest_since "
        f"FROM attempts WHERE {ended} GROUP BY ALL) "
        f"SELECT name, request, finished / {TICKS_A_SECOND}.0 AS finished_at, "
        f"greatest(0, took - waited - coalesce(delayed, 0)) / {TICKS_A_SECOND}.0 AS run_seconds, hint_seconds, "
        "used_cpu, used_memory, used_gpu, used_gpu_memory, state, out_of_memory FROM attempts "
        f"JOIN newest USING (name, request) WHERE finished >= newest_since AND {ended} ORDER BY name, request, finished",
        {"since": ticks_of(since), "until": ticks_of(until), "nothing_learnt": list(NOTHING_LEARNT)},
    )
    count = len(found["name"])
    samples = np.zeros(count, SAMPLE)
    for name in ("finished_at", "run_seconds", "hint_seconds"):
        samples[name] = np.ma.filled(found[name], np.nan)
    for index, resource in enumerate(RESOURCES):
        samples["used"][:, index] = np.ma.filled(found[f"used_{resource}"], np.nan)
    samples["outcome"] = [OUTCOMES.index(state) for state in found["state"]]
    samples["out_of_memory"] = np.ma.filled(found["out_of_memory"], False)
    shapes: dict[TaskShape, npt.NDArray[Any]] = {}
    names, requests = np.asarray(found["name"], object), np.asarray(found["request"], object)
    new = np.ones(count, bool)
    new[1:] = (names[1:] != names[:-1]) | (requests[1:] != requests[:-1])
    starts = np.flatnonzero(new)
    for start, end in pairwise((*starts, count)):
        part = samples[start:end][-SAMPLES_KEPT:]
        part.flags.writeable = False
        shapes[TaskShape(str(names[start]), request_of(requests[start]))] = part
    newest = sorted(shapes, key=lambda shape: float(shapes[shape]["finished_at"][-1]))[-SHAPES_KEPT:]
    return UsageView(count, MappingProxyType({shape: shapes[shape] for shape in newest}), max(0, len(shapes) - SHAPES_KEPT))
