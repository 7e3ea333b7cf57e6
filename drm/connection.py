"""A connection of the pushed server: uvicorn's, which by itself waits for ever for a request that never becomes whole."""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from drm.problems import KINDS, PROBLEM_TYPE, problem_text

HEADER_SECONDS = 30.0
"""From a connection, or the first byte of a later request on it, to the end of that request's headers."""

_BODY = problem_text(KINDS["busy"], "this server has as many connections as it can hold", "/").encode()
TOO_MANY = (
    f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {PROBLEM_TYPE}\r\nContent-Length: {len(_BODY)}\r\n"
    f"Retry-After: {KINDS['busy'].retry_after_seconds}\r\nConnection: close\r\n\r\n"
).encode() + _BODY


class Connection(H11Protocol):
    """Ends a connection whose request is not there in time. One between two requests is uvicorn's own concern (`timeout_keep_alive`)."""

    _deadline: TimerHandle | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # uvicorn itself refuses the requests of those who are in already, as soon as there are too many.
        self._most, self.limit_concurrency = self.limit_concurrency, None

    def connection_made(self, transport: BaseTransport) -> None:
        """The first request is waited for; one connection too many is told so, and ended."""
        super().connection_made(cast(Any, transport))
        if self._most is not None and len(self.connections) > self._most:
            self.transport.write(TOO_MANY)
            self.transport.close()
            return
        self._watch_the_clock()

    def data_received(self, data: bytes) -> None:
        """Part of a request, or all of it."""
        super().data_received(data)
        self._watch_the_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._forget()
        super().connection_lost(exc)

    def _watch_the_clock(self) -> None:
        # One that became a websocket is no longer among them.
        if not (self in self.connections and self.conn.their_state is h11.IDLE):
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
