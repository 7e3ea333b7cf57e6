"""Requests that nobody would send who means well, a few of each kind; `make soak` sends a thousand and ten thousand of them."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from drm.serving import serve
from drm.state import DRMState
from tests.integration.fuzzed_calls import ALLOWED, ROUTE, Complaints, fuzzed, real_calls, states
from tests.integration.schemathesis_cases import ask
from tests.unit.page_pool import state_with_history

SEED = 11


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


def test_what_is_made_up_from_the_document_is_answered_as_it_says(complaints: Complaints) -> None:
    """Right requests and wrong ones: no 5xx, the statuses, types and bodies of the document, and nothing in the log."""
    with serve(state_with_history(), port=0) as server:
        answered = ask(server.url, 80, SEED)
    assert answered.total() >= 80 and {200, 400, 404} <= {status for _, status in answered}
    assert complaints.told == []


@pytest.mark.parametrize(("name", "calls"), [("external", 700), ("simulated", 300), ("unticked", 500)])
def test_a_harmed_call_of_a_callback_ends_in_no_traceback(
    pools: dict[str, DRMState], complaints: Complaints, name: str, calls: int
) -> None:
    """Wrong types, missing keys, deep nesting, huge numbers, NaN, half a body: refused in words, or answered; nothing in the log."""
    app, real = real_calls(pools[name])
    client, chance, answered = app.server.test_client(), random.Random(SEED), Counter[int]()
    for number in range(calls):
        sent = fuzzed(chance, real)
        answer = client.post(ROUTE, data=sent.body, content_type=sent.content_type)
        answered[answer.status_code] += 1
        assert answer.status_code in ALLOWED and "Traceback" not in answer.text and complaints.told == [], (
            number,
            sent.body[:2000],
            answer.status_code,
            complaints.told,
        )
        assert answer.status_code < 400 or (answer.mimetype == "application/problem+json" and answer.json["status"] == answer.status_code)
    # All of them refused would mean that nothing behind the guard was tried.
    assert answered[200] > calls / 5 and answered[400] > calls / 5 and answered[415] > 0


@pytest.mark.parametrize("name", ["external", "simulated", "unticked"])
def test_the_calls_that_are_harmed_are_those_of_a_page(pools: dict[str, DRMState], name: str) -> None:
    """Each of them, as it is, is answered: what is harmed was whole."""
    app, real = real_calls(pools[name])
    assert len({one["output"] for one in real}) == len([one for one in app.callback_map.values() if "callback" in one]) > 15
    for call in real:
        answer = app.server.test_client().post(ROUTE, json=call)
        assert answer.status_code in (200, 204), (call["output"], answer.text)


@pytest.mark.parametrize(
    ("output", "argument", "path", "value"),
    [
        ("drm-explanation-title.children", "drm-explanation-tick", ("decision",), "1" * 5000),
        ("drm-span-words.children", "drm-span", (0, 1), 10**400),
        ("drm-utilization-wire.data", "drm-utilization-tick", ("range",), "2592000s"),
    ],
    ids=["a decision of 5000 digits", "a moment beyond every number", "thirty days of a pool without workers"],
)
def test_what_was_found_once_is_not_found_again(
    pools: dict[str, DRMState], complaints: Complaints, output: str, argument: str, path: tuple[str | int, ...], value: object
) -> None:
    """Each of these ended in a traceback."""
    app, real = real_calls(pools["unticked"])
    call = json.loads(json.dumps(next(one for one in real if output in one["output"])))
    part = next(one for one in call["inputs"] if one["id"] == argument)["value"]
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert app.server.test_client().post(ROUTE, json=call).status_code in (200, 400) and complaints.told == []
