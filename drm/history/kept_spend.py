"""What the workers had cost when the last run ended, and at moments before, from the history file."""

from __future__ import annotations

import json
import math

import numpy as np

from drm.cloud.accrual import STATES, Spend
from drm.cloud.split import PARTS
from drm.history.file import HistoryFile
from drm.history.from_rows import KIND_COLUMNS, kind_of
from drm.history.levels import BUCKETS
from drm.history.schema import PURPOSES
from drm.history.spend_marks import STEPS


def kept_spend(file: HistoryFile) -> Spend | None:
    """What was spent so far, with nothing of what is there now."""
    rows = file.read("SELECT value FROM tail WHERE name = 'spend'")
    if not rows:
        return None
    told = json.loads(bytes(rows[0][0]))
    kinds = tuple(kind_of(list(one["kind"].values())) for one in told["kinds"])
    seconds = np.array([float(one["seconds"]) for one in told["kinds"]])
    purposes = np.array([one["purposes"] for one in told["kinds"]], float).reshape(-1, len(PURPOSES))
    counts = np.zeros((len(kinds), STATES), np.int64)
    seconds.flags.writeable = purposes.flags.writeable = counts.flags.writeable = False
    parts, ended = purposes[:, : len(PARTS)], purposes[:, len(PARTS) :]
    return Spend(math.nan, float(told["since"]), kinds, counts, seconds, float(told["uncounted_seconds"]), parts, ended)


def kept_spend_marks(file: HistoryFile, until: float, now: Spend) -> list[Spend]:
    """What was spent by moments up to a time, as near to each other as `SpendMarks` keeps them, oldest first; of the kinds of `now`."""
    nearest = " UNION ".join(
        f"SELECT min(epoch) FROM costs WHERE epoch > {until - BUCKETS * step!r} GROUP BY floor(epoch / {step!r})" for step in STEPS
    )
    rows = file.read(
        f"SELECT {KIND_COLUMNS}, epoch, seconds, {', '.join(PURPOSES)} FROM costs WHERE epoch <= ? AND epoch IN ({nearest}) ORDER BY epoch",
        [until],
    )
    number = {kind: index for index, kind in enumerate(now.kinds)}
    epochs = sorted({row[8] for row in rows})
    place = {epoch: index for index, epoch in enumerate(epochs)}
    sums = np.zeros((len(epochs), len(now.kinds), 1 + len(PURPOSES)))
    for row in rows:
        if (kind := kind_of(row[:8])) in number:
            sums[place[row[8]], number[kind]] = row[9:]
    sums.flags.writeable = False
    counts = np.zeros((len(now.kinds), STATES), np.int64)
    return [
        Spend(float(epoch), now.since, now.kinds, counts, one[:, 0], 0.0, one[:, 1 : 1 + len(PARTS)], one[:, 1 + len(PARTS) :])
        for epoch, one in zip(epochs, sums, strict=True)
    ]
