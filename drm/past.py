"""What the scaler remembers between evaluations: changes of size, proposals, failed launches."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from drm.decision import Action
from drm.policies import Policy
from drm.policies.pipeline import FLAPPING_SECONDS, Pipeline

UPS_KEPT = 64
"""So many of the newest scale-ups are remembered: a failed one is taken out again."""


class Past:
    """Times are epoch seconds; -inf for what never was."""

    def __init__(self) -> None:
        self._ups: deque[float] = deque(maxlen=UPS_KEPT)
        self._down_at = -math.inf
        self._proposals: deque[tuple[float, float]] = deque()
        self._last_direction = 0
        self._reversals: deque[float] = deque()
        self.failed_launches = 0
        """In a row."""
        self._failed_at = -math.inf
        self.launch_error = ""
        """Of the last failed launch."""

    def decided(self, now: float, action: Action, desired: float, policy: Policy) -> None:
        """An evaluation, with what its policy wanted."""
        window = max(policy.windows_seconds)
        if window > 0:
            self._proposals.append((now, desired))
        while self._proposals and now - self._proposals[0][0] > window:
            self._proposals.popleft()
        if action == "maintain":
            return
        direction = 1 if action == "scale_up" else -1
        if direction > 0:
            self._ups.append(now)
        else:
            self._down_at = now
        if self._last_direction and direction != self._last_direction:
            self._reversals.append(now)
        self._last_direction = direction

    def launch_settled(self, now: float, requested_at: float, *, failed: bool, error: str) -> None:
        """A launch brought a worker, or has failed altogether."""
        if failed:
            self.failed_launches += 1
            self._failed_at = now
            self.launch_error = error
            # Nothing has changed that would have to cool down; the backoff is what waits now.
            self._ups = deque((at for at in self._ups if at != requested_at), UPS_KEPT)
        else:
            self.failed_launches = 0

    def forget_proposals(self) -> None:
        """Those of another policy say nothing of what this one would have wanted."""
        self._proposals.clear()

    def next_try_at(self, pipeline: Pipeline) -> float:
        """When the next launch may be tried."""
        return self._failed_at + pipeline.backoff_after(self.failed_launches)

    def conditions(self, now: float, current: int, policy: Policy, pipeline: Pipeline) -> Mapping[str, float]:
        """The part of an evaluation's conditions that comes from the past."""
        while self._reversals and now - self._reversals[0] > FLAPPING_SECONDS:
            self._reversals.popleft()
        up_at = max(self._ups, default=-math.inf)
        up_window, down_window = policy.windows_seconds
        low = [(now - at, size) for at, size in self._proposals if now - at < up_window]
        high = [(now - at, size) for at, size in self._proposals if now - at < down_window]
        return {
            "up_cooldown_left_seconds": max(0.0, up_at + pipeline.up_cooldown_seconds - now),
            "down_cooldown_left_seconds": max(0.0, max(up_at, self._down_at) + pipeline.down_cooldown_seconds - now),
            "hold_up_seconds": max((up_window - age for age, size in low if size <= current), default=0.0),
            "recent_low_workers": min((size for _, size in low if size > current), default=math.inf),
            "hold_down_seconds": max((down_window - age for age, size in high if size >= current), default=0.0),
            "recent_high_workers": max((size for _, size in high if size < current), default=0.0),
            "failed_launches": float(self.failed_launches),
            "backoff_left_seconds": max(0.0, self.next_try_at(pipeline) - now) if self.failed_launches else 0.0,
            "reversals": float(len(self._reversals)),
        }
