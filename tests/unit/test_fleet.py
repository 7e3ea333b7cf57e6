"""The fleet: columns by row, ids by row, and what joins and leaves."""

from __future__ import annotations

import numpy as np
import pytest

from drm.errors import UnknownIdError
from drm.fleet import RUNNING, Fleet
from drm.model import STATE_CODE


def fleet_of(*ids: str, capacity: tuple[float, ...] = (4, 8e9, 0, 0)) -> Fleet:
    fleet = Fleet()
    count = len(ids)
    fleet.add(ids, np.tile(np.array(capacity, float), (count, 1)), np.full(count, 8), np.full(count, RUNNING, np.uint8), {})
    return fleet


def test_rows_follow_their_ids_when_others_leave() -> None:
    """Removing workers closes the gaps, and every column stays with its worker."""
    fleet = fleet_of(*(f"w{i}" for i in range(40)))
    fleet.used[:, 0] = np.arange(40)
    fleet.remove([f"w{i}" for i in range(0, 40, 2)])
    assert fleet.ids == tuple(f"w{i}" for i in range(1, 40, 2))
    assert [fleet.used[fleet.row(worker_id), 0] for worker_id in fleet.ids] == list(range(1, 40, 2))


def test_ids_are_the_same_object_until_members_change() -> None:
    """Readers may compare `ids` by identity to learn that nobody joined or left."""
    fleet = fleet_of("a", "b")
    before = fleet.ids
    fleet.set_state("a", "cordoned")
    assert fleet.ids is before
    fleet.remove(["a"])
    assert fleet.ids is not before


def test_a_worker_added_twice_is_refused() -> None:
    """One id is one row."""
    fleet = fleet_of("a")
    with pytest.raises(ValueError, match="twice"):
        fleet.add(["a"], np.ones((1, 4)), np.ones(1, np.int64), np.zeros(1, np.uint8), {})


def test_an_unknown_id_is_a_key_error_that_names_it() -> None:
    """An unknown worker raises UnknownIdError, which is a KeyError with a sentence."""
    with pytest.raises(UnknownIdError, match="'nobody'") as caught:
        fleet_of("a").row("nobody")
    assert isinstance(caught.value, KeyError)


def test_a_worker_without_reservations_has_exactly_nothing_allocated() -> None:
    """Sums of floats drift, but not past the last release."""
    fleet = fleet_of("a")
    request = np.array([0.1, 0.3, 0, 0])
    for _ in range(3):
        fleet.reserve(np.array([0]), request)
    for _ in range(3):
        fleet.release(0, request)
    assert fleet.allocated[0].tolist() == [0.0, 0.0, 0.0, 0.0]


def test_what_others_hold_is_not_free() -> None:
    """free = capacity - allocated - occupied, and never negative."""
    fleet = fleet_of("a")
    fleet.reserve(np.array([0]), np.array([1.0, 0, 0, 0]))
    fleet.occupied[0, 0] = 2.0
    assert fleet.free()[0, 0] == 1.0
    fleet.occupied[0, 0] = 9.0
    assert fleet.free()[0, 0] == 0.0


def test_only_running_workers_take_tasks() -> None:
    """A cordoned or booting worker has no open slot."""
    fleet = fleet_of("a", "b", "c")
    fleet.set_state("b", "cordoned")
    fleet.states[2] = STATE_CODE["booting"]
    assert fleet.open_slots().tolist() == [8, 0, 0]
