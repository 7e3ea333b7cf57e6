"""A real HTTP proxy in front of an EC2 endpoint, which spoils what it is told to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

Request = dict[str, str]
"""The form of an EC2 request, and its Authorization header under `Authorization`."""


def error(status: int, code: str, message: str) -> tuple[int, bytes]:
    """An answer of EC2 that is an error."""
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>r</RequestID></Response>"
    return status, body.encode()


class FaultyProxy:
    """Rules are asked in their order for each request, and answer with an error, or None; `swallowed` ones are done and never answered."""

    def __init__(self, host: str, port: int) -> None:
        self.rules: list[Callable[[Request], tuple[int, bytes] | None]] = []
        self.swallow: Callable[[Request], bool] = lambda request: False
        self.requests: list[Request] = []
        self._closing = threading.Event()
        self._target = (host, port)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = {key: values[0] for key, values in parse_qs(body.decode()).items()}
                request["Authorization"] = self.headers.get("Authorization", "")
                proxy.requests.append(request)
                spoilt = next((answer for rule in proxy.rules if (answer := rule(request))), None)
                status, content = spoilt or proxy.forward(self.path, body, dict(self.headers))
                if spoilt is None and proxy.swallow(request):
                    self.close_connection = True
                    proxy._closing.wait(20)
                    return
                with suppress(ConnectionError):  # who asked may have given up
                    self.send_response(status)
                    self.send_header("Content-Type", "text/xml")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def forward(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """What the endpoint says."""
        connection = http.client.HTTPConnection(*self._target, timeout=20)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def first(self, count: int, action: str, answer: tuple[int, bytes]) -> None:
        """The first so many requests for this action are answered so."""
        left = [count]

        def rule(request: Request) -> tuple[int, bytes] | None:
            if request.get("Action") != action or not left[0]:
                return None
            left[0] -= 1
            return answer

        self.rules.append(rule)

    def close(self) -> None:
        """Lets go of who still waits."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
