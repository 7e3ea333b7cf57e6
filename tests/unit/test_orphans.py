"""Instances that are nobody's worker, workers without an instance, and what they cost; none is ended."""

from __future__ import annotations

import json
import math
from typing import Any

from drm import ids
from drm.cloud import CloudProviderManager, Instance
from drm.cloud.orphans import GRACE_SECONDS
from drm.figures import orphans_text
from drm.manager import DynamicResourceManager
from drm.model import Price, Resources
from drm.state import DRMState
from tests.unit.test_callbacks import TICK, Page
from tests.unit.test_cloud_providers import Rented

PRICE = Price(0.5, "USD", "test", "2026-01-01")
LATER = GRACE_SECONDS + 1


def instance(instance_id: str, worker_id: str | None, **told: Any) -> Instance:
    kept = {"state": "running", "launched_at": 0.0, "price": PRICE, "pool": "night"} | told
    return Instance(instance_id, "aws", "eu-west-1", "m5.large", "on_demand", worker_id=worker_id, **kept)


def pool(*instances: Instance) -> tuple[Rented, DynamicResourceManager]:
    """A pool of one worker w-1 at the provider aws, which has these instances."""
    rented = Rented("aws")
    rented.instances = list(instances)
    manager = DynamicResourceManager(cloud=CloudProviderManager([rented]), now=0.0)
    manager.register_worker("w-1", capacity=Resources(cpu=1), labels={"provider": "aws"})
    manager.advance(0.0)
    return rented, manager


def test_a_marked_instance_without_a_worker_of_the_pool_is_an_orphan_and_stays() -> None:
    """One of the pool's workers, one without a mark and one that has ended are none."""
    rented, manager = pool(
        instance("i-1", "w-1"),
        instance("i-2", "w-of-a-run-that-was-killed"),
        instance("i-3", None),
        instance("i-4", None, pool=None),
        instance("i-5", "w-5", state="terminated"),
    )
    found = manager.cloud.orphans(LATER)
    assert [one.id for one in found.instances] == ["i-2", "i-3"] and found.workers == ()
    assert (found.rate, found.known_rate, found.unpriced, found.currencies) == (1.0, 1.0, 0, ("USD",))
    assert len(rented.instances) == 5, "it ends none by itself"


def test_a_young_instance_is_given_time() -> None:
    """The pool may be about to list its worker; one whose age is not known is not young."""
    _, manager = pool(instance("i-1", "w-1"), instance("i-2", "w-2", launched_at=LATER - 5), instance("i-3", "w-3", launched_at=math.nan))
    assert [one.id for one in manager.cloud.orphans(LATER).instances] == ["i-3"]
    assert [one.id for one in manager.cloud.orphans(2 * LATER).instances] == ["i-2", "i-3"]


def test_an_unknown_price_is_not_nothing() -> None:
    """The sum is unknown, and says what of it is known; several currencies are not added up."""
    _, manager = pool(instance("i-1", "w-1"), instance("i-2", None), instance("i-3", None, price=None))
    found = manager.cloud.orphans(LATER)
    assert math.isnan(found.rate) and (found.known_rate, found.unpriced) == (0.5, 1)
    _, manager = pool(instance("i-2", None), instance("i-3", None, price=Price(1.0, "EUR", "t", "2026-01-01")))
    found = manager.cloud.orphans(LATER)
    assert math.isnan(found.rate) and math.isnan(found.known_rate) and found.currencies == ("EUR", "USD")


def test_a_worker_whose_provider_has_no_instance_for_it_is_told() -> None:
    """Of other providers nothing is known."""
    _, manager = pool()
    manager.register_worker("w-2", capacity=Resources(cpu=1), labels={"provider": "own rack"})
    manager.advance(1.0)
    found = manager.cloud.orphans(LATER)
    assert [(one.id, one.kind.provider) for one in found.workers] == [("w-1", "aws")] and found.rate == 0.0


def test_a_lost_worker_s_instance_is_an_orphan() -> None:
    """It runs and costs, and does nothing."""
    _, manager = pool(instance("i-1", "w-1"))
    manager.deregister_worker("w-1")
    manager.advance(1.0)
    assert [one.id for one in manager.cloud.orphans(LATER).instances] == ["i-1"]


def test_of_a_provider_that_does_not_answer_nothing_is_said_but_that() -> None:
    """Neither its last inventory nor its workers count as orphans."""
    rented, manager = pool(instance("i-1", "w-1"), instance("i-2", None))
    manager.cloud.totals(0.0)
    rented.failure = RuntimeError("gone")
    found = manager.cloud.orphans(LATER)
    assert found.instances == () and found.workers == () and [one.error for one in found.problems] == ["gone"]


def test_without_a_pool_every_marked_instance_is_an_orphan() -> None:
    """A program that only looks."""
    rented = Rented("aws")
    rented.instances = [instance("i-1", "w-1")]
    assert [one.id for one in CloudProviderManager([rented]).orphans(LATER).instances] == ["i-1"]


def test_the_page_tells_what_was_told_last_and_asks_nobody() -> None:
    """Before anybody has asked; what was found then, with its age and its cost; none; and of a pool that has no provider to ask."""
    rented, manager = pool(instance("i-1", "w-1"), instance("i-2", "w-of-a-run-that-was-killed", launched_at=math.nan))
    page = Page(DRMState(manager))

    def told() -> tuple[str, str]:
        answer = page.call(ids.ORPHANS_TEXT, drm_cloud_tick=TICK)
        return answer[ids.ORPHANS_TEXT]["children"], json.dumps(answer[ids.ORPHANS_TABLE]["content"])

    assert told()[0] == orphans_text.NONE_ASKED and rented.asked == 0
    manager.cloud.orphans(LATER)
    manager.advance(LATER + 60)
    sentence, table = told()
    assert sentence.startswith(
        "1 instance on which no worker of the pool stands, and 0 workers without an instance, as of 00:02:01 UTC, 1 min ago."
    )
    assert "They cost 0.50 USD an hour." in sentence and "instance i-2" in table and "unknown" in table and rented.asked == 1
    rented.instances = [instance("i-1", "w-1")]
    manager.cloud.orphans(LATER + 60)
    manager.advance(LATER + 60)
    assert told() == ("There is none, as of 00:03:01 UTC, 0 s ago.", "null")
    rented.failure = RuntimeError("quota")
    manager.cloud.orphans(LATER + 60)
    manager.advance(LATER + 60)
    assert told()[0].endswith("aws did not answer: quota.")
    past = page.call(ids.ORPHANS_TEXT, drm_cloud_tick={**TICK, "at": "5"})
    assert past[ids.ORPHANS_TEXT]["children"] == orphans_text.PAST
    assert orphans_text.sentence(None, 0.0, asks=DynamicResourceManager().cloud.asks) == orphans_text.NO_PROVIDER
