"""Answers of one version, encoded once however many ask for them at the same time."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

QUESTIONS_KEPT = 16
BYTES_KEPT = 16 * 1024 * 1024
"""Of all answers of one route; the last one is kept whatever its size."""


class _Kept:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.version = ""
        self.body = b""


class KeptAnswers:
    """The newest answer to each of the questions that were asked last. A version that has passed is not kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        # A program that starts anew counts its versions anew.
        self._run = secrets.token_hex(4)

    def tag(self, version: str) -> str:
        """What tells an answer of this version from those of every other one and of every other run."""
        return f"{self._run}-{version}"

    def body(self, version: str, question: Hashable, encode: Callable[[], bytes]) -> bytes:
        """The answer; `encode` is called once for a question and a version, and the others wait for it."""
        with self._lock:
            kept = self._kept.setdefault(question, _Kept())
            self._kept.move_to_end(question)
        with kept.lock:
            if kept.version != version:
                kept.body, kept.version = encode(), version
            body = kept.body
        self._forget()
        return body

    def _forget(self) -> None:
        with self._lock:
            while len(self._kept) > 1 and (
                len(self._kept) > QUESTIONS_KEPT or sum(len(one.body) for one in self._kept.values()) > BYTES_KEPT
            ):
                self._kept.popitem(last=False)
