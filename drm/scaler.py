"""The scaler: reads what the policy is asked, keeps every answer with what it rested on, and follows what becomes of it.

No engine and no lock in here: the manager calls it under its own lock, and does what a decision asks for.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from drm.budget import Budget
from drm.decision import Band, Blocker, Bounds, ScalingDecision
from drm.demand import Demand, read_demand
from drm.errors import InvalidValueError
from drm.forecast import DemandHistory
from drm.hidden import without_secrets
from drm.judgement import SLOW_SECONDS, Judgement, Question, describe
from drm.ledger import Ledger
from drm.observation import LaunchReport, Notice
from drm.outcomes import Outcomes
from drm.past import Past
from drm.period_spend import PeriodSpends
from drm.policies import Policy, policy_text
from drm.policies.conditions import Conditions
from drm.policies.pipeline import Evaluation, Pipeline
from drm.policies.predictive import PredictivePolicy
from drm.pool import Pool
from drm.readings import read_conditions
from drm.victims import choose_victims

logger = logging.getLogger(__name__)

NO_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Limits:
    """What the owner of the pool allows."""

    bounds: Bounds
    budget: Budget = NO_BUDGET


@dataclass
class Scaler:
    """Policy, pipeline and limits, the ledger of what they came to, and the launches and retirements under way."""

    pool: Pool
    policy: Policy
    pipeline: Pipeline
    limits: Limits
    no_launcher_reason: str | None
    spends: PeriodSpends
    ledger: Ledger = field(default_factory=Ledger)
    last: ScalingDecision | None = None
    last_action: ScalingDecision | None = None
    """The last decision that was not to leave the pool as it is."""
    decided: Counter[str] = field(default_factory=Counter)
    """How many evaluations came to each action since the start."""
    bands: tuple[Band, ...] = ()
    """What the policy watched at the last evaluation."""
    is_slow: bool = False
    """Whether the last evaluation took longer than a reader should wait for one."""

    def __post_init__(self) -> None:
        _check(self.policy)
        self._outcomes = Outcomes(self.ledger)
        self._past = Past()
        self._demand_history = DemandHistory()

    @property
    def unanswered(self) -> Mapping[str, int]:
        """Workers that were asked for and that no engine has named yet, by worker type."""
        return self._outcomes.unanswered

    def account(self, launches: Sequence[LaunchReport], now: float) -> None:
        """Writes what became of earlier decisions into them."""
        self._outcomes.report(launches)
        for requested_at, failed, error in self._outcomes.advance(self.pool.fleet, now):
            self._past.launch_settled(now, requested_at, failed=failed, error=error)
        self.last_action = self.last_action and self.ledger.find(self.last_action.id)

    def launch_failed(self, decision: ScalingDecision, error: Exception) -> None:
        """The engine refused the launch that a decision asked for."""
        self._outcomes.report([LaunchReport(str(decision.id), failed=decision.count, error=str(error))])

    def ask(self, now: float, *, ready: bool) -> Question:
        """What the next evaluation rests on. `judge` then asks the policy, without the lock: a policy may take its time."""
        return self._question(now, ready, self._read_demand())

    def note_demand(self, question: Question) -> None:
        """Demand is remembered once per tick, for policies that look ahead."""
        if question.seen.ready:
            self._demand_history.append(question.now, self._wanted(question.demand))

    def decide(self, judgement: Judgement) -> ScalingDecision:
        """Keeps an evaluation in the ledger. A scale-down's workers are draining from here on; a scale-up's are the caller's to launch."""
        now, policy = judgement.question.now, judgement.question.policy
        if judgement.failed is not None and (self.last is None or self.last.code != "policy_error"):
            logger.error("policy %s failed; the pool stays as it is", policy.name, exc_info=judgement.failed)
        decision, self.bands = replace(judgement.decision, id=self.ledger.next_id), judgement.bands
        self.is_slow = judgement.seconds > SLOW_SECONDS
        if decision.action == "scale_down":
            victims, why = choose_victims(self.pool.fleet, decision.count, now, policy.grace_seconds)
            for worker_id in victims:
                self.pool.fleet.set_state(worker_id, "draining")
            decision = replace(decision, worker_ids=victims, granted=len(victims), selection=why, **self._parting(victims, decision))
            self._outcomes.retired(decision.id, victims)
        elif decision.action == "scale_up":
            self._outcomes.launched(str(decision.id), decision.id, decision.worker_type or "", decision.count, now)
        self.decided[decision.action] += 1
        self._past.decided(now, decision.action, decision.desired, policy)
        if policy != self.policy:
            # Another one was set meanwhile.
            self._past.forget_proposals()
        # A row of the ledger may hold many evaluations; what stands now is the latest of them.
        self.last = replace(decision, id=self.ledger.append(decision).id)
        if decision.action != "maintain":
            self.last_action = self.last
        return decision

    def set_bounds(self, bounds: Bounds, by: str) -> str:
        """Changes the bounds from the next evaluation on. Returns the change in words; empty where it is none."""
        old, self.limits = self.limits.bounds, replace(self.limits, bounds=bounds)
        return "" if old == bounds else f"{by} changed the bounds from {old.min}:{old.max} to {bounds.min}:{bounds.max}"

    def set_policy(self, policy: Policy, by: str) -> str:
        """Changes the policy from the next evaluation on; cooldowns and backoff go on. Returns as `set_bounds`."""
        _check(policy)
        old, self.policy = self.policy, policy
        if old == policy:
            return ""
        self._past.forget_proposals()
        return f"{by} changed the policy from {policy_text(old)} to {policy_text(policy)}"

    def keep_change(self, now: float, code: str, change: str, worker_ids: tuple[str, ...] = (), *, ready: bool) -> None:
        """A person's change as a decision of its own, with what was known at the time. What follows from it is the next evaluation's."""
        self._keep(now, code, change, worker_ids, ready=ready, actor="user")

    def keep_notice(self, now: float, notice: Notice, *, ready: bool) -> None:
        """What a provider or a worker did or said by itself, likewise."""
        text = without_secrets(notice.text)
        self._keep(now, notice.code, text, notice.worker_ids, ready=ready, actor=notice.actor, provider=notice.provider)

    def _keep(self, now: float, code: str, change: str, worker_ids: tuple[str, ...], *, ready: bool, **told: str | None) -> None:
        question = self._question(now, ready, self._read_demand())
        current = int(question.seen.current_workers)
        found = Evaluation("maintain", code, change, current, current, current, current, (), ())
        decision = describe(question, found, {})
        self.ledger.append(replace(decision, id=self.ledger.next_id, worker_ids=worker_ids, **told))  # type: ignore[arg-type]

    def _read_demand(self) -> Demand:
        return read_demand(self.pool, self.unanswered, self.limits.bounds.max)

    def _conditions(self, now: float, ready: bool, demand: Demand) -> tuple[Conditions, Mapping[str, float]]:
        """The conditions, and the utilization by resource that is in them."""
        silent_after = self.pipeline.silent_after_seconds
        utilization = self.pool.utilization(now - silent_after)
        seen = read_conditions(
            self.pool, demand, utilization, now, ready=ready, unanswered=self.unanswered, policy=self.policy, silent_after=silent_after
        )
        forecast = math.nan
        if isinstance(self.policy, PredictivePolicy):
            forecast = self._demand_history.forecast(now, self.policy.lead_seconds)
        whole = replace(
            seen,
            forecast_workers=forecast,
            min_workers=float(self.limits.bounds.min),
            max_workers=float(self.limits.bounds.max),
            budget=self.limits.budget.most("hour"),
            **self.spends.conditions(self.limits.budget, now),
            launcher=float(self.no_launcher_reason is None),
            **self._past.conditions(now, int(seen.current_workers), self.policy, self.pipeline),
        )
        return whole, utilization

    def _wanted(self, demand: Demand) -> float:
        """Workers that would be busy, were there enough."""
        fleet = self.pool.fleet
        busy = (fleet.reserved > 0) | (fleet.occupied > 0).any(axis=1)
        return float(busy.sum()) + demand.covered + demand.needed

    def _question(self, now: float, ready: bool, demand: Demand) -> Question:
        seen, utilization = self._conditions(now, ready, demand)
        return Question(now, self.policy, self.pipeline, seen, utilization, demand, self._notes(now, seen), self._infeasible())

    def _notes(self, now: float, seen: Conditions) -> Mapping[str, str]:
        """What numbers cannot say of a limit."""
        notes = {}
        if self.no_launcher_reason:
            notes["no_launcher"] = f", but {self.no_launcher_reason}"
        if seen.backoff_left_seconds:
            at = datetime.fromtimestamp(self._past.next_try_at(self.pipeline), UTC)
            notes["backoff"] = f", at {at:%H:%M:%S} UTC. The last one said: {self._past.launch_error or 'nothing'}"
        return notes

    def _infeasible(self) -> tuple[Blocker, ...]:
        """Tasks that no scaling helps are a reason as well why the pool does not grow for them."""
        found = self.pool.infeasible()
        return () if found is None else (Blocker("infeasible", found.reason, found.enough),)

    def _parting(self, worker_ids: Sequence[str], decision: ScalingDecision) -> dict[str, Any]:
        """The types and providers of workers that go, and what the pool costs without them."""
        before, saved = decision.cost_rate_before, float(self.pool.fleet.price[self.pool.fleet.rows(worker_ids)].sum())
        types = [self.pool.worker_type(worker_id) for worker_id in worker_ids]
        names = sorted({one.name for one in types if one})
        providers = sorted({one.provider for one in types if one and one.provider})
        return {
            "worker_type": ", ".join(names) or None,
            "provider": ", ".join(providers) or None,
            "cost_rate_after": None if before is None or math.isnan(saved) else before - saved,
        }


def _check(policy: Policy) -> None:
    """What is read of a policy outside of its arithmetic must be numbers, so that no tick can fail of it."""
    for spans, name in ((policy.windows_seconds, "windows_seconds"), ((policy.grace_seconds,), "grace_seconds")):
        for span in spans:
            if not (isinstance(span, (int, float)) and math.isfinite(span) and span >= 0):
                raise InvalidValueError(f"{name} of policy {policy.name!r} must be finite seconds of 0 or more, got {span!r}")
