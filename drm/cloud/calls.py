"""Calls of a provider: each made aside with a time limit, not too often, and again where that is safe.

Who calls waits, so no tick does. A call that hangs is left behind in its thread, and no more than a few such threads may pile up. Libraries
retry as well (botocore does by default); here they are told not to, since what was tried again has to be told, and counts for the rate.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from drm.errors import InvalidValueError, NoAnswerError, ProviderError, ThrottledError

T = TypeVar("T")

MOST_HANGING = 16
"""Threads of calls that have not come back, for each provider."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How one provider is asked."""

    timeout_seconds: float = 20.0
    """For each try."""
    attempts: int = 4
    first_pause_seconds: float = 0.5
    most_pause_seconds: float = 20.0
    per_second: float = 5.0
    """Calls in the long run."""
    burst: int = 10
    """Calls at once, after a rest."""

    def __post_init__(self) -> None:
        for name in ("timeout_seconds", "first_pause_seconds", "most_pause_seconds", "per_second"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidValueError(f"{name} must be positive and finite, got {value!r}")
        for name in ("attempts", "burst"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


class Calls:
    """The calls of one provider. Any thread may call; `clock` and `wait` are seconds that pass, `chance` is uniform over [0, 1)."""

    def __init__(
        self,
        name: str,
        limits: CallLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self.limits = limits or CallLimits()
        self._clock, self._chance = clock, chance
        self._wait = wait or threading.Event().wait
        self._tokens, self._refilled_at = float(self.limits.burst), clock()
        self._hanging = threading.BoundedSemaphore(MOST_HANGING)
        self._lock = threading.Lock()

    def make(self, what: str, call: Callable[[], T], *, repeatable: bool, told: Callable[[ProviderError], None] | None = None) -> T:
        """What `call` returns. A throttled call is made again, since nothing has happened; one without an answer only where it is
        `repeatable`: a question, or a launch with a token. `told` hears of each failure that is followed by another try.

        Pauses are drawn from [0, min(most, first x 2^n)), n = 0, 1, ...: "full jitter" (M. Brooker, Exponential Backoff And Jitter, 2015).
        """
        limits = self.limits
        for attempt in range(limits.attempts):
            self._wait_for_turn()
            try:
                return in_time(call, limits.timeout_seconds, f"{self._name} did not answer {what}", self._hanging)
            except (ThrottledError, NoAnswerError) as error:
                may_repeat = repeatable or isinstance(error, ThrottledError)
                if not may_repeat or attempt == limits.attempts - 1:
                    raise
                if told is not None:
                    told(error)
                self._wait(self._chance() * min(limits.most_pause_seconds, limits.first_pause_seconds * 2.0**attempt))
        raise AssertionError("attempts are at least one")

    def _wait_for_turn(self) -> None:
        """A bucket of `burst` calls that fills by `per_second`; whoever finds it empty waits for their own."""
        with self._lock:
            now = self._clock()
            self._tokens = min(float(self.limits.burst), self._tokens + (now - self._refilled_at) * self.limits.per_second)
            self._refilled_at = now
            self._tokens -= 1.0
            pause = -self._tokens / self.limits.per_second
        if pause > 0:
            self._wait(pause)


def in_time(call: Callable[[], T], seconds: float, complaint: str, hanging: threading.Semaphore | None = None) -> T:
    """What `call` returns or raises, made in a thread of its own; NoAnswerError after so many seconds, and the thread is left behind.

    It holds one of `hanging` until it comes back; where none is left NoAnswerError is raised at once.
    """
    if hanging is not None and not hanging.acquire(blocking=False):
        raise NoAnswerError(f"{complaint}: {MOST_HANGING} earlier calls have not come back; it is not asked before one has")
    done = threading.Event()
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:
            failed.append(error)
        finally:
            if hanging is not None:
                hanging.release()
            done.set()

    threading.Thread(target=run, name="drm-provider-call", daemon=True).start()
    if not done.wait(seconds):
        raise NoAnswerError(f"{complaint} within {seconds:g} s")
    if failed:
        raise failed[0]
    return found[0]


async def aside(call: Callable[[], T], seconds: float, complaint: str) -> T:
    """The same for a coroutine. A loop that closes does not wait for the thread, as it would for its own executor's."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = call()
        except BaseException as error:
            failure = error
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:
                # It was closed in between: nobody waits any more.
                return

    threading.Thread(target=run, name="drm-provider-call", daemon=True).start()
    try:
        return await asyncio.wait_for(future, seconds)
    except TimeoutError:
        raise NoAnswerError(f"{complaint} within {seconds:g} s") from None
