"""What may be changed over HTTP: by whom, what is said before, and that the ledger keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from drm.dashboard import mount
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.policies import policy_names
from drm.server import create_standalone
from drm.state import DRMState
from tests.integration.conftest import Wire

TOKEN = "correct-horse-battery"
FOUR = Resources(cpu=4, memory=8e9)


class Acted:
    """A pool of two workers behind a real server whose actions are on."""

    def __init__(self, wire: Callable[[Flask], Wire], token: str | None = None, actions: bool = True, host: str = "127.0.0.1") -> None:
        self.launched: list[int] = []
        engine = ExternalEngine(worker_shape=FOUR, on_launch=lambda count, _: self.launched.append(count), on_retire=lambda _: None)
        self.manager = DynamicResourceManager(engine, "manual,workers=2", Bounds(0, 4), now=0.0)
        for name in ("a", "b"):
            self.manager.register_worker(name, capacity=FOUR)
        self.manager.advance(1.0)
        app = create_standalone(host, "/drm-dashboard/", token=token, further_hosts=("pool.example",))
        mount(app, DRMState(self.manager), api_prefix="", actions=actions)
        self.client: Client = wire(app).test_client()
        self.headers: dict[str, str] = {} if token is None else {"Authorization": f"Bearer {token}"}

    def act(self, action: str, headers: Any = None, **body: Any) -> tuple[int, dict[str, Any]]:
        answer = self.client.post(f"/api/v1/actions/{action}", json=body, headers=self.headers if headers is None else headers)
        return answer.status_code, json.loads(answer.data) if answer.is_json or answer.mimetype == "application/problem+json" else {}

    @property
    def kept(self) -> list[tuple[str, str]]:
        return [(one.code, one.reason) for one in reversed(self.manager.decisions(Query(actor="user")))]


def test_each_action_says_what_it_will_do_does_it_and_is_kept(wire: Callable[[Flask], Wire]) -> None:
    """A preview changes nothing; the ledger has who asked, and from where."""
    pool = Acted(wire)
    wanted = [
        ("cordon", {"worker": "a"}, "Worker a takes no new task", "Worker a is cordoned.", "cordoned worker a"),
        ("uncordon", {"worker": "a"}, "takes tasks again", "Worker a takes tasks again.", "uncordoned worker a"),
        ("drain", {"worker": "b"}, "ended, for good", "Worker b drains.", "asked worker b to drain"),
        ("bounds", {"min": 3, "max": 9}, "will be started, which may cost money", "3 to 9 workers", "bounds from 0:4 to 3:9"),
        (
            "policy",
            {"policy": "queue,target_seconds=9"},
            "instead of manual,workers=2",
            "queue,target_seconds=9",
            "to queue,target_seconds=9",
        ),
        ("policy", {"policy": "manual", "parameters": {"workers": 3}}, "manual,workers=3", "manual,workers=3", "to manual,workers=3"),
    ]
    for number, (action, body, will, done, reason) in enumerate(wanted):
        status, told = pool.act(action, preview=True, **body)
        assert (status, told["done"], told["decision"]) == (200, False, None) and will in told["sentence"], told
        assert len(pool.kept) == number
        status, told = pool.act(action, **body)
        assert (status, told["done"], told["actor"]) == (200, True, "a user at 127.0.0.1") and done in told["sentence"], told
        assert reason in pool.kept[-1][1] and pool.kept[-1][1].startswith("a user at 127.0.0.1 ")
        assert pool.manager.explain(told["decision"]).reason == pool.kept[-1][1]
    assert pool.manager.worker("b").state == "draining" and pool.manager.bounds == Bounds(3, 9)
    present = json.loads(pool.client.get("/api/v1/actions").data)
    choices = present.pop("policies")
    assert present == {"bounds": {"min": 3, "max": 9}, "policy": "manual", "parameters": {"workers": 3.0}}
    assert set(choices) == set(policy_names()) and [one["name"] for one in choices["manual"]] == ["workers"]


@pytest.mark.parametrize(
    ("action", "body", "status", "said"),
    [
        ("cordon", {"worker": "zebra"}, 404, "zebra"),
        ("cordon", {}, 400, "worker"),
        ("uncordon", {"worker": "a"}, 400, "running"),
        ("cordon", {"worker": "x" * 257}, 400, "worker"),
        ("bounds", {"min": 5, "max": 2}, 400, "5:2"),
        ("bounds", {"min": 0, "max": 4}, 400, "already"),
        ("bounds", {"min": -1, "max": 4}, 400, "min"),
        ("bounds", {"min": 1.5, "max": 4}, 400, "min"),
        ("bounds", {"min": 1, "max": 10**9}, 400, "max"),
        ("policy", {"policy": "greedy"}, 400, "greedy"),
        ("policy", {"policy": "queue,target_seconds=-1"}, 400, "target_seconds"),
        ("policy", {"policy": "manual", "parameters": {"size": 3}}, 400, "size"),
        ("policy", {"policy": "manual,workers=2"}, 400, "already"),
        ("drain", {"worker": "a", "now": True}, 400, "now"),
    ],
)
def test_what_is_not_possible_is_refused_before_and_after(action: str, body: dict[str, Any], status: int, said: str) -> None:
    """With the value and the rule, by the preview as by the action; nothing is kept."""
    pool = _local()
    for preview in (True, False):
        got, told = pool.act(action, preview=preview, **body)
        assert got == status and said in told["detail"], told
    assert pool.kept == []


def _local() -> Acted:
    """Without a socket: what is wrong with a body is the same over any."""

    class Plain:
        def __init__(self, app: Flask) -> None:
            self.test_client = app.test_client

    return Acted(Plain)  # type: ignore[arg-type]


def test_without_actions_there_are_no_routes(wire: Callable[[Flask], Wire]) -> None:
    """Read-only is the default: nobody can act, with the token or without."""
    for token in (None, TOKEN):
        pool = Acted(wire, token, actions=False)
        for action, body in (("cordon", {"worker": "a"}), ("bounds", {"min": 0, "max": 1}), ("policy", {"policy": "queue"})):
            assert pool.act(action, **body)[0] in (404, 405)
        assert pool.client.get("/api/v1/actions", headers=pool.headers).status_code == 404
        assert pool.kept == [] and b"data-drm-act" not in pool.client.get("/drm-dashboard/_dash-layout", headers=pool.headers).data


def test_another_sites_page_cannot_act(wire: Callable[[Flask], Wire]) -> None:
    """Neither by fetch, nor by a form, with a cookie or without a door."""
    for token in (None, TOKEN):
        pool = Acted(wire, token)
        if token:
            assert pool.client.post("/login", data={"token": token}).status_code == 303
        for foreign in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            assert pool.act("cordon", foreign, worker="a")[0] == 403
        form = pool.client.post("/api/v1/actions/cordon", data={"worker": "a"}, headers=pool.headers)
        plain = pool.client.post("/api/v1/actions/cordon", data='{"worker": "a"}', content_type="text/plain", headers=pool.headers)
        assert (form.status_code, plain.status_code) == (415, 415)
        assert pool.kept == []
        own = {"Origin": "http://localhost", "Host": "localhost", "Sec-Fetch-Site": "same-origin"}
        assert pool.act("cordon", own, worker="a")[0] == 200


def test_with_a_token_nobody_acts_without_it(wire: Callable[[Flask], Wire]) -> None:
    """401, and nothing is kept."""
    pool = Acted(wire, TOKEN)
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert pool.act("drain", headers, worker="a")[0] == 401
    assert pool.kept == []


def test_without_a_token_only_this_machine_acts() -> None:
    """Neither another address, nor a name that others call it by, as a proxy does."""
    pool = _local()
    far = pool.client.post("/api/v1/actions/cordon", json={"worker": "a"}, environ_base={"REMOTE_ADDR": "10.1.2.3"})
    named = pool.client.post("/api/v1/actions/cordon", json={"worker": "a"}, headers={"Host": "pool.example"})
    for answer in (far, named):
        assert answer.status_code == 403 and "--token" in json.loads(answer.data)["detail"]
    assert pool.kept == []


def test_in_a_hosts_application_its_users_are_named() -> None:
    """The host's door lets in; who came stands in the ledger. Another origin is refused even where the host does not look."""
    manager = DynamicResourceManager(now=0.0)
    manager.register_worker("a", capacity=FOUR)
    manager.advance(1.0)
    app = Flask("host")
    mount(app, DRMState(manager), "/pool/", actions=True)
    client, path = app.test_client(), "/pool/api/v1/actions/cordon"
    assert client.post(path, json={"worker": "a"}, headers={"Origin": "http://evil.example"}).status_code == 403
    answer = client.post(path, json={"worker": "a"}, environ_base={"REMOTE_USER": "alice", "REMOTE_ADDR": "10.1.2.3"})
    assert answer.status_code == 200
    assert manager.decisions(Query(actor="user"))[0].reason == "user alice at 10.1.2.3 cordoned worker a"
