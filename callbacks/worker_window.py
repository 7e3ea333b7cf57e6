"""What is drawn of an open worker: the range, or of one that has ended its last hour."""

from __future__ import annotations

import numpy as np

from drm.errors import FutureError, UnknownIdError
from drm.history.lifetimes import Lifetime
from drm.history.window import LAST_SECONDS, SeriesWindow
from drm.state import DRMState
from drm.view import View

SHORTEST_SECONDS = 60.0


def in_range(view: View, worker_id: str, seconds: float) -> SeriesWindow | None:
    """The range of a view; None where nothing is kept."""
    try:
        return view.worker(worker_id, seconds)
    except UnknownIdError:
        return None


def last_hour(state: DRMState, one: Lifetime) -> SeriesWindow | None:
    """The hour before its end, or all of a shorter life; None where nothing that was measured is kept."""
    seconds = min(LAST_SECONDS, max(SHORTEST_SECONDS, one.ended_at - one.began_at))
    try:
        window = state.at(one.ended_at).worker(one.worker_id, seconds)
    except (UnknownIdError, FutureError):
        return None
    return window if any(np.isfinite(values).any() for values in window.mean.values()) else None
