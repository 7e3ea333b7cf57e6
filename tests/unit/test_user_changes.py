"""What a person changes while the pool runs: it holds from the next tick on, and stands in the ledger with its actor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from drm.errors import InvalidValueError
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.policies import create_policy, parse_policy, policy_text
from drm.policies.queue import QueuePolicy
from tests.unit.external_pool import GB, Elastic

TWO_CORES = Resources(cpu=2, memory=2 * GB)


def changes(pool: Elastic) -> list[tuple[str, str, tuple[str, ...]]]:
    found = pool.manager.decisions(Query(actor="user"))
    assert all((one.action, one.count, one.outcome) == ("maintain", 0, "done") and one.inputs for one in found)
    return [(one.code, one.reason, one.worker_ids) for one in reversed(found)]


def test_each_change_is_a_row_of_its_own() -> None:
    """Two changes in a row are two rows, and the run of maintains that they interrupt goes on as a new one."""
    pool = Elastic()
    pool.join("a")
    pool.tick()
    pool.manager.set_bounds(0, 8)
    pool.manager.set_bounds(0, 9)
    pool.manager.set_bounds(0, 9)
    pool.manager.cordon("a")
    pool.manager.uncordon("a")
    pool.manager.drain("a")
    pool.tick()
    assert changes(pool) == [
        ("bounds_set", "a user changed the bounds from 0:10 to 0:8", ()),
        ("bounds_set", "a user changed the bounds from 0:8 to 0:9", ()),
        ("cordoned", "a user cordoned worker a", ("a",)),
        ("uncordoned", "a user uncordoned worker a", ("a",)),
        ("drain_asked", "a user asked worker a to drain", ("a",)),
    ]
    assert [one.code for one in pool.manager.decisions(Query(worker="a"))] == ["drain_asked", "uncordoned", "cordoned"]
    latest = pool.manager.snapshot.last_decision
    assert latest is not None and latest.actor == "policy", "what a card shows is the latest evaluation"


def test_a_change_before_the_first_tick_is_how_the_pool_is_set_up() -> None:
    """Nothing was decided yet that it could have changed."""
    pool = Elastic()
    pool.manager.set_bounds(1, 2)
    pool.manager.set_policy("manual,workers=2")
    assert changes(pool) == [] and pool.tick().bounds.max == 2 and pool.asked == [2]


def test_the_policy_changes_while_the_pool_runs() -> None:
    """The next evaluation is the new one's, under its name and parameters; the ledger says from what to what."""
    pool = Elastic()
    pool.tick()
    pool.manager.set_policy("manual,workers=3")
    decision = pool.tick().last_decision
    assert decision is not None and pool.asked == [3]
    assert (decision.policy, decision.parameters["workers"], decision.code) == ("manual", 3.0, "ordered")
    text = "a user changed the policy from queue,target_seconds=10,idle_grace_seconds=20 to manual,workers=3"
    assert changes(pool) == [("policy_set", text, ())]


def test_another_policys_proposals_do_not_count() -> None:
    """The scale-down window of the new policy begins with the change."""
    pool = Elastic(policy=create_policy("target_tracking", target=0.05))
    pool.join("a", "b", "c")
    for _ in range(3):
        pool.tick()
    assert pool.asked, "the old one wanted far more"
    pool.manager.set_policy("target_tracking,target=1,down_window_seconds=5")
    held = pool.tick().last_decision
    assert held is not None and not any(one.name == "hold_down_seconds" and one.value > 5 for one in held.inputs)


@pytest.mark.parametrize(("policy", "named"), [("greedy", "'greedy'"), ("queue,target_seconds=-1", "target_seconds.*-1"), (3, "got 3")])
def test_a_wrong_policy_changes_nothing(policy: Any, named: str) -> None:
    """The value, the rule; the old one stands, and nothing is kept."""
    pool = Elastic()
    pool.tick()
    before = pool.manager.policy
    with pytest.raises(InvalidValueError, match=named):
        pool.manager.set_policy(policy)
    assert pool.manager.policy is before and changes(pool) == []


@dataclass(frozen=True)
class _Restless(QueuePolicy):
    """Says nonsense of its windows."""

    name: ClassVar[str] = "restless"

    @property
    def windows_seconds(self) -> tuple[float, float]:
        return 0.0, float("nan")


def test_a_policys_windows_are_checked_where_it_is_set() -> None:
    """A plug-in that gives no seconds is refused, so that no tick fails of it."""
    with pytest.raises(InvalidValueError, match="windows_seconds of policy 'restless'.*nan"):
        DynamicResourceManager(policy=_Restless())
    with pytest.raises(InvalidValueError, match="restless"):
        DynamicResourceManager().set_policy(_Restless())


@pytest.mark.parametrize("text", ["queue", "utilization,up=0.9", "target_tracking,target=0.55", "predictive,lead_seconds=33", "manual"])
def test_the_text_of_a_policy_reads_back(text: str) -> None:
    """`policy_text` is what `parse_policy` takes."""
    policy = parse_policy(text)
    assert parse_policy(policy_text(policy)) == policy


@pytest.mark.parametrize("budget", [0, 0.0, -1, float("nan"), float("inf"), "3"])
def test_a_budget_is_more_than_nothing(budget: Any) -> None:
    """A budget of 0 would be a pool that may not exist."""
    with pytest.raises(InvalidValueError, match="budget must be more than 0 an hour"):
        DynamicResourceManager(budget=budget)


@dataclass(frozen=True)
class _Failing(QueuePolicy):
    """Answers what no size is, or raises."""

    name: ClassVar[str] = "failing"
    answer: ClassVar[Any] = None

    def desired(self, seen: Any) -> float:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


@pytest.mark.parametrize("answer", [RuntimeError("no\nidea"), float("nan"), float("inf"), -3, "seven", None])
def test_a_policy_that_fails_leaves_the_pool_alone(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`maintain` with the reason `policy_error` and its message; explain_now says the same; the next good policy goes on."""
    monkeypatch.setattr(_Failing, "answer", answer)
    pool = Elastic(policy=_Failing())
    pool.manager.submit(resources=TWO_CORES)
    for _ in range(3):
        decision = pool.tick().last_decision
        assert decision is not None and (decision.action, decision.code, decision.count) == ("maintain", "policy_error", 0)
        assert "the policy failed, and the pool stays as it is" in decision.reason and "\n" not in decision.reason
    assert pool.asked == [] and pool.manager.explain_now().code == "policy_error"
    assert pool.manager.decisions()[0].evaluations == 3
    pool.manager.set_policy("queue")
    pool.tick()
    assert pool.asked == [1]
