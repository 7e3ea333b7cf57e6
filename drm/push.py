"""Ticks over a websocket. A page is sent one only after it has asked for one, so that a slow page has at most one on its way.

What the page says does not matter: each message asks. Dash's own websocket callbacks are not used: they queue without bound for a page
that does not read, and their server runs ordinary callbacks in the loop that would have to send the ticks (docs/push.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from werkzeug.http import parse_cookie

from drm.problems import PROBLEM_TYPE, kind_of_status, problem_text
from drm.state import DRMState
from drm.trust import Refusal, Trust, is_bearer, refuse_other_origin

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POLICY_VIOLATION = 1008
"""The code that a websocket is closed with when its session has ended (RFC 6455, 7.4.1)."""

BEAT_SECONDS = 2.0
"""A page that is sent no tick is told so often that the server is there."""

MOST_VIEWERS = 1_000
"""Further ones are refused, and poll."""


class _Viewer:
    """One page that watches. Lives in the server's loop."""

    def __init__(self, may_stay: Callable[[], bool]) -> None:
        self.asks = False
        self.gone = False
        self.changed = asyncio.Event()
        self.may_stay = may_stay
        """Whether its session has not ended."""

    async def hear(self, receive: Receive) -> None:
        """Notes what comes from the page until it is gone."""
        while (await receive())["type"] == "websocket.receive":
            self.asks = True
            self.changed.set()
        self.gone = True
        self.changed.set()


class Ticks:
    """Hands each tick of a state to those who watch it. The tick itself only leaves word in the server's loop, and waits for nobody."""

    def __init__(self, state: DRMState, trust: Trust | None) -> None:
        self._state = state
        self._trust = trust
        self._turn = 0
        self._version = 0
        self._viewers: set[_Viewer] = set()
        self._end: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """Listens to the state from now on; to be called in the server's loop."""
        loop = asyncio.get_running_loop()
        self._version = self._state.snapshot.version
        self._end = self._state.listen(lambda: loop.call_soon_threadsafe(self._wake, self._state.snapshot.version))

    def end(self) -> None:
        """Lets go of the state."""
        self._end()

    def _wake(self, version: int) -> None:
        # The version comes with the word of it: one read later may be of the next tick, which then would be told twice.
        self._turn, self._version = self._turn + 1, version
        for viewer in self._viewers:
            viewer.changed.set()

    async def watch(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves one websocket until its page is gone."""
        await receive()
        refusal = self._refuse(scope)
        if refusal is not None:
            await _refuse_handshake(refusal, scope["path"], send)
            return
        viewer = _Viewer(self._stay(scope))
        self._viewers.add(viewer)
        hearing = None
        try:
            await send({"type": "websocket.accept"})
            hearing = asyncio.create_task(viewer.hear(receive))
            await self._tell(viewer, send)
        finally:
            self._viewers.discard(viewer)
            if hearing is not None:
                hearing.cancel()

    async def _tell(self, viewer: _Viewer, send: Send) -> None:
        told = -1
        while not viewer.gone:
            if not viewer.may_stay():
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
                return
            if viewer.asks and told != self._turn:
                viewer.asks, told = False, self._turn
                await send({"type": "websocket.send", "text": json.dumps({"version": self._version})})
                continue
            viewer.changed.clear()
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await viewer.changed.wait()
            except TimeoutError:
                await send({"type": "websocket.send", "text": "{}"})

    def _stay(self, scope: Message) -> Callable[[], bool]:
        """What says, as long as it is open, whether a websocket may stay: who showed the token may, a cookie's session ends."""
        trust, headers = self._trust, _headers(scope)
        if trust is None or not trust.has_door or is_bearer(headers.get("authorization", "")):
            return lambda: True
        cookies = parse_cookie(headers.get("cookie"))
        return lambda: trust.knows(cookies)

    def _refuse(self, scope: Message) -> Refusal | None:
        """The rules for every other request hold for the handshake as well; a page of another origin is always refused."""
        headers = _headers(scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        refusal = refuse_other_origin(host, origin)
        if self._trust is not None:
            refusal = (
                self._trust.refuse_origin("WEBSOCKET", host, origin)
                or refusal
                or self._trust.refuse_stranger(headers.get("authorization", ""), parse_cookie(headers.get("cookie")), _address(scope))
            )
        if refusal is None and len(self._viewers) >= MOST_VIEWERS:
            refusal = Refusal(503, f"{MOST_VIEWERS} pages watch already: poll")
        return refusal


async def _refuse_handshake(refusal: Refusal, path: str, send: Send) -> None:
    kind = kind_of_status(refusal.status, refusal.kind)
    headers = [(b"content-type", PROBLEM_TYPE.encode()), (b"x-content-type-options", b"nosniff")]
    body = problem_text(kind, refusal.message, path).encode()
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "websocket.http.response.start", "status": kind.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}


def _address(scope: Message) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
