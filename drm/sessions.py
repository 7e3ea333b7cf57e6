"""What a browser gets for the token: a cookie that ends, twelve hours after the login or when its owner logs out.

A cookie says until when it holds, and is signed; nothing is kept of those that hold. One that was logged out is remembered until it would
have ended, by this program: after a restart it would hold again, for as long as it has left.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable

SESSION_SECONDS = 12 * 3600
ENDED_KEPT = 10_000
"""Sessions that were logged out. Who logs in has the token, so only they could fill it."""


class Sessions:
    """The sessions of one token. `clock` tells epoch seconds, so that a session outlives a restart; the name of its cookie is `cookie`."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(token.encode(), b"drm session", hashlib.sha256)
        self._clock = clock
        self._lock = threading.Lock()
        self._ended: dict[str, int] = {}
        """Until when those that were logged out would have held."""
        # Cookies know no ports: two servers on one machine must not take each other's away.
        self.cookie = f"drm_session_{hmac.digest(token.encode(), b'drm cookie', hashlib.sha256).hex()[:8]}"

    def begin(self) -> str:
        """The value of a new session's cookie."""
        body = f"{int(self._clock()) + SESSION_SECONDS}.{secrets.token_hex(8)}"
        return f"{body}.{self._signature(body)}"

    def knows(self, value: str) -> bool:
        """Whether it is the value of a session that has not ended."""
        body, _, signature = value.rpartition(".")
        if not same_secret(signature, self._signature(body)):
            return False
        return self._clock() < _until(body) and body not in self._ended

    def end(self, value: str) -> None:
        """Nobody comes in by this value any more."""
        if not self.knows(value):
            return
        body, now = value.rpartition(".")[0], self._clock()
        with self._lock:
            kept = {one: until for one, until in self._ended.items() if until > now}
            while len(kept) >= ENDED_KEPT:
                kept.pop(next(iter(kept)))
            self._ended = {**kept, body: _until(body)}

    def _signature(self, body: str) -> str:
        return hmac.digest(self._key, body.encode("utf-8", "replace"), hashlib.sha256).hex()


def same_secret(given: str, expected: str) -> bool:
    """Whether they are alike; what is compared is as long whatever is given, so that the time tells nothing of it."""
    return hmac.compare_digest(_digest(given), _digest(expected))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _until(body: str) -> int:
    """What a signed body says."""
    return int(body.partition(".")[0])
