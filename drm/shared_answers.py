"""One body of bytes for any number of pages that ask for the same: a callback of a tick is worked out and written once.

What a page has drawn already is all in which such requests differ. So of each there are at most two answers: for a page that has drawn what
there is, and for one that has not.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response
from werkzeug.wrappers import Response as AnyResponse

from drm import ids

SECONDS = 1.0
"""So long an answer is good for while no tick comes: what is told of the present moment, such as the age of the last tick, moves on."""
MOST_ANSWERS = 128
OF_THE_CLIENT = frozenset({"n", "sent", "page"})
"""What of a tick differs from page to page and changes nothing of the answer."""

NOW_DRAWN = re.compile(rb'"drm-[^"]*-drawn":\s*\{"data":\s*')
"""What an answer tells of it stands behind this, and is all that is read: figures are long. Within a text these quotes have backslashes."""

Kept = tuple[bytes, int, str | None]
"""Body, status and content type."""


class SharedAnswers:
    """Thread-safe. An answer is given again while `version` is the same, and for at most SECONDS. It is kept with the answer until others
    have taken its place, so it must be small: no snapshot."""

    def __init__(self, version: Callable[[], tuple[object, ...]], clock: Callable[[], float] = time.monotonic) -> None:
        self._version, self._clock = version, clock
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, _Asked] = OrderedDict()

    def answer(self, call: Mapping[str, Any], make: Callable[[], AnyResponse]) -> AnyResponse:
        """The answer to a call of a callback, as its page posts it; `make` works it out, in one thread at a time for one question."""
        if not is_shared(call):
            return make()
        question, drawn = _question(call), _drawn(call)
        version, now = self._version(), self._clock()
        with self._lock:
            asked = self._asked.get(question)
            if asked is None or not asked.is_of(version) or now - asked.at >= SECONDS:
                asked = self._asked[question] = _Asked(version, now)
                self._asked.move_to_end(question)
                while len(self._asked) > MOST_ANSWERS:
                    self._asked.popitem(last=False)
        return asked.answer(drawn, make)


class _Asked:
    """One question at one version: what there is to draw, once it is known, and both answers, as far as they were asked for."""

    def __init__(self, version: tuple[object, ...], at: float) -> None:
        self.at = at
        self._version = version
        self._lock = threading.Lock()
        self._is_known = False
        self._newest: object = None
        self._answers: dict[bool, Kept] = {}

    def is_of(self, version: tuple[object, ...]) -> bool:
        return self._version == version

    def answer(self, drawn: object, make: Callable[[], AnyResponse]) -> AnyResponse:
        with self._lock:
            kept = self._answers.get(drawn == self._newest) if self._is_known else None
            if kept is None:
                made = make()
                if made.status_code not in (200, 204):
                    return made
                kept = made.get_data(), made.status_code, made.content_type
                newest = _now_drawn(kept, drawn)
                if self._is_known and newest != self._newest:
                    # A tick has come meanwhile.
                    self._answers.clear()
                self._newest, self._is_known = newest, True
                self._answers[drawn == self._newest] = kept
        body, status, content_type = kept
        return Response(body, status, content_type=content_type)


def is_shared(call: Mapping[str, Any]) -> bool:
    """Whether the callback only reads: a tick or a table's question sets it off. One that a button sets off may do something."""
    return any(ids.is_tick(one["id"]) or one["property"] == "getRowsRequest" for one in call["inputs"])


def page_of(call: Mapping[str, Any]) -> object:
    """What the page calls itself that asks with a tick; None where no tick is asked with."""
    ticks = (one.get("value") for one in call["inputs"] if ids.is_tick(one["id"]))
    return next((tick.get("page") for tick in ticks if isinstance(tick, dict)), None)


def _question(call: Mapping[str, Any]) -> str:
    """All that the answer depends on, but what was drawn."""
    arguments = [
        [one["id"], one["property"], _without_client(one.get("value")) if ids.is_tick(one["id"]) else one.get("value")]
        for one in (*call["inputs"], *call.get("state", ()))
        if not ids.is_drawn(one["id"])
    ]
    return json.dumps([call["output"], arguments], sort_keys=True)


def _without_client(tick: object) -> object:
    return {name: value for name, value in tick.items() if name not in OF_THE_CLIENT} if isinstance(tick, dict) else tick


def _drawn(call: Mapping[str, Any]) -> object:
    return next((one.get("value") for one in call.get("state", ()) if ids.is_drawn(one["id"])), None)


def _now_drawn(answer: Kept, drawn: object) -> object:
    """What a page has drawn once it has this answer."""
    body, status, _ = answer
    found = NOW_DRAWN.search(body) if status == 200 else None
    return drawn if found is None else json.JSONDecoder().raw_decode(body[found.end() :].decode())[0]
