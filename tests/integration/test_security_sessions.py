"""Sessions end: by age, and by logging out; nothing but the token makes one; how long a comparison takes says nothing of it."""

from __future__ import annotations

import hmac
import http.client
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from drm import sessions as module
from drm.asgi import PushedApplication
from drm.guards import protect
from drm.manager import DynamicResourceManager
from drm.push_server import PushServer
from drm.sessions import ENDED_KEPT, SESSION_SECONDS, Sessions, same_secret
from drm.state import DRMState
from drm.trust import Trust
from tests.integration.conftest import TICKS, Wire

TOKEN = "correct-horse-battery"
LOGIN = {"token": TOKEN}
BROWSER = {"Accept": "text/html"}


class Door:
    """A program behind a token, its clock, and the sessions that another server of it shares."""

    def __init__(self, put: Callable[[Flask], Wire]) -> None:
        self.now = 1_700_000_000.0
        self.sessions = Sessions(TOKEN, lambda: self.now)
        self.wires = [put(self._app()) for _ in range(2)]

    def _app(self) -> Flask:
        app = Flask(__name__)
        protect(app, Trust((), TOKEN, sessions=self.sessions))
        app.add_url_rule("/", "root", lambda: "in")
        return app


@pytest.fixture(scope="module")
def door(wire: Callable[[Flask], Wire]) -> Door:
    """Two servers of one program."""
    return Door(wire)


def cookie_of(door: Door) -> str:
    """The value that a login gives, now."""
    answer = door.wires[0].test_client().post("/login", data=LOGIN)
    assert f"Max-Age={SESSION_SECONDS}" in answer.headers["Set-Cookie"]
    return answer.headers["Set-Cookie"].split("=", 1)[1].split(";")[0]


def status(door: Door, value: str, server: int = 0) -> int:
    """What a browser with this cookie gets."""
    client = door.wires[server].test_client()
    client.set_cookie(door.sessions.cookie, value)
    return client.get("/").status_code


def test_a_session_ends_with_its_time(door: Door) -> None:
    """A second before it lets in, from then on it does not; and a browser that kept the cookie is shown the form."""
    value, began = cookie_of(door), door.now
    door.now = began + SESSION_SECONDS - 1
    assert status(door, value) == 200
    door.now = began + SESSION_SECONDS
    assert status(door, value) == 401
    client = door.wires[0].test_client()
    client.set_cookie(door.sessions.cookie, value)
    assert "<form" in client.get("/", headers=BROWSER).text and client.get("/login").status_code == 401


def test_nobody_can_give_a_session_more_time(door: Door) -> None:
    """Until when it holds is signed, with a part that no two have in common; another token's signature is none."""
    value = cookie_of(door)
    until, nonce, signature = value.split(".")
    assert value != cookie_of(door)
    other = Sessions(TOKEN + "x", lambda: door.now).begin()
    forged = [
        f"{int(until) + 1}.{nonce}.{signature}",
        f"{until}.{nonce[:-1]}.{signature}",
        f"{until}.{nonce}.",
        f"{until}.{nonce}",
        f".{signature}",
        other,
        f"{value}0",
        f"{value[:-1]}{'0' if value[-1] != '0' else '1'}",
    ]
    assert [one for one in forged if status(door, one) != 401] == []
    assert status(door, value) == 200


def test_who_logs_out_is_out_everywhere(door: Door) -> None:
    """A copy of the cookie as well, and on the other server of the program; who logged in elsewhere stays in."""
    mine, theirs = cookie_of(door), cookie_of(door)
    client = door.wires[0].test_client()
    client.set_cookie(door.sessions.cookie, mine)
    answer = client.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login") and "Max-Age=0" in answer.headers["Set-Cookie"]
    assert [status(door, mine, server) for server in (0, 1)] == [401, 401]
    assert [status(door, theirs, server) for server in (0, 1)] == [200, 200]


def test_nobody_is_logged_out_by_a_page_of_somebody_else(door: Door) -> None:
    """Not by a form, and not by an image: a GET changes nothing."""
    value = cookie_of(door)
    client = door.wires[0].test_client()
    client.set_cookie(door.sessions.cookie, value)
    assert client.post("/logout", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/logout").status_code == 404
    assert status(door, value) == 200


def test_what_was_logged_out_takes_no_more_room_than_it_has() -> None:
    """Of very many the oldest is forgotten, and none that would have ended anyhow is kept."""
    now = [0.0]
    sessions = Sessions(TOKEN, lambda: now[0])
    sessions._ended = {f"{SESSION_SECONDS}.{number}": SESSION_SECONDS for number in range(ENDED_KEPT)}
    value = sessions.begin()
    sessions.end(value)
    assert len(sessions._ended) == ENDED_KEPT and not sessions.knows(value)
    now[0] = SESSION_SECONDS
    last = sessions.begin()
    sessions.end(last)
    assert list(sessions._ended) == [last.rpartition(".")[0]]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The lengths of all that is compared."""
    lengths: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        lengths.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(module.hmac, "compare_digest", watched)
    return lengths


@pytest.mark.parametrize("given", ["", "c", TOKEN[:-1], TOKEN, TOKEN + "x", "x" * 10_000, "\udcff", "é"])
def test_what_is_compared_is_as_long_whatever_is_given(given: str, compared: list[tuple[int, int]]) -> None:
    """In constant time, over digests: neither how many characters were right nor how long the token is shows in it."""
    trust = Trust((), TOKEN)
    assert (trust.refuse_token(given, "10.0.0.1") is None) == (given == TOKEN)
    assert not trust.knows({trust.sessions.cookie: given})
    assert set(compared) == {(32, 32)} and len(compared) == 2


def test_how_long_a_comparison_takes_says_nothing_of_the_token() -> None:
    """A token that is wrong in its first character is refused as fast as one that is wrong in its last, within a wide margin."""
    secret = "s" * 4000
    guesses = {"first": "x" + secret[1:], "last": secret[:-1] + "x"}
    fastest = dict.fromkeys(guesses, float("inf"))
    for _ in range(300):
        for name, guess in guesses.items():
            began = time.perf_counter()
            assert not same_secret(guess, secret)
            fastest[name] = min(fastest[name], time.perf_counter() - began)
    assert 1 / 3 < fastest["first"] / fastest["last"] < 3


@pytest.fixture
def pushed() -> Iterator[tuple[PushServer, Door, DRMState]]:
    """A pushed server whose sessions the test ends."""
    state = DRMState(DynamicResourceManager(now=0.0))
    door = Door(lambda app: Wire(app, None))  # type: ignore[arg-type]  # nothing is sent to it
    with PushServer("127.0.0.1", 0) as server:
        server.start(PushedApplication(door.wires[0].app, state, TICKS))
        yield server, door, state


@pytest.mark.parametrize("how", ["its time", "logging out"])
def test_a_websocket_ends_with_its_session(pushed: tuple[PushServer, Door, DRMState], how: str) -> None:
    """At the next tick or beat it is closed with 1008, and the next handshake is refused; who showed the token itself stays."""
    server, door, state = pushed
    value = door.sessions.begin()
    cookie = {"Cookie": f"{door.sessions.cookie}={value}"}
    with shaken(server, cookie) as watching, shaken(server, {"Authorization": f"Bearer {TOKEN}"}) as program:
        if how == "its time":
            door.now += SESSION_SECONDS
        else:
            door.sessions.end(value)
        state.advance(1.0)
        frame = read_until(watching, b"\x88")
        assert int.from_bytes(frame[2:4], "big") == 1008
        assert read_until(program, b"\x81")[2:] == b"{}"
    with pytest.raises(PermissionError, match="401"):
        shaken(server, cookie)


def shaken(server: PushServer, headers: dict[str, str]) -> socket.socket:
    """An open websocket."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    lines = {"Host": f"127.0.0.1:{server.port}", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"} | headers
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    client.sendall(f"GET {TICKS} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{text}\r\n".encode())
    answer = http.client.HTTPResponse(client)
    answer.begin()
    if answer.status != 101:
        client.close()
        raise PermissionError(str(answer.status))
    return client


def read_until(client: socket.socket, opcode: bytes) -> bytes:
    """The next short frame that begins so."""
    while True:
        head = client.recv(2)
        body = client.recv(head[1]) if head[1] else b""
        if head[:1] == opcode:
            return head + body
