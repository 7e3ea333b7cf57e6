"""The ledger: runs of `maintain` folded, queries by each field, packing, and forgetting."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.decision import Input, ScalingDecision
from drm.errors import InvalidValueError, UnknownIdError
from drm.ledger import Ledger
from drm.ledger_blocks import BLOCK, WHOLE_BLOCKS
from drm.ledger_query import KINDS, Query


def decision(at: float, action: str = "maintain", code: str = "steady", margin: float = -5.0, **changes: Any) -> ScalingDecision:
    values: dict[str, Any] = {
        "id": 0,
        "timestamp": at,
        "pool": "default",
        "actor": "policy",
        "policy": "queue",
        "policy_version": 1,
        "parameters": {},
        "action": action,
        "code": code,
        "reason": f"{code} at {at}",
        "current": 4,
        "desired": 4,
        "bounded": 4,
        "count": 0,
        "utilization": {},
        "inputs": (Input("needed_workers", 10 + margin, "workers", 10.0, margin),),
        "steps": (),
        "blockers": (),
        "cooldown_left_seconds": 0.0,
    }
    return ScalingDecision(**(values | changes))


def test_a_run_of_identical_maintains_is_one_row() -> None:
    """It counts them, and keeps the first, the last and the closest inputs whole; another reason begins another row."""
    ledger = Ledger()
    for at, margin in enumerate((-5.0, -1.0, -3.0)):
        ledger.append(decision(float(at), margin=margin))
    ledger.append(decision(3.0, code="cooldown"))
    ledger.append(decision(4.0))
    again, other, first = ledger.query(Query())
    assert (first.evaluations, other.evaluations, again.evaluations) == (3, 1, 1)
    assert first.timestamp == 0.0 and first.inputs[0].margin == -5.0 and first.fold is not None
    assert (first.fold.last_at, first.fold.last_inputs[0].margin) == (2.0, -3.0)
    assert (first.fold.closest_at, first.fold.closest_inputs[0].margin, first.fold.closest_distance) == (1.0, -1.0, 0.1)


def test_an_unknown_margin_is_not_the_closest() -> None:
    """A NaN among the inputs, such as a price that is not known, hides neither the other margins nor a closer evaluation."""
    ledger = Ledger()
    unknown = Input("cost_rate", math.nan, "per hour", 10.0, math.nan)
    for at, margin in enumerate((-5.0, -1.0)):
        ledger.append(decision(float(at), inputs=(unknown, Input("needed_workers", 10 + margin, "workers", 10.0, margin))))
    (row,) = ledger.query(Query())
    assert row.distance == 0.5 and row.fold is not None and (row.fold.closest_at, row.fold.closest_distance) == (1.0, 0.1)


def test_what_a_person_did_is_never_folded() -> None:
    """Two changes of the same kind are two rows."""
    ledger = Ledger()
    for at in range(2):
        ledger.append(decision(float(at), code="bounds_set", actor="user"))
    assert [one.evaluations for one in ledger.query(Query(actor="user"))] == [1, 1]


def test_actions_are_never_folded() -> None:
    """Two equal scale-ups are two rows, and so are maintains of different sizes."""
    ledger = Ledger()
    for at in range(2):
        ledger.append(decision(float(at), "scale_up", "queue_demand", count=2))
    ledger.append(decision(2.0, current=4))
    ledger.append(decision(3.0, current=6))
    assert [one.id for one in ledger.query(Query())] == [4, 3, 2, 1]


def test_queries_by_each_field() -> None:
    """Time, action, reason, actor, outcome, worker, and pages of ids."""
    ledger = Ledger()
    ledger.append(decision(10.0))
    ledger.append(decision(20.0))
    ledger.append(decision(30.0, "scale_up", "queue_demand", worker_ids=("a", "b"), outcome="pending"))
    ledger.append(decision(40.0, "scale_down", "idle", worker_ids=("a",)))
    ledger.append(decision(50.0, "scale_up", "below_min", actor="repair"))

    def ids(**fields: Any) -> list[int]:
        return ledger.ids(Query(**fields))

    assert ids() == [4, 3, 2, 1]
    assert ids(since=15.0) == [4, 3, 2, 1], "the folded row reaches from 10 to 20"
    assert ids(since=21.0, until=40.0) == [3, 2] and ids(until=9.0) == [] and ids(since=51.0) == []
    assert ids(action="scale_up") == [4, 2] and ids(code="idle") == [3] and ids(code="never") == []
    assert ids(actor="repair") == [4] and ids(outcome="pending") == [2]
    assert ids(worker="a") == [3, 2] and ids(worker="b") == [2] and ids(worker="c") == []
    assert ids(worker="a", action="scale_up") == [2] and ids(before=3, limit=1) == [2]
    assert ids(action=("scale_up", "scale_down")) == [4, 3, 2] and ids(code=("idle", "below_min")) == [4, 3] and ids(code=()) == []
    assert ids(kind="maintained") == [1] and ids(kind="down") == [3] and ids(offset=1, limit=2) == [3, 2]
    assert ids(sort="lasted")[0] == 1 and ids(sort="evaluations", descending=False) == [4, 3, 2, 1] and ids(descending=False)[0] == 1
    assert ledger.count(Query(action="scale_up", limit=1)) == 2
    ledger.amend(2, outcome="failed", worker_ids=("c",))
    assert ids(kind="failed") == [2]
    assert ids(outcome="failed") == [2] and ids(outcome="pending") == [] and ids(worker="c") == [2]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"action": "grow"}, "action.*'grow'"),
        ({"outcome": "fine"}, "outcome.*'fine'"),
        ({"limit": 0}, "limit.*0"),
        ({"limit": 1001}, "limit.*1001"),
        ({"since": 2.0, "until": 1.0}, "since to until"),
        ({"since": math.nan}, "nan"),
        ({"kind": ("up", "sideways")}, "kind.*'sideways'"),
        ({"sort": "colour"}, "sort.*'colour'"),
        ({"offset": -1}, "offset.*-1"),
    ],
)
def test_a_wrong_query_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    """The value, the rule, and what would be right."""
    with pytest.raises(InvalidValueError, match=named):
        Query(**fields)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "maintained"),
        ({"desired": 6}, "blocked"),
        ({"bounded": 3}, "blocked"),
        ({"code": "stale_data"}, "blocked"),
        ({"code": "policy_error"}, "failed"),
        ({"action": "scale_up", "count": 2}, "up"),
        ({"action": "scale_down", "count": 1}, "down"),
        ({"action": "scale_up", "outcome": "failed"}, "failed"),
        ({"actor": "user", "code": "bounds_set", "desired": 6}, "user"),
    ],
)
def test_the_kind_of_a_decision(changes: dict[str, Any], kind: str) -> None:
    """What a reader looks for, and the same in the columns, with the sizes."""
    ledger = Ledger()
    kept = ledger.append(decision(1.0, **changes))
    columns = ledger.columns(Query())
    assert kept.kind == kind == KINDS[columns.kind[0]]
    assert (columns.current[0], columns.target[0], columns.words[columns.code[0]]) == (4, kept.target, kept.code)


def test_packed_decisions_come_back_whole_and_take_late_outcomes() -> None:
    """Old blocks are packed; a decision in one reads as it was written, also after its outcome came late."""
    ledger = Ledger()
    written = [ledger.append(decision(float(at), "scale_up", f"code{at % 7}", count=at)) for at in range(BLOCK * (WHOLE_BLOCKS + 8))]
    assert ledger._decisions._packed and [ledger.get(one.id) for one in written] == written
    ledger.amend(3, outcome="partial", error="half of it")
    assert (ledger.get(3).outcome, ledger.get(3).count, ledger.get(4)) == ("partial", 2, written[3])
    assert ledger.ids(Query(outcome="partial")) == [3]


@given(st.integers(1, 2000), st.integers(200, 900))
def test_the_oldest_rows_go_whole_blocks_at_a_time(count: int, kept: int) -> None:
    """The newest `rows_kept` stay, ids go on, and what is forgotten is an unknown id."""
    ledger = Ledger(rows_kept=kept)
    for at in range(count):
        ledger.append(decision(float(at), "scale_up", worker_ids=(f"w{at}",)))
    ids = ledger.ids(Query(limit=1000))
    assert ids[0] == count and min(count, kept, 1000) <= len(ids) <= max(kept, BLOCK * (WHOLE_BLOCKS + 1)) + BLOCK
    assert ledger.get(ids[-1]).timestamp == ids[-1] - 1 and ledger.ids(Query(worker=f"w{count - 1}")) == [count]
    if len(ledger) < count:
        with pytest.raises(UnknownIdError, match="kept"):
            ledger.get(1)
        assert ledger.find(1) is None and ledger.ids(Query(worker="w0")) == []


def test_rows_older_than_the_retention_go() -> None:
    """By age as well, counted from the newest row."""
    ledger = Ledger(seconds_kept=1000.0)
    for at in range(0, 40_000, 10):
        ledger.append(decision(float(at), "scale_up"))
    oldest = ledger.query(Query(limit=1000))[-1]
    assert oldest.timestamp >= 40_000 - 10 - 1000 - BLOCK * (WHOLE_BLOCKS + 2) * 10
    assert len(ledger) < BLOCK * (WHOLE_BLOCKS + 4)
