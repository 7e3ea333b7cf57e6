"""The last hour of workers that have ended, from the level of history that still keeps it."""

from __future__ import annotations

import numpy as np

from drm.history.rings import Rings
from drm.history.window import POINTS
from tests.unit.lifetime_pool import START as POOL_START
from tests.unit.lifetime_pool import pool_with_ends

START = 1_000_000.0 * 3600
MINUTE, DAY = 60.0, 86_400.0


def fed(minutes: int, until_minutes: int = 0) -> Rings:
    """`goes` uses a quarter of its cpu, the last ten minutes three quarters, and goes; `stays` is there for longer."""
    rings = Rings(MINUTE)
    for minute in range(max(minutes, until_minutes)):
        ids = ("goes", "stays") if minute < minutes else ("stays",)
        used = np.full((len(ids), 4), 0.5)
        used[0, 0] = 0.75 if minutes - 10 <= minute < minutes else 0.25
        rings.append(START + minute * MINUTE, ids, used, np.zeros((len(ids), 4)), np.zeros(len(ids), bool), {})
    return rings


def test_each_worker_has_the_hour_before_its_own_end() -> None:
    """Parts of a minute up to the end, none of which lies before the beginning."""
    rings = fed(minutes=120, until_minutes=122)
    end = START + 120 * MINUTE
    hours = rings.last_hours(["goes", "goes", "nobody"], np.array([START, end - 5 * MINUTE, START]), np.array([end, end, end]))
    assert hours.mean.shape == (2, 3, POINTS)
    assert hours.mean[0, 0].tolist() == [0.25] * 50 + [0.75] * 10
    assert np.isnan(hours.mean[0, 1, :-5]).all() and (hours.mean[0, 1, -5:] == 0.75).all()
    assert np.isnan(hours.mean[:, 2]).all() and (hours.mean[1, 0] == 0.5).all()


def test_an_older_hour_comes_from_coarser_buckets() -> None:
    """A day later the minutes are gone, and the hour is told in steps of ten minutes; its mean is about the same."""
    rings = fed(minutes=120, until_minutes=26 * 60)
    end = START + 120 * MINUTE
    hours = rings.last_hours(["goes"], np.array([START]), np.array([end]))
    known = hours.mean[0, 0]
    assert np.isfinite(known).all() and len(set(known.tolist())) <= 7
    assert abs(known.mean() - (50 * 0.25 + 10 * 0.75) / 60) < 0.05
    assert hours.max[0, 0].max() == 0.75


def test_the_view_asks_once_for_all_that_have_ended() -> None:
    """Of a real pool each ended lifetime has the share that it used; the first life of an id does not show what its second used."""
    state = pool_with_ends()
    ended = state.ended_lifetimes(900, 9).lifetimes
    hours = state.last_hours(ended)
    means = {one.worker_id: float(np.nanmean(hours.mean[0, place])) for place, one in enumerate(ended)}
    assert means == {"brief": 0.25, "drained": 0.25, "again": 0.125}
    past = state.at(POOL_START + 200)
    assert [one.worker_id for one in past.ended_lifetimes(900, 9).lifetimes] == ["again"]
    assert float(np.nanmax(past.last_hours(past.ended_lifetimes(900, 9).lifetimes).mean[0])) == 0.125
