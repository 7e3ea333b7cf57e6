"""A cloud pool's machines from the order to the end, as provider and scheduler show them; time is a number."""

from __future__ import annotations

from typing import Any

import pytest

from drm.cloud import Instance
from drm.engines.cloud_machine import SETTLE_SECONDS, Machines
from drm.model import Price, Resources, WorkerType

SMALL = WorkerType("small", Resources(cpu=2, memory=8), Price(0.1, "USD", "t", "2026-01-01"), "on_demand", "aws", "here")
LARGE = WorkerType("large", Resources(cpu=4, memory=16), Price(0.2, "USD", "t", "2026-01-01"), "spot", "aws", "here")


def instance(state: str = "running", worker_id: str = "w-1", instance_id: str = "i-1", **told: Any) -> Instance:
    return Instance(instance_id, "aws", "here", "small", "on_demand", state, 0.0, worker_id, None, "pool", **told)  # type: ignore[arg-type]


def booting() -> Machines:
    """One machine whose instance was granted at 0, and whose worker must have joined by 300."""
    machines = Machines("aws", 300.0)
    machines.order("w-1", SMALL)
    assert machines.granted("w-1", instance("booting"), 0.0)
    return machines


def codes(machines: Machines) -> list[str]:
    return [one.code for one in machines.take_news().notices]


def test_from_the_order_to_the_retirement() -> None:
    """Ordered, booting, joined, ending until its instance has ended, then gone; nothing of it is news."""
    machines = Machines("aws", 300.0)
    machines.order("w-1", SMALL)
    assert machines.phase("w-1") == "ordered" and machines.instances() == [] and machines.still_wanted("w-1")
    assert machines.granted("w-1", instance("booting"), 10.0)
    assert machines.phase("w-1") == "booting" and machines.instances() == ["i-1"]
    assert machines.labels("w-1") == {"worker_type": "small", "provider": "aws", "region": "here", "market": "on_demand", "instance": "i-1"}
    machines.joined("w-1")
    assert machines.look([instance()], 1000.0) == [] and machines.phase("w-1") == "joined" and machines.fate("w-1") is None
    assert machines.ending(["w-1", "foreign"]) == ["i-1"] and machines.fate("w-1") == "retired"
    machines.forget("w-1")
    assert machines.look([instance()], 1001.0) == ["i-1"], "an end that was not heeded is asked for again"
    assert machines.look([instance("draining")], 1002.0) == [] and machines.any
    assert machines.look([instance("terminated")], 1003.0) == [] and not machines.any and machines.phase("w-1") is None
    assert machines.take_news().notices == () and machines.ending(["w-1"]) == []


def test_an_instance_that_never_joins_is_ended_after_the_timeout_and_not_before() -> None:
    """Its fate says so, and so does one notice; until the provider shows its end it is asked for again."""
    machines = booting()
    assert machines.look([instance()], 300.0) == []
    assert machines.look([instance()], 300.1) == ["i-1"]
    assert machines.fate("w-1") == "its instance i-1 was running and its worker had not joined after 300 s"
    (notice,) = machines.take_news().notices
    assert (notice.code, notice.worker_ids, notice.provider) == ("never_joined", ("w-1",), "aws")
    assert machines.look([instance()], 310.0) == ["i-1"] and codes(machines) == []
    machines.look([instance("terminated")], 311.0)
    assert codes(machines) == [] and "had not joined" in str(machines.fate("w-1"))


@pytest.mark.parametrize("state", ["terminated", "draining"])
@pytest.mark.parametrize("joined", [True, False])
def test_an_instance_that_nobody_here_ended_is_told_with_the_provider_s_reason(state: str, joined: bool) -> None:
    """Whether its worker had joined or not."""
    machines = booting()
    if joined:
        machines.joined("w-1")
    assert machines.look([instance(state, reason="Spot interruption")], 20.0) == []
    assert machines.fate("w-1") == "its instance i-1 has ended, and nobody here ended it: Spot interruption"
    assert codes(machines) == ["ended_outside"] and machines.instances() == []


def test_an_instance_that_is_not_listed_yet_is_waited_for() -> None:
    """Clouds list what they granted a little later; after that it counts as gone."""
    machines = booting()
    machines.joined("w-1")
    assert machines.look([], SETTLE_SECONDS) == [] and machines.fate("w-1") is None
    machines.look([], SETTLE_SECONDS + 1)
    assert "no longer listed" in str(machines.fate("w-1")) and codes(machines) == ["ended_outside"]


def test_an_interruption_notice_is_told_once_and_is_the_reason_of_the_end() -> None:
    """The worker stays until its instance goes."""
    machines = booting()
    machines.joined("w-1")
    for now in (20.0, 25.0):
        machines.look([instance(notice="marked-for-termination")], now)
    assert codes(machines) == ["interruption"] and machines.fate("w-1") is None
    machines.look([instance("terminated")], 140.0)
    assert str(machines.fate("w-1")).endswith("marked-for-termination")


def test_another_type_is_told_and_labelled() -> None:
    """The labels follow what was got; before that they are of what was asked for."""
    machines = Machines("aws", 300.0)
    machines.order("w-1", SMALL)
    machines.trying("w-1", LARGE)
    assert machines.labels("w-1")["worker_type"] == "small"
    machines.granted("w-1", instance(), 0.0)
    news = machines.take_news()
    assert news.retyped == {"w-1": LARGE} and [one.code for one in news.notices] == ["retyped"]
    assert (machines.labels("w-1")["worker_type"], machines.labels("w-1")["market"]) == ("large", "spot")
    assert machines.take_news().retyped == {}


def test_a_launch_without_an_answer_is_found_by_its_worker_or_given_up() -> None:
    """Found: it goes on as if it had been answered. Not found within a minute: refused, with the reason."""
    machines = Machines("aws", 300.0)
    for worker_id in ("w-1", "w-2"):
        machines.order(worker_id, SMALL)
        machines.unanswered(worker_id, "aws did not answer within 20 s", 0.0)
    assert machines.phase("w-1") == "unanswered" and machines.instances() == []
    assert machines.look([instance()], 30.0) == [] and machines.phase("w-1") == "booting" and codes(machines) == ["launch_repeated"]
    machines.look([instance()], SETTLE_SECONDS + 1)
    assert machines.fate("w-2") == "aws did not answer within 20 s; no instance has appeared since" and machines.phase("w-2") == "gone"


def test_a_worker_that_speaks_for_itself_is_not_given_up() -> None:
    """It joined although nobody answered its launch; its instance is taken over when it shows, and is not ended later."""
    machines = Machines("aws", 300.0)
    machines.order("w-1", SMALL)
    machines.unanswered("w-1", "no answer", 0.0)
    machines.joined("w-1")
    machines.look([], 1000.0)
    assert machines.fate("w-1") is None
    machines.look([instance()], 1001.0)
    assert machines.phase("w-1") == "joined" and machines.look([instance()], 9000.0) == []


def test_what_is_granted_after_it_was_given_up_has_to_be_ended() -> None:
    """While it was ordered, or before it was known at all."""
    machines = Machines("aws", 300.0)
    machines.order("w-1", SMALL)
    assert machines.ending(["w-1"]) == [] and not machines.still_wanted("w-1")
    machines.forget("w-1")
    assert not machines.granted("w-1", instance(), 5.0) and machines.phase("w-1") == "ending"
    assert machines.look([instance()], 6.0) == ["i-1"]
    assert not machines.granted("w-9", instance(), 5.0)


def test_an_instance_that_is_there_is_never_forgotten_over_a_late_refusal() -> None:
    """The answer came in another thread, and then the call failed: it is still looked for, and ended when it has to be."""
    machines = booting()
    machines.refused("w-1", "it could not be ended")
    machines.unanswered("w-1", "no answer", 5.0)
    assert machines.phase("w-1") == "booting" and machines.instances() == ["i-1"] and machines.fate("w-1") is None
    for late in (machines.refused, lambda worker_id, reason: machines.unanswered(worker_id, reason, 5.0)):
        late("w-9", "unknown")
    assert machines.phase("w-9") is None


def test_a_refused_machine_is_gone_when_its_end_was_reported() -> None:
    """Its fate is the reason."""
    machines = Machines("aws", 300.0)
    machines.order("w-1", SMALL)
    machines.refused("w-1", "no capacity")
    assert machines.fate("w-1") == "no capacity" and not machines.any
    machines.forget("w-1")
    assert machines.phase("w-1") is None


def test_trouble_is_told_when_it_begins_changes_and_ends() -> None:
    """And the same notice of several workers is one."""
    machines = Machines("aws", 300.0)
    for _ in range(3):
        machines.trouble("provider_silent", "it does not answer")
    machines.trouble("credentials_refused", "expired")
    for _ in range(2):
        machines.answered(lambda code: ("credentials_accepted", f"no more {code}"))
    for worker_id in ("w-1", "w-2", "w-1"):
        machines.tell("no_capacity", "none", worker_id)
    notices = machines.take_news().notices
    assert [one.code for one in notices] == ["provider_silent", "credentials_refused", "credentials_accepted", "no_capacity"]
    assert notices[2].text == "no more credentials_refused" and notices[3].worker_ids == ("w-1", "w-2")
