"""The server on real sockets: it holds its port, answers, stops, and gives the port back."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from drm.errors import DRMError, InvalidValueError
from drm.server import PortError, Server


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Says what it was asked for."""
    body = f"hello {environ['PATH_INFO']}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def server_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("drm-server", "waitress"))}


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


def test_it_answers_and_then_frees_its_port() -> None:
    """From start to stop at its url; afterwards another server can have the port."""
    with Server("127.0.0.1", 0) as server:
        server.start(hello)
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert read(server.url + "/a") == "hello /a"
        port = server.port
        began = time.monotonic()
    assert time.monotonic() - began < 2
    with Server("127.0.0.1", port) as again:
        again.start(hello)
        assert read(again.url + "/b") == "hello /b"


def test_who_calls_before_the_start_is_answered_after_it() -> None:
    """The port is held from the constructor on, and a call waits in line."""
    with Server("127.0.0.1", 0) as server:
        answers: list[str] = []
        caller = threading.Thread(target=lambda: answers.append(read(server.url + "/early")))
        caller.start()
        server.start(hello)
        caller.join(5)
    assert answers == ["hello /early"]


def test_a_port_in_use_is_refused_at_once_with_the_remedy() -> None:
    """Nothing was started yet; the message names the port and what to do."""
    with Server("127.0.0.1", 0) as server, pytest.raises(PortError, match=rf"port {server.port} on 127.0.0.1.*--port"):
        Server("127.0.0.1", server.port)


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7"])
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    """Whether it has no address, or one of another machine."""
    with pytest.raises(PortError, match=host):
        Server(host, 0)


def test_a_port_beyond_the_last_is_refused() -> None:
    """65535 is the last."""
    with pytest.raises(InvalidValueError, match="70000"):
        Server("127.0.0.1", 70000)


def test_it_starts_once_and_stops_twice() -> None:
    """A second start is an error, a second stop is not."""
    server = Server("127.0.0.1", 0)
    server.start(hello)
    with pytest.raises(DRMError, match="already"):
        server.start(hello)
    server.stop()
    server.stop()


def test_a_server_that_was_never_started_frees_its_port() -> None:
    """What fails between binding and starting leaves nothing behind."""
    with Server("127.0.0.1", 0) as server:
        port = server.port
    Server("127.0.0.1", port).stop()


def test_two_servers_live_in_one_process() -> None:
    """Each has its application, and one outlives the other."""
    with Server("127.0.0.1", 0) as first:
        first.start(hello)
        with Server("127.0.0.1", 0) as second:
            second.start(lambda environ, start: hello({"PATH_INFO": "/second"}, start))
            assert (read(first.url + "/first"), read(second.url)) == ("hello /first", "hello /second")
        assert read(first.url + "/still") == "hello /still"


def test_stopping_does_not_wait_for_a_client_that_is_slow_or_idle() -> None:
    """Half a request and a connection that is kept open end with the server, within 2 s."""
    with Server("127.0.0.1", 0) as server:
        server.start(hello)
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        kept.request("GET", "/kept")
        assert kept.getresponse().read() == b"hello /kept"
        slow = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost:")
        began = time.monotonic()
    assert time.monotonic() - began < 2
    kept.close()
    slow.close()


def test_a_body_beyond_all_measure_is_not_read() -> None:
    """A length of a gigabyte is answered with 413 before a byte of it was sent."""
    with Server("127.0.0.1", 0) as server:
        server.start(hello)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
            assert b" 413 " in client.recv(200)


def test_ipv6_loopback_is_bracketed_in_the_url() -> None:
    """`::1` is an address like any other, where the machine has it."""
    try:
        server = Server("::1", 0)
    except PortError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        server.start(hello)
        assert server.url == f"http://[::1]:{server.port}"
        assert read(server.url + "/six") == "hello /six"
