"""Ticks over real websockets: each page gets each tick, no page can hold up the tick or another page, and strangers get none."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from drm import push
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.server import Server
from drm.serving import serve
from drm.state import DRMState
from tests.integration.conftest import TICKS
from tests.integration.viewers import watch_each

TOKEN = "correct-horse-battery"
PAGES = 20


@pytest.fixture
def state() -> DRMState:
    """A pool of one worker, ticked once."""
    manager = DynamicResourceManager(now=0.0)
    manager.register_worker("w1", capacity=Resources(cpu=4, memory=8e9))
    state = DRMState(manager)
    state.advance(1.0)
    return state


@pytest.fixture
def server(state: DRMState) -> Iterator[Server]:
    """A pushed server of it."""
    with serve(state, port=0, push=True) as server:
        yield server


@pytest.fixture
def locked(state: DRMState) -> Iterator[Server]:
    """One behind a token."""
    with serve(state, port=0, push=True, token=TOKEN) as server:
        yield server


def ticks_of(server: Server) -> str:
    return f"ws://127.0.0.1:{server.port}{TICKS}"


def frame(page: ClientConnection, seconds: float = 5.0) -> dict[str, Any]:
    """The next frame that is no beat."""
    while True:
        told: dict[str, Any] = json.loads(page.recv(seconds))
        if told:
            return told


def until(condition: Any, what: str, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_twenty_pages_get_every_tick_and_cost_no_thread(state: DRMState, server: Server) -> None:
    """Each page is sent each version once, in order; threads stay as they are, memory within what noise may be."""
    process, times = psutil.Process(), itertools.count(2)

    def advance() -> int:
        return state.advance(float(next(times))).version

    asyncio.run(watch_each(ticks_of(server), PAGES, 10, advance))
    threads, memory, first = threading.active_count(), process.memory_info().rss, state.snapshot.version
    seen = asyncio.run(watch_each(ticks_of(server), PAGES, 50, advance))
    assert threading.active_count() <= threads
    assert process.memory_info().rss - memory < 20e6
    # The one that stood when the page came, and those that followed.
    assert [one.versions for one in seen] == [list(range(first, first + 51))] * PAGES


def test_a_page_that_does_not_ask_gets_the_newest_once_it_does(state: DRMState, server: Server) -> None:
    """A hundred ticks while it is busy are one tick afterwards, not a queue of a hundred."""
    with connect(ticks_of(server)) as page:
        page.send("next")
        assert frame(page) == {"version": 1}
        for second in range(100):
            state.advance(2.0 + second)
        page.send("next")
        assert frame(page) == {"version": 101}
        with pytest.raises(TimeoutError):
            frame(page, 0.3)


def test_a_tick_is_told_once_however_early_a_page_asks_for_it(state: DRMState) -> None:
    """A page that asks between a tick and the word of it is told the tick before, and this one next."""
    told = []

    def ask() -> None:
        page.send("next")
        told.append(frame(page)["version"])

    forget = state.listen(lambda: state.snapshot.version == 3 and ask())
    with serve(state, port=0, push=True) as server, connect(ticks_of(server)) as page:
        ask()
        state.advance(2.0)
        state.advance(3.0)
        ask()
    forget()
    assert told == [1, 2, 3]


def test_the_tick_waits_for_no_page(state: DRMState, server: Server) -> None:
    """With pages that ask and never read, a tick takes as long as with none."""
    took = []
    with ExitStack() as stack:
        pages = [stack.enter_context(connect(ticks_of(server), close_timeout=0.1)) for _ in range(PAGES)]
        for second in range(200):
            for page in pages[:5]:
                page.send("next")
            began = time.perf_counter()
            state.advance(2.0 + second)
            took.append(time.perf_counter() - began)
    assert sorted(took)[100] < 0.05


def test_a_page_is_told_that_the_server_is_there_when_no_tick_comes(server: Server) -> None:
    """An empty frame within little more than two seconds, also to a page that does not ask."""
    with connect(ticks_of(server)) as page:
        assert page.recv(push.BEAT_SECONDS + 1.5) == "{}"


def test_a_tick_that_failed_is_pushed_too(state: DRMState, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the page says at once what is wrong; the version is the last good one."""
    with connect(ticks_of(server)) as page:
        page.send("next")
        assert frame(page) == {"version": 1}
        page.send("next")
        time.sleep(0.1)
        monkeypatch.setattr(state.manager.engine, "observe", lambda now: 1 / 0)
        state.advance(2.0)
        assert not state.health.ok
        assert frame(page) == {"version": 1}


@pytest.mark.parametrize(
    ("headers", "origin", "status"),
    [
        ({}, "http://evil.example", 403),
        ({}, "null", 403),
        ({"Host": "evil.example"}, None, 400),
        ({"Host": "evil.example"}, "http://evil.example", 400),
        ({"Host": "127.0.0.1.evil.example"}, None, 400),
    ],
)
def test_a_page_of_somebody_else_is_not_let_in(server: Server, headers: dict[str, str], origin: Any, status: int) -> None:
    """Another origin, or another name for this address: the handshake is refused with the reason."""
    assert handshake(server, headers | ({"Origin": origin} if origin else {})) == status


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", None])
def test_our_own_page_and_a_program_are(server: Server, origin: str | None) -> None:
    """With the origin of the page, or with none, as programs are."""
    assert handshake(server, {"Origin": origin.format(port=server.port)} if origin else {}) == 101


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer guess"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Cookie": 'drm_session=1; a="; drm'}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 101),
        ({"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"}, 403),
    ],
)
def test_the_door_is_shut_for_websockets_too(locked: Server, headers: dict[str, str], status: int) -> None:
    """Without the token, with a wrong one, or with the right one from a page of somebody else, no tick is sent."""
    assert handshake(locked, headers) == status


def test_the_cookie_of_the_login_opens_it(locked: Server) -> None:
    """What the browser got for the token is enough."""
    form = urllib.request.Request(f"{locked.url}/login", f"token={TOKEN}".encode())
    opener = urllib.request.build_opener(_NoRedirect)
    cookie = opener.open(form).headers["Set-Cookie"].split(";")[0]
    assert handshake(locked, {"Cookie": cookie, "Origin": locked.url}) == 101
    assert handshake(locked, {"Cookie": f"{cookie}x", "Origin": locked.url}) == 401


def test_guesses_at_websockets_count_as_guesses(locked: Server) -> None:
    """Who tried many tokens there has to wait everywhere."""
    statuses = [handshake(locked, {"Authorization": f"Bearer {number}"}) for number in range(22)]
    assert statuses[0] == 401 and statuses[-1] == 429


class _NoRedirect(urllib.request.HTTPErrorProcessor):
    def http_response(self, request: Any, response: Any) -> Any:
        return response


def handshake(server: Server, headers: dict[str, str]) -> int:
    """The status that a handshake with these headers gets."""
    lines = {"Host": f"127.0.0.1:{server.port}", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"} | headers
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        client.sendall(f"GET {TICKS} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{text}\r\n".encode())
        return int(client.recv(400).split()[1])


def test_there_is_no_websocket_elsewhere(server: Server) -> None:
    """Any other path is refused."""
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://127.0.0.1:{server.port}/drm-dashboard/_dash-ws-callback")


@pytest.mark.parametrize("hostile", ["", "{", "[" * 1000, "\x00", b"\xff\xfe", b"", "x" * 1024])
def test_what_a_page_says_does_not_matter(server: Server, hostile: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Each message asks for a tick; nothing of it is read, and nothing is logged."""
    with connect(ticks_of(server)) as page:
        page.send(hostile)
        assert frame(page) == {"version": 1}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING and record.name != "waitress.queue"]


def test_a_long_message_ends_its_own_page_only(state: DRMState, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """More than a page would ever say closes the socket; another page goes on."""
    with connect(ticks_of(server)) as good, connect(ticks_of(server)) as bad:
        bad.send("x" * 100_000)
        with pytest.raises(ConnectionClosed):
            frame(bad)
        good.send("next")
        assert frame(good) == {"version": 1}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_flood_of_messages_is_one_question(state: DRMState, server: Server) -> None:
    """Ten thousand messages are answered with one tick, and the next page is served meanwhile."""
    with connect(ticks_of(server)) as flood, connect(ticks_of(server)) as page:
        for _ in range(10_000):
            flood.send("next")
        page.send("next")
        assert frame(page) == {"version": 1}
        assert frame(flood) == {"version": 1}
        with pytest.raises(TimeoutError):
            frame(flood, 0.3)


def test_more_pages_than_the_limit_have_to_poll(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one too many is refused with 503; one that leaves makes room."""
    monkeypatch.setattr(push, "MOST_VIEWERS", 2)
    with connect(ticks_of(server)), connect(ticks_of(server)) as second:
        assert handshake(server, {}) == 503
        second.close()
        until(lambda: handshake(server, {}) == 101, "room for one more")


def test_slow_clients_hold_no_thread(server: Server) -> None:
    """With 64 half requests, 64 half bodies and 64 that do not read, the page answers at once."""
    half = [b"GET / HTTP/1.1\r\nHost:", b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"]
    whole = f"GET /drm-dashboard/_dash-layout HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode() * 20
    clients = []
    for _ in range(64):
        for text in (*half, whole):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(text)
            clients.append(client)
    time.sleep(0.5)
    began = time.monotonic()
    assert urllib.request.urlopen(f"{server.url}/healthz", timeout=10).status == 200
    assert time.monotonic() - began < 5
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 3
    for client in clients:
        client.close()


def test_a_request_that_never_becomes_whole_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a header, at the start or later on a connection, and half a body, end with their time; a page that only watches does not."""
    monkeypatch.setattr("drm.connection.HEADER_SECONDS", 0.5)
    monkeypatch.setattr("drm.asgi.BODY_SECONDS", 0.5)
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    half_body = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab"
    for first, then, last_words in (
        (b"", b"", b""),
        (b"GET /", b" HTTP/1.1\r\n", b""),
        (whole, b"GET /", b""),
        (half_body, b"c", b" 408 "),
    ):
        with connect(ticks_of(server)) as page, socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(first)
            if first is whole:
                answer = b""
                while not answer.endswith(b"}"):
                    answer += client.recv(4096)
                assert b" 200 " in answer
            client.sendall(then)
            said = b""
            while part := client.recv(4096):
                said += part
            assert last_words in said and bool(last_words) == bool(said), first
            page.send("next")
            assert frame(page) == {"version": 1}


def test_stopping_says_goodbye_and_lets_go_of_the_state(state: DRMState) -> None:
    """Open pages are closed, the port is free, the tick runs on and tells nobody; 10 rounds leave no thread and no socket."""
    process = psutil.Process()
    before = threading.active_count(), process.num_fds()
    for _ in range(10):
        server = serve(state, port=0, push=True)
        with connect(ticks_of(server)) as page:
            page.send("next")
            frame(page)
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 2
            with pytest.raises(ConnectionClosed):
                frame(page)
        state.advance(time.time())
        assert not state._listeners
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", server.port))
    until(lambda: threading.active_count() <= before[0], f"threads: {threading.enumerate()}")
    until(lambda: process.num_fds() <= before[1] + 1, "open files")
