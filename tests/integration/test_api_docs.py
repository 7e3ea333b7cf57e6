"""docs/api.md is true: each route has an example, each example is answered so, and each kind of problem stands in the table."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.history.store import HistoryStore
from drm.http import all_routes
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.problems import KINDS
from drm.serving import serve
from drm.state import DRMState
from tests.unit.past_pool import START, STEP, stepped_manager

TOKEN = "correct-horse-battery"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"```sh\ncurl (.*?)\n```\n(?:```(json|ndjson)\n(.*?)```)?", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A program with the pool of the examples: five minutes of a simulated fleet, with a history."""
    store = HistoryStore(tmp_path_factory.mktemp("history"))
    manager = stepped_manager(store=store)
    state = DRMState(manager)
    for tick in range(60):
        state.advance(START + tick * STEP)
    with serve(state, port=0) as server:
        yield server.url
    manager.close()
    store.close()


@pytest.fixture(scope="module")
def changing_url() -> Iterator[str]:
    """A program whose workers report themselves, with a token and actions, for the examples that change something."""
    manager = DynamicResourceManager(ExternalEngine(), bounds=Bounds(0, 4), now=START)
    for name in ("node-2", "node-3", "node-4"):
        manager.register_worker(name, capacity=Resources(cpu=8, memory=32e9))
    state = DRMState(manager)
    state.advance(START + STEP)
    manager.cordon("node-3")
    with serve(state, port=0, token=TOKEN, actions=True) as server:
        yield server.url
    manager.close()


def differences(told: Any, answered: Any, where: str = "") -> Iterator[str]:
    """Where an answer lacks a member of the example, or has another type there. An example shows one of several, and some members."""
    if isinstance(told, dict) and isinstance(answered, dict):
        for name, one in told.items():
            if name in answered:
                yield from differences(one, answered[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is not there"
    elif isinstance(told, list) and isinstance(answered, list):
        for one in told[:1]:
            yield from differences(one, answered[0], f"{where}[0]") if answered else [f"{where} is empty"]
    elif isinstance(told, bool) != isinstance(answered, bool) or not (
        (isinstance(told, (int, float)) and isinstance(answered, (int, float))) or type(told) is type(answered)
    ):
        yield f"{where} is {answered!r}, not as {told!r}"


def test_the_comparison_sees_a_difference() -> None:
    """In names, types, and depths."""
    answered = {"a": [{"b": 1.5}], "c": None, "d": True}
    assert not list(differences({"a": [{"b": 2}], "c": None}, answered))
    for wrong in ({"e": 1}, {"a": [{"c": 1}]}, {"a": 1}, {"c": "x"}, {"d": 1}, {"a": [{"b": "1"}]}):
        assert list(differences(wrong, answered)), wrong


@pytest.mark.parametrize(("command", "form", "told"), EXAMPLES, ids=[command[:70] for command, _, _ in EXAMPLES])
def test_an_example_is_answered_so(url: str, changing_url: str, command: str, form: str, told: str) -> None:
    """With the members that it shows; a problem to the letter."""
    words = [word.replace("$DRM_TOKEN", TOKEN) for word in shlex.split(command)]
    headers = dict(words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H")
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    asked = urlsplit(words[-1])
    body = words[words.index("-d") + 1] if "-d" in words else None
    server = changing_url if "/workers/" in asked.path or "/actions" in asked.path else url
    answer = requests.request(method, f"{server}{asked.path}?{asked.query}", headers=headers, data=body, timeout=30)
    if "urn:drm:problem" in told:
        assert answer.headers["Content-Type"] == "application/problem+json" and json.loads(told).items() <= answer.json().items()
        return
    # The pool of the examples stands still, and after a while is no longer ready.
    assert answer.status_code == 200 or (asked.path, answer.status_code) == ("/readyz", 503), answer.text
    if form == "json":
        assert not list(differences(json.loads(told), answer.json()))
    elif form == "ndjson":
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        assert not list(differences(json.loads(told), json.loads(answer.text.splitlines()[0])))
    else:
        assert len(answer.content) > (100 if "/actions" in asked.path else 1000)


def test_every_route_has_an_example() -> None:
    """So that none is added without."""
    found = {urlsplit(shlex.split(command)[-1]).path for command, _, _ in EXAMPLES}
    paths = {
        re.sub(r"/workers/[^/]+", "/workers/{+worker_id}", re.sub(r"/decisions/\d+", "/decisions/{decision_id}", one)) for one in found
    }
    assert {route.path for route in all_routes(DRMState(stepped_manager()), actions=True)} <= paths


def test_every_kind_of_problem_stands_in_the_table() -> None:
    """With its status and its title."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert rows == [(name, str(kind.status), kind.title) for name, kind in KINDS.items()]
