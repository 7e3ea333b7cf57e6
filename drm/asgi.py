"""A Flask application and the ticks of a state as one ASGI application. A request has a thread only while Flask answers it.

Bodies are read before, and answers sent after: a client that is slow holds nothing but its connection.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from flask import Flask

from drm.address import DEFAULT_PREFIX, TICKS_PATH
from drm.calls import BODY_LIMIT
from drm.guards import trust_of
from drm.problems import KINDS, PROBLEM_TYPE, problem_text
from drm.push import Message, Receive, Send, Ticks
from drm.state import DRMState

logger = logging.getLogger(__name__)

THREADS = 16
BODY_SECONDS = 30.0
COLLECTED_BYTES = 16 * 1024 * 1024
SEND_SECONDS = 30.0
"""So long a client may take for the next part of a file."""
READ_LIMIT = 16 * BODY_LIMIT
"""A larger body ends the connection. What is only too large for our routes is read, so that its sender gets the answer."""


class PushedApplication:
    """`flask_app` as it is, and the websocket at `ticks_path` under the rules that `protect` gave it. `close` ends its threads.

    For an application of ours: one that takes bodies beyond BODY_LIMIT would find them empty.
    """

    def __init__(self, flask_app: Flask, state: DRMState, ticks_path: str = DEFAULT_PREFIX + TICKS_PATH) -> None:
        from a2wsgi import WSGIMiddleware

        application: Any = flask_app
        self._flask: Any = WSGIMiddleware(application, workers=THREADS)
        self._ticks = Ticks(state, trust_of(flask_app))
        self._ticks_path = ticks_path

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """The entry of every request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["path"] == self._ticks_path:
            await self._ticks.watch(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close"})

    def close(self, seconds: float) -> None:
        """Ends the threads as soon as they have answered, and waits for that, but not longer than so many seconds."""
        ending = threading.Thread(target=self._flask.executor.shutdown, kwargs={"cancel_futures": True}, daemon=True)
        ending.start()
        ending.join(seconds)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._ticks.begin()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._ticks.end()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
            # A proxy in front of us may believe the other of the two: see request_parser.
            await _end("invalid-request", "Content-Length and Transfer-Encoding are not for one request", scope["path"], send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(scope, receive)
        except TimeoutError:
            await _end("timeout", "the body took too long", scope["path"], send)
            return
        if body is None:
            await _end("body-too-large", f"the body has more than {READ_LIMIT} bytes", scope["path"], send)
            return
        answer = _Answer(send)

        async def given() -> Message:
            return {"type": "http.request", "body": body[0], "more_body": False}

        await self._flask(_with_length(scope, body[1]), given, answer.add)
        await answer.end()


class _Answer:
    """Collects an answer, so that its thread is free before the client has it; only a larger one than `COLLECTED_BYTES`, which is a file
    to be saved, is sent as it is made. `add` never raises, as its caller's thread would wait for ever."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._kept: list[Message] = []
        self._bytes = 0
        self._lost = False

    async def add(self, message: Message) -> None:
        """Takes the next part."""
        if self._lost:
            return
        self._kept.append(message)
        self._bytes += len(message.get("body", b""))
        if self._bytes > COLLECTED_BYTES:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await self._hand_on()
            except Exception as error:
                logger.info("a client that was sent a file is gone: %s", error or type(error).__name__)
                self._lost = True
                self._kept.clear()

    async def end(self) -> None:
        """Sends what is left; an answer that is not whole ends the connection."""
        await self._hand_on()

    async def _hand_on(self) -> None:
        kept, self._kept = self._kept, []
        for message in kept:
            await self._send(message)


async def _end(name: str, detail: str, path: str, send: Send) -> None:
    """The last answer on a connection: a problem of that kind."""
    headers = [(b"connection", b"close"), (b"content-type", PROBLEM_TYPE.encode())]
    await send({"type": "http.response.start", "status": KINDS[name].status, "headers": headers})
    await send({"type": "http.response.body", "body": problem_text(KINDS[name], detail, path).encode()})


def _with_length(scope: Message, length: int) -> Message:
    """A request that came in chunks as one whose length is known, so that the routes can hold their limits."""
    if b"transfer-encoding" not in dict(scope["headers"]):
        return scope
    kept = [(name, value) for name, value in scope["headers"] if name != b"transfer-encoding"]
    return {**scope, "headers": [*kept, (b"content-length", str(length).encode())]}


async def _read(scope: Message, receive: Receive) -> tuple[bytes, int] | None:
    """The body and its length; None where it is beyond all measure. One over our limit is read and not kept: the routes refuse it by its
    length."""
    stated = next((int(value[:18]) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()), 0)
    kept, length, more = bytearray(), stated, stated <= READ_LIMIT
    received = 0
    while more:
        message = await receive()
        more = message.get("more_body", False)
        received += len(message.get("body", b""))
        length = max(length, received)
        if length <= BODY_LIMIT:
            kept += message.get("body", b"")
        more = more and received <= READ_LIMIT
    return None if length > READ_LIMIT else (bytes(kept) if length <= BODY_LIMIT else b"", length)
