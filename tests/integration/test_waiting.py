"""The loop of the polled server: who waits costs nothing, who rests too long is ended, and the loop ends with its last connection."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from waitress import create_server, wasyncore

from drm.channel import Channel
from drm.waiting import Connections

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Asked(Channel):
    """A connection that counts how often it is asked whether it would read."""

    of: dict[int, int] = {}  # noqa: RUF012

    writing, go_on = threading.Event(), threading.Event()

    def send(self, data: bytes, do_close: bool = True) -> int:
        """As a thread does that has to wait for the interpreter amidst its writing."""
        if b"Server: /slow" in data:
            self.writing.set()
            self.go_on.wait(20)
        return int(super().send(data, do_close))

    def readable(self) -> bool:
        port = self.addr[1]
        self.of[port] = self.of.get(port, 0) + 1
        return bool(super().readable())


class Turning(Connections):
    """Counts the turns of the loop."""

    turns = 0

    def _heard(self) -> list[tuple[int, int]]:
        self.turns += 1
        return super()._heard()


def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2"), ("Server", environ["PATH_INFO"])])
    return [b"ok"]


@pytest.fixture
def connections() -> Turning:
    """What the server listens to."""
    return Turning()


@pytest.fixture
def port(connections: Turning) -> Iterator[int]:
    """A server that ends a connection after a second's rest."""
    server = create_server(answer, map=connections, host="127.0.0.1", port=0, threads=2, channel_timeout=1, cleanup_interval=1)
    server.channel_class = Asked
    Asked.of.clear()
    Asked.writing.clear()
    Asked.go_on.clear()
    thread = threading.Thread(target=connections.answer_all)
    thread.start()
    yield server.effective_port
    server.task_dispatcher.shutdown()
    server.trigger.pull_trigger(lambda: wasyncore.close_all(connections))
    thread.join(20)
    assert not thread.is_alive() and not connections


def test_a_connection_that_rests_is_not_asked_while_others_are_answered(port: int) -> None:
    """Three hundred answers to another one, and it is asked a few times only, once a second."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as resting:
        resting.sendall(REQUEST)
        assert resting.recv(4096).startswith(b"HTTP/1.1 200")
        asked = Asked.of[resting.getsockname()[1]]
        other = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(300):
            other.request("GET", "/")
            assert other.getresponse().read() == b"ok"
        other.close()
        assert Asked.of[resting.getsockname()[1]] - asked < 60


def test_a_thread_that_writes_does_not_turn_the_loop(port: int, connections: Turning) -> None:
    """A hundred answers to another connection take some turns each, while a thread is amidst sending its answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as waiting:
        waiting.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert Asked.writing.wait(20)
        other = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        before = connections.turns
        for _ in range(100):
            other.request("GET", "/")
            assert other.getresponse().read() == b"ok"
        assert connections.turns - before < 100 * 10
        other.close()
        Asked.go_on.set()
        assert b"".join(iter(lambda: waiting.recv(4096), b"")).endswith(b"ok")


def test_one_that_rests_too_long_is_ended_and_its_number_serves_another(port: int) -> None:
    """Twice in a row: the second connection gets the descriptor of the first, and is answered."""
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as resting:
            resting.sendall(REQUEST)
            assert b"".join(iter(lambda: resting.recv(4096), b"")).endswith(b"ok")


def test_a_client_that_leaves_amidst_its_answer_disturbs_nobody(port: int) -> None:
    """Half a request, a request without a reader: gone, and the next one is answered."""
    for sent in (REQUEST[:9], REQUEST):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                client.sendall(sent)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(REQUEST)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
