"""The loop of the polled server: who waits costs nothing, who rests too long is ended, and the loop ends with its last connection."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel

from drm.waiting import Connections

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Asked(HTTPChannel):  # type: ignore[misc]
    """A connection that counts how often it is asked whether it would read."""

    of: dict[int, int] = {}  # noqa: RUF012

    def readable(self) -> bool:
        port = self.addr[1]
        self.of[port] = self.of.get(port, 0) + 1
        return bool(super().readable())


def answer(_environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@pytest.fixture
def port() -> Iterator[int]:
    """A server that ends a connection after a second's rest."""
    connections = Connections()
    server = create_server(answer, map=connections, host="127.0.0.1", port=0, threads=2, channel_timeout=1, cleanup_interval=1)
    server.channel_class = Asked
    Asked.of.clear()
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
