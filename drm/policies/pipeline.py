"""What stands between a policy's wish and the pool: named steps in a fixed order, each of which may change the size and says why.

warm-up -> proposal -> idle grace -> cooldown -> bounds -> launcher. A step that changed the size is a blocker of what the step before it
wanted; each `flip_if` holds on condition that the other blockers went.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drm.decision import Action, Blocker, Bounds, Input, Step
from drm.errors import InvalidValueError
from drm.model import RESOURCES
from drm.policies import Policy, Signals


@dataclass(frozen=True, slots=True)
class Past:
    """When the pool last grew and last shrank by decision; -inf where it never did."""

    up_at: float = -math.inf
    down_at: float = -math.inf


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one run through the pipeline came to. Sizes count workers."""

    action: Action
    code: str
    reason: str
    current: int
    desired: int
    bounded: int
    target: int
    steps: tuple[Step, ...]
    blockers: tuple[Blocker, ...]
    inputs: tuple[Input, ...]
    cooldown_left_seconds: float


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The limits that hold whatever the policy says."""

    up_cooldown_seconds: float = 3.0
    """From one scale-up to the next."""
    down_cooldown_seconds: float = 15.0
    """From the last change of size, up or down, to a scale-down."""

    def __post_init__(self) -> None:
        for name, value in self.parameters.items():
            if not math.isfinite(value) or value < 0:
                raise InvalidValueError(f"{name} must be finite and not negative, got {value!r}")

    @property
    def parameters(self) -> Mapping[str, float]:
        """Its limits by name."""
        return {"up_cooldown_seconds": self.up_cooldown_seconds, "down_cooldown_seconds": self.down_cooldown_seconds}

    def evaluate(self, policy: Policy, signals: Signals, past: Past, bounds: Bounds, no_launcher_reason: str | None) -> Evaluation:
        """Runs the steps over one set of signals; pure."""
        steps: list[Step] = []
        blockers: list[Blocker] = []
        current = signals.current
        desired = policy.desired(signals) if signals.ready else current
        size = desired
        for name, after, detail, blocker in self._steps(policy, signals, past, bounds, no_launcher_reason, desired):
            steps.append(Step(name, size, after, detail))
            if blocker is not None:
                blockers.append(blocker)
            size = after
        action: Action = "scale_up" if size > current else "scale_down" if size < current else "maintain"
        code, reason = _conclusion(action, signals, desired, size, bounds, blockers)
        return Evaluation(
            action=action,
            code=code,
            reason=reason,
            current=current,
            desired=desired,
            bounded=min(max(desired, bounds.min), bounds.max),
            target=size,
            steps=tuple(steps),
            blockers=tuple(blockers),
            inputs=_inputs(policy, signals),
            cooldown_left_seconds=self._cooldown_left(signals.now, past, up=desired > current),
        )

    def _steps(
        self, policy: Policy, signals: Signals, past: Past, bounds: Bounds, no_launcher_reason: str | None, desired: int
    ) -> Iterator[tuple[str, int, str, Blocker | None]]:
        current = signals.current
        if not signals.ready:
            waiting = Blocker("warm_up", "the engine is starting and has not shown its workers yet", "the engine shows its workers")
            yield "warm-up", current, waiting.detail, waiting
            return
        size = desired
        yield "proposal", size, _proposal(signals, desired), None

        blocker = None
        if size < current:
            allowed = max(size, current - policy.removable(signals))
            if allowed > size:
                left = _until_idle_enough(policy.seconds_until_removable(signals))
                blocker = Blocker("idle_grace", f"{current - size} too many, {current - allowed} of them idle for long enough", left)
            size = allowed
        yield "idle grace", size, blocker.detail if blocker else "", blocker

        blocker = None
        left_seconds = self._cooldown_left(signals.now, past, up=size > current)
        if size != current and left_seconds > 0:
            verb = "up" if size > current else "down"
            blocker = Blocker(
                "cooldown", f"{math.ceil(left_seconds)} s of cooldown left before scaling {verb}", f"{math.ceil(left_seconds)} s pass"
            )
            size = current
        yield "cooldown", size, blocker.detail if blocker else "", blocker

        blocker = None
        if size > bounds.max:
            blocker = Blocker("max_bound", f"the maximum is {bounds.max}", f"a maximum of {size}")
            size = bounds.max
        elif size < bounds.min:
            blocker = Blocker("min_bound", f"the minimum is {bounds.min}", f"a minimum of {size}")
            size = bounds.min
        yield "bounds", size, blocker.detail if blocker else "", blocker

        blocker = None
        if size != current and no_launcher_reason:
            blocker = Blocker("no_launcher", f"{size} workers are recommended, but {no_launcher_reason}", "a launcher is given")
            size = current
        yield "launcher", size, blocker.detail if blocker else "", blocker

    def _cooldown_left(self, now: float, past: Past, *, up: bool) -> float:
        if up:
            return max(0.0, past.up_at + self.up_cooldown_seconds - now)
        return max(0.0, max(past.up_at, past.down_at) + self.down_cooldown_seconds - now)


def _until_idle_enough(wait_seconds: float) -> str:
    if math.isinf(wait_seconds):
        return "a worker has no work for the grace period"
    return f"{math.ceil(wait_seconds)} s more without work" if wait_seconds > 0 else "the other idle workers stay without work as long"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _proposal(signals: Signals, desired: int) -> str:
    wanted = f"{_plural(signals.busy, 'busy worker')}, and {signals.needed} for {_plural(signals.queued, 'waiting task')}"
    return f"{wanted}: {desired}" + (f", with {signals.arriving} on the way" if signals.arriving else "")


def _inputs(policy: Policy, signals: Signals) -> tuple[Input, ...]:
    longest = float(signals.idle_seconds[0]) if len(signals.idle_seconds) else 0.0
    grace = policy.parameters.get("idle_grace_seconds")
    return (
        Input("queued_tasks", signals.queued, "tasks"),
        Input("running_tasks", signals.running, "tasks"),
        Input("busy_workers", signals.busy, "workers"),
        Input("arriving_workers", signals.arriving, "workers"),
        Input("needed_workers", signals.needed, "workers", signals.arriving, signals.needed - signals.arriving),
        Input("idle_workers", len(signals.idle_seconds), "workers"),
        Input("longest_idle", longest, "seconds", grace, None if grace is None else longest - grace),
        *(Input(f"queued_{name}", float(amount), name) for name, amount in zip(RESOURCES, signals.queued_demand, strict=True) if amount),
    )


def _conclusion(action: Action, signals: Signals, desired: int, size: int, bounds: Bounds, blockers: list[Blocker]) -> tuple[str, str]:
    """The reason code, and the sentence with its numbers."""
    current = signals.current
    if action == "scale_up":
        if current < bounds.min:
            return "below_min", f"{_plural(current, 'worker')} {'is' if current == 1 else 'are'} fewer than the minimum of {bounds.min}"
        capped = f"; {desired} would be needed, the maximum is {bounds.max}" if desired > size else ""
        why = f"{_plural(signals.queued, 'waiting task')} need {_plural(signals.needed, 'worker')} more than run"
        return "queue_demand", f"{why}, and {signals.arriving} are on the way{capped}" if signals.arriving else f"{why}{capped}"
    if action == "scale_down":
        if current > bounds.max:
            return "above_max", f"{_plural(current, 'worker')} are more than the maximum of {bounds.max}"
        longest = float(signals.idle_seconds[0]) if len(signals.idle_seconds) else 0.0
        return (
            "idle",
            f"{_plural(current - size, 'worker')} had no work, the longest for {longest:.0f} s; {signals.busy} of {current} are busy",
        )
    if blockers and (desired != current or not signals.ready):
        first = blockers[0] if not signals.ready else blockers[-1]
        return first.code, f"the policy wants {desired} instead of {current}: {first.detail}" if signals.ready else first.detail
    if blockers:
        return blockers[-1].code, blockers[-1].detail
    if signals.arriving:
        return "arriving", f"{_plural(signals.arriving, 'worker')} on the way will take the {_plural(signals.queued, 'waiting task')}"
    return "steady", f"{_plural(signals.busy, 'busy worker')} of {current}, and no task waits for room"
