"""Attacks that no browser and no library would send: raw bytes over sockets, to the polled server and to the pushed one."""

from __future__ import annotations

import gzip
import http.client
import logging
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from flask import Flask

from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from tests.integration.conftest import Wire
from tests.integration.test_trust import CALLBACK, PREFIX, TOKEN, standalone

SECRET = '"workers"'
"""Stands in each answer that says anything of the pool."""
NEXT = "GET /api/v1/snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def program(wire: Callable[[Flask], Wire]) -> Wire:
    """A program on loopback without a token, so that what gets past the framing is answered with data."""
    return wire(standalone())


@pytest.fixture(scope="module")
def locked(wire: Callable[[Flask], Wire]) -> Wire:
    """One with a token."""
    return wire(standalone(TOKEN))


def exchange(wire: Wire, request: str, seconds: float = 10.0) -> str:
    """All that comes back until the server closes; AssertionError where it does not."""
    with socket.create_connection(("127.0.0.1", wire.server.port), timeout=seconds) as client:
        answer = b""
        try:
            client.sendall(request.encode("latin-1"))
            while part := client.recv(65536):
                answer += part
        except ConnectionError:
            # A server that does not read what it has refused resets the connection.
            pass
        except TimeoutError:
            raise AssertionError(f"the connection is still open after {answer[:300]!r}") from None
    return answer.decode("latin-1")


def statuses(answer: str) -> list[int]:
    """Of all answers that came over one connection."""
    return [int(status) for status in re.findall(r"HTTP/1\.[01] (\d{3}) ", answer)]


def posted(headers: str, body: str) -> str:
    return f"POST {CALLBACK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n{body}{NEXT}"


CHUNKED = "Transfer-Encoding: chunked\r\n"
SMUGGLED = {
    "a length and chunks": posted(f"Content-Length: 4\r\n{CHUNKED}", "0\r\n\r\n"),
    "chunks and a length": posted(f"{CHUNKED}Content-Length: {5 + len(NEXT)}\r\n", "0\r\n\r\n"),
    "two lengths": posted(f"Content-Length: 2\r\nContent-Length: {2 + len(NEXT)}\r\n", "{}"),
    "two lengths in one header": posted("Content-Length: 2, 60\r\n", "{}"),
    "a length with a sign": posted("Content-Length: +2\r\n", "{}"),
    "a negative length": posted("Content-Length: -2\r\n", "{}"),
    "a length in hexadecimal": posted("Content-Length: 0x2\r\n", "{}"),
    "a length with a blank in it": posted("Content-Length: 2 2\r\n", "{}"),
    "another encoding": posted("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    "two encodings": posted(f"{CHUNKED}Transfer-Encoding: identity\r\n", "0\r\n\r\n"),
    "an encoding with a vertical tab": posted("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
    "a blank before the colon": posted("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
    "chunks in HTTP/1.0": posted(f"Connection: keep-alive\r\n{CHUNKED}Content-Length: 5\r\n", "0\r\n\r\n").replace(
        "HTTP/1.1", "HTTP/1.0", 1
    ),
    "a chunk that is no number": posted(CHUNKED, "zz\r\n{}\r\n0\r\n\r\n"),
    "a negative chunk": posted(CHUNKED, "-1\r\n{}\r\n0\r\n\r\n"),
    "a chunk with a sign": posted(CHUNKED, "+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk that is longer than it says": posted(CHUNKED, "2\r\n{}XX\r\n0\r\n\r\n"),
    "a header with a NUL": posted("Content-Length: 2\r\nX: a\x00b\r\n", "{}"),
    "a bare carriage return": posted("Content-Length: 2\r\nX: a\rTransfer-Encoding: chunked\r\n", "{}"),
}


@pytest.mark.parametrize("how", SMUGGLED)
def test_what_follows_a_request_of_doubtful_length_is_never_answered(program: Wire, how: str) -> None:
    """One answer, a refusal, and the end of the connection: a request that was hidden behind it does not run."""
    answer = exchange(program, SMUGGLED[how])
    (status,) = statuses(answer)
    assert status in (400, 501) and SECRET not in answer


def test_requests_in_a_row_whose_length_is_plain_are_all_answered(program: Wire) -> None:
    """What the rule above must not break: a length, chunks, and a GET on one connection."""
    first, second = posted("Content-Length: 2\r\n", "{}"), posted(CHUNKED, "2\r\n{}\r\n0\r\n\r\n")
    row = first.removesuffix(NEXT) + second.removesuffix(NEXT) + NEXT.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    answer = exchange(program, row)
    assert statuses(answer) == [400, 400, 200]
    assert SECRET in answer


HOSTS = {
    "two": "Host: localhost\r\nHost: evil.example\r\n",
    "two, ours last": "Host: evil.example\r\nHost: localhost\r\n",
    "a user before it": "Host: localhost@evil.example\r\n",
    "a path after it": "Host: evil.example/localhost\r\n",
    "a list": "Host: localhost, evil.example\r\n",
    "a proxy's word": "Host: evil.example\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n",
    "a blank in it": "Host: local host\r\n",
    "a NUL after it": "Host: localhost\x00.evil.example\r\n",
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_not_one_name_of_ours_is_refused(program: Wire, host: str) -> None:
    """However it is written, and whatever a proxy's headers claim."""
    answer = exchange(program, f"GET /api/v1/snapshot HTTP/1.1\r\n{HOSTS[host]}Connection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.") and " 400 " in answer[:20] and SECRET not in answer


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Host", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Prefix", "X-Script-Name"])
def test_headers_of_proxies_change_no_address(program: Wire, header: str) -> None:
    """Nobody's words stand in a page or a redirect of ours, from which a cache would hand them to others."""
    for path in ("/", PREFIX, "/login"):
        answer = exchange(program, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}: evil.example\r\nConnection: close\r\n\r\n")
        assert "evil" not in answer


WAYS_OUT = [
    f"{PREFIX}assets/{way}"
    for way in (
        "../../pyproject.toml",
        "..%2f..%2fpyproject.toml",
        "%2e%2e/%2e%2e/pyproject.toml",
        "..%252f..%252fpyproject.toml",
        "..\\..\\pyproject.toml",
        "..%5c..%5cpyproject.toml",
        "drm/../../pyproject.toml",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "drm/drm.css%00.png",
        "....//....//pyproject.toml",
        "%c0%ae%c0%ae/pyproject.toml",
        "drm",
    )
]
WAYS_OUT += [
    f"{PREFIX}_dash-component-suites/{way}"
    for way in (
        "dash/../../drm/http.py",
        "dash/%2e%2e/flask/app.py",
        "dash/_utils.py",
        "os/path.py",
        "drm/http.py",
        "dash/no-such.js",
        "plotly/package_data/../../dash/dash.py",
        "%2e%2e/x",
    )
]
WAYS_OUT += ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/pages/../../etc/passwd", "/static/../pyproject.toml"]
EXPORTS = [
    f"/api/v1/export?{name}={quote('../../../etc/passwd')}" for name in ("tab", "table", "format", "range", "at", "columns", "resource")
]


@pytest.mark.parametrize("path", [*WAYS_OUT, *EXPORTS, "/api/v1/backup?path=/etc/passwd", "/api/v1/decisions/..%2f..%2fetc%2fpasswd"])
def test_no_path_leads_out(program: Wire, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """No file of this machine, no source of ours, and no traceback: 404, a refusal, or the page."""
    answer = exchange(program, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status = int(answer.split()[1])
    assert 200 <= status < 500
    for secret in ("root:", "[project]", "import ", "def "):
        assert secret not in answer.replace("@import", ""), (path, secret)
    assert not [record for record in caplog.records if record.exc_info]


BROKEN = "\r\nSet-Cookie: evil=1\r\nX-Evil: 1"
INTO_HEADERS = [
    f"/login?next=/{quote(BROKEN)}",
    f"/{quote(BROKEN)}",
    f"{PREFIX}{quote(BROKEN)}",
    f"/api/v1/export?tab=allocation&table={quote(BROKEN)}",
    f"/api/v1/export?tab=allocation&format={quote('csv' + BROKEN)}",
    f"/api/v1/export?tab=allocation&range={quote('1h' + BROKEN)}",
    f"/api/v1/export?tab=allocation&{quote(BROKEN)}=1",
    f"/api/v1/decisions?worker={quote(BROKEN)}",
    f"/api/{quote(BROKEN)}",
]


@pytest.mark.parametrize("path", INTO_HEADERS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_that_is_asked_becomes_a_header(locked: Wire, path: str, method: str) -> None:
    """A line break in a path, a parameter, a file's name or the way back ends no header; the same for who has the token."""
    body = f"token={TOKEN}" if method == "POST" else ""
    for bearer in ("", f"Authorization: Bearer {TOKEN}\r\n"):
        form = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        answer = exchange(locked, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}{form}Connection: close\r\n\r\n{body}")
        head = answer.split("\r\n\r\n")[0].lower()
        assert head.startswith("http/1.1 ") and int(head.split()[1]) < 500
        assert "\nx-evil" not in head and "evil=1" not in head.replace("%", "")[: head.find("\r\nlocation")]
        assert "\nset-cookie: evil" not in head


def test_a_worker_s_name_with_a_line_break_stays_out_of_file_names(put_named: Callable[[str], Wire]) -> None:
    """A saved table is named by us; the name of the worker is in its cells, on one line."""
    wire = put_named("w\r\nSet-Cookie: evil=1\r\n\r\n<script>")
    answer = wire.test_client().get("/api/v1/export?tab=allocation&format=csv")
    assert answer.status_code == 200 and "Set-Cookie" not in answer.headers
    assert "evil" not in answer.headers["Content-Disposition"]
    assert [line for line in answer.text.splitlines() if line.startswith("Set-Cookie")] == []


@pytest.fixture
def put_named(wire: Callable[[Flask], Wire]) -> Callable[[str], Wire]:
    """A program over a pool of one worker of that name."""
    from drm.dashboard import mount
    from drm.server import create_standalone

    def put(name: str) -> Wire:
        state = DRMState(DynamicResourceManager(now=0.0))
        state.manager.register_worker(name, capacity=Resources(cpu=4, memory=8e9))
        state.advance(1_700_000_000.0)
        app = create_standalone("127.0.0.1", PREFIX)
        mount(app, state, PREFIX, api_prefix="")
        return wire(app)

    return put


COMPRESSED = {"gzip": gzip.compress(b"0" * 50_000_000, 9), "deflate": zlib.compress(b"0" * 50_000_000, 9)}


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_compressed_body_is_not_unpacked(program: Wire, encoding: str) -> None:
    """Fifty megabytes in fifty kilobytes are refused as what they are, at once."""
    began = time.monotonic()
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    answer = program.test_client().post(CALLBACK, data=COMPRESSED[encoding], headers=headers)
    assert 400 <= answer.status_code < 500 and time.monotonic() - began < 5


@pytest.mark.parametrize("size", [2**20 + 1, 12 * 2**20])
@pytest.mark.parametrize("path", [CALLBACK, "/login", "/api/v1/snapshot"])
def test_a_body_over_a_megabyte_is_refused_in_every_place(locked: Wire, path: str, size: int) -> None:
    """413, or 405 where nothing may be posted; with a length that is said, and in chunks."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", locked.server.port, timeout=20)
    connection.request("POST", path, b"x" * size, headers)
    assert connection.getresponse().status in (413, 405)
    connection.close()
    connection = http.client.HTTPConnection("127.0.0.1", locked.server.port, timeout=20)
    connection.request("POST", path, iter([b"x" * (size // 4 + 1)] * 4), headers, encode_chunked=True)
    assert connection.getresponse().status in (413, 405)
    connection.close()


@pytest.mark.parametrize("request_line", ["\x16\x03\x01\x02\x00\x01", "GET", "GET  HTTP/1.1", "G\x00T / HTTP/1.1"])
def test_what_is_no_request_ends_its_connection(program: Wire, request_line: str, caplog: pytest.LogCaptureFixture) -> None:
    """TLS to a plain port, half a line, a NUL: refused, and no traceback."""
    answer = exchange(program, f"{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert SECRET not in answer and (not answer or int(answer.split()[1]) >= 400)
    assert not [record for record in caplog.records if record.exc_info]


def test_headers_without_end_are_refused(program: Wire) -> None:
    """A header of 300 kB, and ten thousand of them."""
    for headers in ("X: " + "a" * 300_000 + "\r\n", "".join(f"X{number}: {'a' * 30}\r\n" for number in range(10_000))):
        answer = exchange(program, f"GET /api/v1/snapshot HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
        assert SECRET not in answer and (not answer or int(answer.split()[1]) in (400, 431))


@pytest.fixture
def crowd(program: Wire) -> Iterator[Callable[[int, bytes], list[socket.socket]]]:
    """Connects many clients, each of which sends something and then nothing."""
    with ExitStack() as stack:

        def connect(count: int, sent: bytes) -> list[socket.socket]:
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", program.server.port), timeout=20)) for _ in range(count)]
            for client in clients:
                client.sendall(sent)
            return clients

        yield connect


def test_a_crowd_of_slow_and_idle_clients_keeps_nobody_waiting(program: Wire, crowd: Callable[[int, bytes], list[socket.socket]]) -> None:
    """Sixty-four clients that never finish their headers, as many that never finish a body, and three hundred that keep a connection: a
    reader is answered as before, and afterwards the idle ones still are."""
    crowd(64, b"GET /api/v1/snapshot HTTP/1.1\r\nHost: localh")
    crowd(64, f"POST {CALLBACK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{{".encode())
    idle = crowd(300, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert all(client.recv(9) == b"HTTP/1.1 " for client in idle)
    began = time.monotonic()
    for _ in range(10):
        assert program.test_client().get("/api/v1/snapshot").status_code == 200
    assert (time.monotonic() - began) / 10 < 0.5
    idle[0].recv(65536)
    idle[0].sendall(NEXT.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode())
    assert SECRET in b"".join(iter(lambda: idle[0].recv(65536), b"")).decode()


def test_refusals_do_not_fill_the_log(program: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """A stranger who sends rubbish writes no more than a line for each, and never what he sent."""
    caplog.set_level(logging.INFO)
    for request in list(SMUGGLED.values())[:8]:
        exchange(program, request.replace("localhost", "planted.example"))
    assert len(caplog.records) <= 8 and "planted" not in caplog.text
