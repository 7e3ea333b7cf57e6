"""Both servers on real sockets: they hold their port, answer, stop, and give the port back."""

from __future__ import annotations

import gc
import http.client
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

import psutil
import pytest
from flask import Flask

from drm.errors import DRMError, InvalidValueError
from drm.server import PortError, Server
from tests.integration.conftest import WAYS, answer

Open = Callable[..., Server]


def greeter(word: str = "hello") -> Flask:
    """Says what it was asked for."""
    app = Flask(__name__)
    app.add_url_rule("/<path:path>", "hello", lambda path: f"{word} /{path}")
    return app


hello = greeter()


def server_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("drm-server", "waitress", "WSGI"))}


@pytest.fixture
def open_server(way: str) -> type[Server]:
    """The class of the server."""
    return WAYS[way]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever a test does, its server's threads end."""
    before = server_threads()
    yield
    deadline = time.monotonic() + 5
    while server_threads() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not server_threads() - before


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def test_it_answers_and_then_frees_its_port(open_server: Open) -> None:
    """From start to stop at its url; afterwards another server can have the port."""
    with open_server("127.0.0.1", 0) as server:
        answer(server, hello)
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert read(server.url + "/a") == "hello /a"
        port = server.port
        began = time.monotonic()
    assert time.monotonic() - began < 2
    with open_server("127.0.0.1", port) as again:
        answer(again, hello)
        assert read(again.url + "/b") == "hello /b"


def test_who_calls_before_the_start_is_answered_after_it(open_server: Open) -> None:
    """The port is held from the constructor on, and a call waits in line."""
    with open_server("127.0.0.1", 0) as server:
        answers: list[str] = []
        caller = threading.Thread(target=lambda: answers.append(read(server.url + "/early")))
        caller.start()
        answer(server, hello)
        caller.join(5)
    assert answers == ["hello /early"]


def test_a_port_in_use_is_refused_at_once_with_the_remedy(open_server: Open) -> None:
    """Nothing was started yet; the message names the port and what to do."""
    with open_server("127.0.0.1", 0) as server, pytest.raises(PortError, match=rf"port {server.port} on 127.0.0.1.*--port"):
        open_server("127.0.0.1", server.port)


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7"])
def test_a_host_that_is_not_this_machine_is_refused(host: str, open_server: Open) -> None:
    """Whether it has no address, or one of another machine."""
    with pytest.raises(PortError, match=host):
        open_server(host, 0)


def test_a_port_beyond_the_last_is_refused(open_server: Open) -> None:
    """65535 is the last."""
    with pytest.raises(InvalidValueError, match="70000"):
        open_server("127.0.0.1", 70000)


def test_it_starts_once_and_stops_twice(open_server: Open) -> None:
    """A second start is an error, a second stop is not."""
    server = open_server("127.0.0.1", 0)
    answer(server, hello)
    with pytest.raises(DRMError, match="already"):
        answer(server, hello)
    server.stop()
    server.stop()


def test_a_loop_that_is_awake_when_it_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may find what ends it before the byte that was to wake it is written: what that byte goes to must still be there."""
    server = Server("127.0.0.1", 0)
    server.start(hello)
    assert read(server.url + "/once") == "hello /once"
    inner = server._server
    pull = inner.trigger._physical_pull

    def pull_late() -> None:
        pull()
        deadline = time.monotonic() + 0.5
        while inner.trigger.thunks and time.monotonic() < deadline:
            time.sleep(0.01)
        pull()

    monkeypatch.setattr(inner.trigger, "_physical_pull", pull_late)
    server.stop()
    assert not server_threads()


def test_a_server_that_was_never_started_frees_its_port(open_server: Open) -> None:
    """What fails between binding and starting leaves nothing behind."""
    with open_server("127.0.0.1", 0) as server:
        port = server.port
    open_server("127.0.0.1", port).stop()


def test_two_servers_live_in_one_process(open_server: Open) -> None:
    """Each has its application, and one outlives the other."""
    with open_server("127.0.0.1", 0) as first:
        answer(first, hello)
        with open_server("127.0.0.1", 0) as second:
            answer(second, greeter("good day"))
            assert (read(first.url + "/first"), read(second.url + "/second")) == ("hello /first", "good day /second")
        assert read(first.url + "/still") == "hello /still"


def test_stopping_does_not_wait_for_a_client_that_is_slow_or_idle(open_server: Open) -> None:
    """Half a request and a connection that is kept open end with the server, within 2 s."""
    with open_server("127.0.0.1", 0) as server:
        answer(server, hello)
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        kept.request("GET", "/kept")
        assert kept.getresponse().read() == b"hello /kept"
        slow = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost:")
        began = time.monotonic()
    assert time.monotonic() - began < 2
    kept.close()
    slow.close()


def test_an_answer_that_nobody_read_leaves_no_file_open(open_server: Open) -> None:
    """Three megabytes wait in a temporary file when the server stops: it is closed then, not by chance later."""
    large = Flask(__name__)
    large.add_url_rule("/", "large", lambda: b"x" * 3_000_000)
    process = psutil.Process()
    before = process.num_fds()
    with open_server("127.0.0.1", 0) as server, socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        answer(server, large)
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        gc.disable()
        server.stop()
    left = process.num_fds() - before
    gc.enable()
    gc.collect()
    assert left <= 0


def test_a_body_beyond_all_measure_is_not_read(open_server: Open) -> None:
    """A length of a gigabyte is answered with 413 before a byte of it was sent."""
    with open_server("127.0.0.1", 0) as server:
        answer(server, hello)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
            assert b" 413 " in client.recv(200)


def test_ipv6_loopback_is_bracketed_in_the_url(open_server: Open) -> None:
    """`::1` is an address like any other, where the machine has it."""
    try:
        server = open_server("::1", 0)
    except PortError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        answer(server, hello)
        assert server.url == f"http://[::1]:{server.port}"
        assert read(server.url + "/six") == "hello /six"
