"""Which workers there are, from what a scheduler shows."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from drm.engines.dask_launcher import NoLauncher
from drm.engines.dask_roster import Roster, Survey
from drm.engines.remote import SURVEYED
from drm.model import STATE_CODE, Resources

SHAPE = Resources(cpu=1, memory=100)
NAN = float("nan")


class Launcher(NoLauncher):
    """Owns what it is told to, and knows the fates that it is told."""

    def __init__(self, *owned: str) -> None:
        self.owned = set(owned)
        self.fates: dict[str, str] = {}

    def owns(self, worker_id: str) -> bool:
        return worker_id in self.owned

    def fate(self, worker_id: str) -> str | None:
        return self.fates.get(worker_id)


def survey(servers: Mapping[str, str], **numbers: float) -> Survey:
    """Workers by server id and name, all with the same numbers."""
    plain = {"pid": 1, "nthreads": 4, "memory_limit": 100, "accepts": 1, "measured_at": 10, "silence_seconds": 0, "cpu": 0.5, "memory": 50}
    row: list[float] = [({"foreign": 0} | plain | numbers).get(name, NAN) for name in SURVEYED]
    return list(servers), list(servers.values()), list(servers), ["host"] * len(servers), array("d", row * len(servers))


def column(roster: Roster, name: str) -> Any:
    return roster.columns()[name].tolist()


def test_a_name_that_comes_back_is_another_worker() -> None:
    """A worker that registers again under its old name is a new one with an id of its own, and the old one has gone."""
    roster = Roster(NoLauncher())
    assert roster.update(survey({"s1": "a"})) == {} and roster.ids == ("a",)
    departures = roster.update(survey({"s2": "a"}))
    assert set(departures) == {"a"} and roster.ids == ("a#2",)


def test_a_worker_of_ours_that_is_revived_does_not_count() -> None:
    """A launched worker that dies stays gone, even while whoever watches over it has started it again."""
    launcher = Launcher()
    roster = Roster(launcher)
    roster.launched(["w-1"], SHAPE, 16)
    roster.update(survey({"s1": "w-1"}))
    assert set(roster.update(survey({"s2": "w-1"}))) == {"w-1"}
    assert roster.ids == () and roster.columns()["foreign_tasks"] == 0
    assert roster.update(survey({"s2": "w-1"})) == {}


def test_an_owned_worker_that_is_revived_does_not_count() -> None:
    """The same holds for a worker that the cluster had before us."""
    roster = Roster(Launcher("0"))
    roster.update(survey({"s1": "0"}))
    assert set(roster.update(survey({"s2": "0"}))) == {"0"} and roster.ids == ()


def test_a_launched_worker_keeps_its_place_and_shape() -> None:
    """A launched worker is listed at once, and the same id runs when it registers, with the shape that it was launched with."""
    roster = Roster(NoLauncher())
    roster.launched(["w-1"], SHAPE, 16)
    ids = roster.ids
    assert column(roster, "states") == [STATE_CODE["pending"]] and column(roster, "slots") == [16]
    roster.update(survey({"s1": "w-1"}, nthreads=16, memory_limit=7))
    assert roster.ids is ids and column(roster, "states") == [STATE_CODE["running"]]
    assert column(roster, "capacity") == [[1, 100, 0, 0]]


def test_why_a_worker_went() -> None:
    """Retired wins over what its process says, and that over what the scheduler does not."""
    launcher = Launcher()
    roster = Roster(launcher)
    roster.update(survey({"s1": "a", "s2": "b", "s3": "c"}))
    roster.retiring(["a"])
    launcher.fates = {"a": "killed", "b": "killed"}
    departures = roster.update(survey({"s1": "a", "s2": "b"}))
    assert departures["a"] == "retired" and departures["b"] == "killed" and "left the scheduler" in departures["c"]
    assert roster.ids == () and roster.update(survey({"s1": "a", "s2": "b"})) == {}


@pytest.mark.parametrize(("numbers", "known"), [({"measured_at": 10}, False), ({"measured_at": 11}, True)])
def test_the_first_reading_is_no_measurement(numbers: dict[str, float], known: bool) -> None:
    """The reading with which a worker registers is psutil's 0.0; only a later one counts."""
    roster = Roster(NoLauncher())
    roster.update(survey({"s1": "a"}))
    roster.update(survey({"s1": "a"}, **numbers))
    used = roster.columns()["used"]
    assert np.isnan(used[0, :2]).all() != known and np.isnan(used[0, 2:]).all()


def test_a_silent_worker_is_not_measured() -> None:
    """What a worker reported a minute ago is not what it uses now."""
    roster = Roster(NoLauncher())
    roster.update(survey({"s1": "a"}))
    roster.update(survey({"s1": "a"}, measured_at=11, silence_seconds=60))
    assert np.isnan(roster.columns()["used"]).all()


def test_foreign_tasks_take_room() -> None:
    """Each task of others takes a core and a thread, and no more than there are; a worker that accepts nothing has no slots."""
    roster = Roster(NoLauncher())
    roster.update(survey({"s1": "a"}, foreign=3))
    assert column(roster, "occupied") == [[3, 0, 0, 0]] and column(roster, "slots") == [1]
    roster.update(survey({"s1": "a"}, foreign=30))
    assert column(roster, "occupied") == [[4, 0, 0, 0]] and column(roster, "slots") == [0]
    assert roster.columns()["foreign_tasks"] == 30
    roster.update(survey({"s1": "a"}, accepts=0))
    assert column(roster, "slots") == [0]


def test_a_gpu_is_capacity_where_there_is_one() -> None:
    """A worker with a GPU has one and its memory and load; one without has none, and nothing measured."""
    roster = Roster(NoLauncher())
    gpu = {"gpu_memory_limit": 8.0, "gpu": 0.25, "gpu_memory": 2.0}
    roster.update(survey({"s1": "a"}, **gpu))
    roster.update(survey({"s1": "a"}, measured_at=11, **gpu))
    assert column(roster, "capacity")[0][2:] == [1, 8] and column(roster, "used")[0][2:] == [0.25, 2.0]


def test_a_shared_gpu_is_not_measured() -> None:
    """The load of a device says nothing about one of several workers on it."""
    roster = Roster(NoLauncher())
    roster.launched(["w-1"], Resources(cpu=1, memory=100, gpu=0.25, gpu_memory=2), 16)
    for measured_at in (10, 11):
        roster.update(survey({"s1": "w-1"}, measured_at=measured_at, gpu_memory_limit=8.0, gpu=0.9, gpu_memory=7.0))
    assert np.isnan(column(roster, "used")[0][2:]).all() and column(roster, "used")[0][:2] == [0.5, 50]


def test_silence_is_told_and_what_is_on_its_way_is_not_silent() -> None:
    """Seconds since each was heard of, so that a pool that hangs is not shrunk; a launched worker cannot be silent yet."""
    roster = Roster(NoLauncher())
    roster.launched(["w-1"], SHAPE, 16)
    roster.update(survey({"s1": "a", "s2": "b"}, silence_seconds=90))
    assert roster.ids == ("w-1", "a", "b") and column(roster, "silence") == [0.0, 90.0, 90.0]
