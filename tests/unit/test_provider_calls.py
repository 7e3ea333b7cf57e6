"""Calls of a provider: time limits, tries, and the rate, with a clock that only waiting moves."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

import pytest

from drm.cloud.calls import MOST_HANGING, CallLimits, Calls, aside, in_time
from drm.errors import InvalidValueError, NoAnswerError, NoInstancesError, ProviderError, ThrottledError


@dataclass
class Clock:
    """Time that passes by waiting."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def calls(clock: Clock, chance: float = 0.5, **limits: float) -> Calls:
    told = {"per_second": 1e9, "burst": 10**9} | limits
    return Calls("aws", CallLimits(**told), clock=lambda: clock.now, wait=clock.wait, chance=lambda: chance)  # type: ignore[arg-type]


class Failing:
    """Raises these in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.made = list(errors), 0

    def __call__(self) -> str:
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_a_throttled_call_is_made_again_after_a_drawn_pause_that_doubles() -> None:
    """Pauses are half of 0.5, 1 and 2 s here; each failure that is followed by a try is told."""
    clock, told = Clock(), []
    failing = Failing(*[ThrottledError("slow down")] * 3)
    assert calls(clock).make("a launch", failing, repeatable=False, told=told.append) == "done"
    assert clock.waits == [0.25, 0.5, 1.0] and failing.made == 4 and [str(one) for one in told] == ["slow down"] * 3


def test_pauses_are_bounded_and_drawn_from_0() -> None:
    """Not longer than the longest, and as short as chance has it."""
    clock = Clock()
    calls(clock, chance=1.0, attempts=8, most_pause_seconds=3.0).make("x", Failing(*[ThrottledError()] * 7), repeatable=True)
    assert clock.waits == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0]
    clock = Clock()
    calls(clock, chance=0.0).make("x", Failing(ThrottledError()), repeatable=True)
    assert clock.waits == [0.0]


def test_the_last_failure_is_raised() -> None:
    """After as many tries as may be."""
    failing = Failing(*[ThrottledError(str(number)) for number in range(9)])
    with pytest.raises(ThrottledError, match="3"):
        calls(Clock()).make("x", failing, repeatable=True)
    assert failing.made == 4


@pytest.mark.parametrize(("repeatable", "made"), [(True, 2), (False, 1)])
def test_a_call_without_an_answer_is_repeated_only_where_that_is_safe(repeatable: bool, made: int) -> None:
    """A question or a launch with a token, but not one without."""
    failing = Failing(NoAnswerError("nothing"))
    if repeatable:
        assert calls(Clock()).make("x", failing, repeatable=True) == "done"
    else:
        with pytest.raises(NoAnswerError):
            calls(Clock()).make("x", failing, repeatable=False)
    assert failing.made == made


@pytest.mark.parametrize("error", [NoInstancesError("none"), ProviderError("no"), KeyError("x")])
def test_what_another_try_would_not_mend_is_not_tried_again(error: Exception) -> None:
    """Whatever it is, it comes out as it is."""
    failing = Failing(error)
    with pytest.raises(type(error)):
        calls(Clock()).make("x", failing, repeatable=True)
    assert failing.made == 1


def test_the_rate_holds_over_calls_and_tries() -> None:
    """Three at once, then two a second; a rest fills the bucket, and no further than to three."""
    clock = Clock()
    made = calls(clock, per_second=2.0, burst=3)
    for _ in range(5):
        made.make("x", Failing(), repeatable=True)
    assert clock.waits == [0.5, 0.5] and clock.now == 1.0
    clock.now += 100.0
    clock.waits.clear()
    for _ in range(4):
        made.make("x", Failing(), repeatable=True)
    assert clock.waits == [0.5]


def test_a_call_that_hangs_is_left_behind_and_only_so_many_of_them() -> None:
    """The caller hears in time that there was no answer; once too many hang, at once; and it goes on when they come back."""
    answer, hanging = threading.Event(), threading.BoundedSemaphore(MOST_HANGING)
    back = threading.Barrier(MOST_HANGING + 1)

    def hang() -> None:
        answer.wait(30)
        back.wait(30)

    for _ in range(MOST_HANGING):
        with pytest.raises(NoAnswerError, match=r"did not answer within 0\.001 s"):
            in_time(hang, 0.001, "it did not answer", hanging)
    with pytest.raises(NoAnswerError, match="16 earlier calls have not come back"):
        in_time(lambda: 1, 30.0, "it did not answer", hanging)
    answer.set()
    back.wait(30)
    for thread in threading.enumerate():
        if thread.name == "drm-provider-call":
            thread.join(30)
    assert in_time(lambda: 1, 30.0, "it did not answer", hanging) == 1


def test_a_coroutine_waits_aside() -> None:
    """Results and errors arrive on the loop; one that hangs holds up neither the loop nor its end."""
    answer = threading.Event()

    async def main() -> None:
        assert await aside(lambda: 7, 30.0, "x") == 7
        with pytest.raises(KeyError):
            await aside(lambda: {}["a"], 30.0, "x")
        with pytest.raises(NoAnswerError, match="within 0.01 s"):
            await aside(lambda: answer.wait(30), 0.01, "it did not answer")

    asyncio.run(main())
    answer.set()


@pytest.mark.parametrize("limits", [{"timeout_seconds": 0}, {"attempts": 0}, {"per_second": float("nan")}, {"burst": 0}])
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    """By name and value."""
    with pytest.raises(InvalidValueError, match=next(iter(limits))):
        CallLimits(**limits)  # type: ignore[arg-type]
