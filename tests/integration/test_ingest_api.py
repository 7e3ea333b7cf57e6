"""What workers send over HTTP: who may, what is taken, and that what is refused has changed nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import Client

from drm.dashboard import mount
from drm.engines.external import ExternalEngine
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.server import create_standalone
from drm.state import DRMState
from tests.integration.conftest import Wire

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FOUR = {"cpu": 4, "memory": 8e9}
PATH = "/api/v1/workers/{}/report"


class Reporting:
    """A pool that reports itself behind a real server, with a clock of its own."""

    def __init__(self, wire: Callable[[Flask], Wire], token: str | None = TOKEN, engine: Any = None) -> None:
        self.now = 1_000_000.0
        self.manager = DynamicResourceManager(engine or ExternalEngine(max_workers=5), now=self.now)
        state = DRMState(self.manager)
        app = create_standalone("127.0.0.1", "/drm-dashboard/", token=token)
        mount(app, state, api_prefix="")
        self.client: Client = wire(app).test_client()
        self.tick()

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.manager.advance(self.now)

    def send(self, worker_id: str = "a", headers: Any = None, **body: Any) -> tuple[int, dict[str, Any]]:
        told = {"capacity": FOUR, "used": {"cpu": 1.5}} | body
        return self.post(json.dumps(told), quote(worker_id, safe=""), headers)

    def post(self, text: str | bytes, worker_id: str = "a", headers: Any = None) -> tuple[int, dict[str, Any]]:
        answer = self.client.post(
            PATH.format(worker_id), data=text, content_type="application/json", headers=BEARER if headers is None else headers
        )
        if answer.status_code >= 400:
            assert answer.content_type == "application/problem+json", answer.data
        return answer.status_code, json.loads(answer.data)

    @property
    def workers(self) -> dict[str, str]:
        self.tick(0.001)
        return {one: self.manager.worker(one).state for one in self.manager.snapshot.worker_ids}


@pytest.fixture
def pool(wire: Callable[[Flask], Wire]) -> Iterator[Reporting]:
    reporting = Reporting(wire)
    yield reporting
    reporting.manager.close()


def test_a_worker_joins_is_lost_and_comes_back(pool: Reporting) -> None:
    """With its first report, after a minute of silence, and with the next report; it is one worker all the time."""
    assert pool.send(labels={"rack": "b7"}) == (200, {"worker": "a", "registered": True, "newest": True, "kept": 0, "dropped": 0})
    assert pool.send()[1]["registered"] is False
    assert pool.workers == {"a": "running"}
    one = pool.manager.worker("a")
    assert (one.capacity.cpu, one.used["cpu"], dict(one.labels)) == (4, 1.5, {"rack": "b7"})
    for _ in range(7):
        pool.tick(10)
    assert pool.workers == {"a": "lost"}
    assert pool.send()[1]["registered"] is True
    assert pool.workers == {"a": "running"}
    assert dict(pool.manager.worker("a").labels) == {"rack": "b7"}


def test_a_worker_may_have_grown(pool: Reporting) -> None:
    """Its last report says what it has."""
    pool.send()
    pool.tick()
    pool.send(capacity={"cpu": 8, "memory": 8e9, "gpu": 1, "gpu_memory": 16e9}, used={"cpu": 6, "gpu": 0.5})
    pool.tick()
    assert pool.manager.worker("a").capacity.gpu == 1 and pool.manager.worker("a").used["gpu"] == 0.5


def test_a_worker_that_leaves_is_gone(pool: Reporting) -> None:
    """By DELETE, with the token; a second time there is no such worker."""
    pool.send("rack/7 #1")
    assert list(pool.workers) == ["rack/7 #1"]
    path = "/api/v1/workers/rack%2F7%20%231"
    assert pool.client.delete(path).status_code == 401
    assert pool.client.delete(path, headers=BEARER).status_code == 200
    assert pool.workers == {}
    gone = pool.client.delete(path, headers=BEARER)
    assert gone.status_code == 404 and "rack/7 #1" in json.loads(gone.data)["detail"]


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({}, 401, "Bearer"),
        ({"Authorization": "Bearer wrong"}, 401, "not the token"),
        ({"Authorization": f"Basic {TOKEN}"}, 401, "Bearer"),
    ],
)
def test_nobody_reports_without_the_token(pool: Reporting, headers: dict[str, str], status: int, said: str) -> None:
    """On loopback neither."""
    answer = pool.send(headers=headers)
    assert answer[0] == status and said in json.dumps(answer[1])
    assert pool.workers == {}


def test_a_cookie_is_not_enough(pool: Reporting) -> None:
    """A page that is logged in is no worker."""
    assert pool.client.post("/login", data={"token": TOKEN}).status_code == 303
    assert pool.client.get("/api/v1/snapshot").status_code == 200
    assert pool.send(headers={})[0] == 401 and pool.workers == {}


def test_without_a_token_nothing_is_taken(wire: Callable[[Flask], Wire]) -> None:
    """The answer says how to set one."""
    pool = Reporting(wire, token=None)
    for headers in ({}, BEARER):
        status, told = pool.send(headers=headers)
        assert status == 403 and "DRM_TOKEN" in told["detail"] and "openssl rand" in told["detail"]
    assert pool.workers == {}


def test_in_a_hosts_application_the_token_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever mounts it says so by DRM_TOKEN; without it nothing is taken."""
    for token in (None, TOKEN):
        monkeypatch.delenv("DRM_TOKEN", raising=False)
        if token:
            monkeypatch.setenv("DRM_TOKEN", token)
        app = Flask("host")
        manager = DynamicResourceManager(now=0.0)
        mount(app, DRMState(manager), "/pool/")
        client = app.test_client()
        path, body = "/pool/api/v1/workers/a/report", {"capacity": FOUR}
        assert client.post(path, json=body).status_code == (401 if token else 403)
        assert client.post(path, json=body, headers={"Authorization": "Bearer x"}).status_code == (401 if token else 403)
        assert client.post(path, json=body, headers=BEARER).status_code == (200 if token else 403)


BAD = [
    ({"capacity": {}}, "capacity"),
    ({"capacity": None}, "capacity"),
    ({"capacity": {"cpu": 0}}, "capacity"),
    ({"capacity": {"cpu": -4}}, "capacity.cpu"),
    ({"capacity": {"cpu": "4"}}, "capacity.cpu"),
    ({"capacity": {"cpu": 1e300}}, "capacity.cpu"),
    ({"capacity": {"cpu": 4, "tpu": 1}}, "capacity.tpu"),
    ({"used": {"cpu": -1}}, "used.cpu"),
    ({"used": {"cpu": 128}}, "128"),
    ({"used": {"gpu": 1}}, "used gpu"),
    ({"used": []}, "used"),
    ({"used": {"cpu": True}}, "used.cpu"),
    ({"labels": {"x" * 257: "y"}}, "labels"),
    ({"labels": {"x": "y" * 257}}, "labels"),
    ({"labels": {"x": 1}}, "labels"),
    ({"labels": {f"l{index}": "" for index in range(65)}}, "labels"),
    ({"labels": {"a\nb": ""}}, "labels"),
    ({"instance": "no spaces"}, "instance"),
    ({"instance": "x" * 65}, "instance"),
    ({"sequence": -1}, "sequence"),
    ({"sequence": 1.5}, "sequence"),
    ({"past": [{"used": {"cpu": 1}}]}, "past[0]"),
    ({"past": [{"used": {"cpu": 1}, "age_seconds": -1}]}, "past.0.age_seconds"),
    ({"past": [{"used": {"cpu": 1}, "time": 5}]}, "past[0].time"),
    ({"time": 4, "past": [{"used": {"cpu": 1}, "time": 5}]}, "past[0].time"),
    ({"past": [{"used": {}, "age_seconds": 1}] * 1001}, "past"),
    ({"surprise": 1}, "surprise"),
]


def test_nonsense_is_refused_in_a_sentence_and_changes_nothing(pool: Reporting) -> None:
    """It names the field; what was known stays."""
    pool.send()
    for body, named in BAD:
        status, told = pool.send(**body)
        assert status == 400 and named in told["detail"] and "\n" not in told["detail"], (body, told)
        assert set(told) == {"type", "title", "status", "detail", "instance"}
        assert pool.workers == {"a": "running"} and pool.manager.worker("a").used["cpu"] == 1.5


NO_REPORTS = (
    '{"capacity": {"cpu": NaN}}',
    '{"capacity": {"cpu": 4}, "used": {"cpu": Infinity}}',
    '{"capacity": {"cpu": 4}, "time": NaN}',
    "[]",
    "null",
    "",
    "{",
    "[" * 100_000,
    b"\xff\xfe",
)


def test_what_is_no_report_is_refused(pool: Reporting) -> None:
    """NaN and infinities are no JSON numbers, and whatever else it is, no traceback."""
    for text in NO_REPORTS:
        status, told = pool.post(text)
        assert status == 400 and told["detail"], (text[:40], told)
        assert pool.workers == {}


def test_a_body_has_its_limits(pool: Reporting) -> None:
    """1 MiB, JSON, and not compressed."""
    assert pool.post(b" " * (1024 * 1024 + 1))[0] == 413
    plain = pool.client.post(PATH.format("a"), data="{}", content_type="text/plain", headers=BEARER)
    assert plain.status_code == 415
    assert pool.post(gzip.compress(b"{}"), headers=BEARER | {"Content-Encoding": "gzip"})[0] == 400
    assert pool.client.get(PATH.format("a"), headers=BEARER).status_code in (404, 405)
    assert pool.workers == {}


def test_a_name_has_its_limits(pool: Reporting) -> None:
    """256 printable characters."""
    assert pool.send("n" * 256)[0] == 200
    for name in ("n" * 257, "a\x01b"):
        status, told = pool.send(name)
        assert status == 400 and "worker id" in told["detail"]
    assert list(pool.workers) == ["n" * 256]


def test_a_pool_has_its_limit(pool: Reporting) -> None:
    """The sixth of five workers is told so, and may come later."""
    assert [pool.send(f"w{index}")[0] for index in range(6)] == [200] * 5 + [409]
    assert len(pool.workers) == 5
    assert pool.client.delete("/api/v1/workers/w0", headers=BEARER).status_code == 200
    assert pool.send("w5")[0] == 200


def test_two_programs_under_one_id_are_told_apart(pool: Reporting) -> None:
    """The second is refused; once the first is heard of again it is known that both live, and the ledger says so, once."""
    pool.send(instance="first", used={"cpu": 1})
    for _ in range(4):
        pool.tick(5)
        status, told = pool.send(instance="second", used={"cpu": 3})
        assert status == 409 and "'a'" in told["detail"]
        assert pool.send(instance="first", used={"cpu": 1})[0] == 200
        assert pool.manager.contested_workers() == ("a",)
    pool.tick()
    assert pool.manager.worker("a").used["cpu"] == 1
    kept = pool.manager.decisions(Query(actor="worker"))
    assert [(one.code, one.worker_ids) for one in kept] == [("two_reporters", ("a",))] and "worker a" in kept[0].reason
    for _ in range(40):
        pool.tick(5)
        pool.send(instance="first")
    assert pool.manager.contested_workers() == ()


def test_a_restart_is_no_conflict(pool: Reporting) -> None:
    """A new program takes the place of one that is silent, or that has said that it leaves; nothing is told of it."""
    pool.send(instance="first")
    assert pool.send(instance="second")[0] == 409
    pool.tick(10)
    pool.tick(10)
    assert pool.send(instance="second")[0] == 200
    assert pool.send(instance="second", leaving=True)[0] == 200
    assert pool.send(instance="third")[0] == 200
    pool.tick()
    assert pool.workers == {"a": "running"} and pool.manager.contested_workers() == ()
    assert pool.manager.decisions(Query(actor="worker")) == []


def test_an_overtaken_report_is_not_the_present(pool: Reporting) -> None:
    """The one with the highest number of its program counts."""
    pool.send(instance="i", sequence=2, used={"cpu": 2})
    status, told = pool.send(instance="i", sequence=1, used={"cpu": 1})
    assert (status, told["newest"]) == (200, False)
    pool.tick()
    assert pool.manager.worker("a").used["cpu"] == 2


def test_past_samples_are_counted(pool: Reporting) -> None:
    """Those that are too old for history are dropped, whatever clock the worker has."""
    past = [{"time": 77.0 - age, "used": {"cpu": 2}} for age in (5.0, 100.0, 50_000.0)]
    assert pool.send(time=77.0, past=past)[1] == {"worker": "a", "registered": True, "newest": True, "kept": 2, "dropped": 1}
    assert pool.send(past=[{"age_seconds": 5.0, "used": {"cpu": 2}}])[1]["kept"] == 1


def test_another_engine_takes_no_reports(wire: Callable[[Flask], Wire]) -> None:
    """And says how a program that does is started."""
    from drm.engines.simulated import SimulatedEngine

    pool = Reporting(wire, engine=SimulatedEngine(3, 0))
    status, told = pool.send()
    assert status == 409 and "--engine external" in told["detail"]
