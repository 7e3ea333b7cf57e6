"""A thousand requests made up from the OpenAPI document, and ten thousand harmed calls of callbacks, to real servers of both kinds.

`make soak`; DRM_SOAK_SEED for other ones.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest
import requests

from drm.serving import serve
from drm.state import DRMState
from tests.integration.fuzzed_calls import ALLOWED, ROUTE, Complaints, fuzzed, real_calls, states
from tests.integration.schemathesis_cases import ask

CASES, CALLS = 1000, 10_000
SEED = int(os.environ.get("DRM_SOAK_SEED", "1"))
POOLS = ("external", "simulated", "unticked")


@pytest.fixture(scope="module")
def pools() -> dict[str, DRMState]:
    """A pool that reports itself, a simulated one, and one before its first tick."""
    return states()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What is logged as a warning or worse while a test runs."""
    heard = Complaints()
    logging.getLogger().addHandler(heard)
    yield heard
    logging.getLogger().removeHandler(heard)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("push", [False, True], ids=["polled", "pushed"])
def test_a_thousand_requests_are_answered_as_the_document_says(
    pools: dict[str, DRMState], complaints: Complaints, name: str, push: bool
) -> None:
    """No 5xx, and the statuses, types and bodies that it names; nothing in the log."""
    with serve(pools[name], port=0, push=push) as server:
        answered = ask(server.url, CASES, 1000 * SEED + 100 * POOLS.index(name) + 50 * push)
    told: Counter[int] = Counter()
    for (_, status), count in answered.items():
        told[status] += count
    print(f"{name}, {'pushed' if push else 'polled'}: {answered.total()} requests, by status {dict(sorted(told.items()))}")
    assert complaints.told == []


@pytest.mark.timeout(0)
@pytest.mark.parametrize("push", [False, True], ids=["polled", "pushed"])
def test_ten_thousand_harmed_calls_bring_no_callback_down(pools: dict[str, DRMState], complaints: Complaints, push: bool) -> None:
    """No 5xx, no traceback in an answer or in the log."""
    answered: Counter[int] = Counter()
    for name in POOLS:
        chance, real = random.Random(f"{SEED} {name} {push}"), real_calls(pools[name])[1]
        with serve(pools[name], port=0, push=push) as server, requests.Session() as session:
            for number in range(-(-CALLS // len(POOLS))):
                sent = fuzzed(chance, real)
                answer = session.post(server.url + ROUTE, data=sent.body, headers={"Content-Type": sent.content_type}, timeout=60)
                answered[answer.status_code] += 1
                assert answer.status_code in ALLOWED and "Traceback" not in answer.text and complaints.told == [], (
                    name,
                    number,
                    sent.body[:2000],
                    answer.status_code,
                    answer.text[:500],
                    complaints.told,
                )
    print(f"{'pushed' if push else 'polled'}: {answered.total()} harmed calls, by status {dict(sorted(answered.items()))}")
    assert answered.total() >= CALLS and answered[200] > CALLS / 5 and answered[400] > CALLS / 5
