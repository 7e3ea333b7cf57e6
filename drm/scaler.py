"""The scaler: asks the policy, keeps every answer with what it rested on, and follows what becomes of it.

No engine and no lock in here: the manager calls it under its own lock, and does what a decision asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drm.decision import Bounds, ScalingDecision
from drm.ledger import Ledger
from drm.model import Resources
from drm.observation import LaunchReport
from drm.outcomes import Outcomes
from drm.policies import Policy
from drm.policies.pipeline import Evaluation, Past, Pipeline
from drm.pool import Pool
from drm.readings import idle_first, read_signals


class Scaler:
    """Policy, pipeline and bounds, the ledger of what they came to, and the launches and retirements under way."""

    def __init__(self, pool: Pool, policy: Policy, pipeline: Pipeline, bounds: Bounds, no_launcher_reason: str | None) -> None:
        self.policy = policy
        self.pipeline = pipeline
        self.bounds = bounds
        self.ledger = Ledger()
        self.last: ScalingDecision | None = None
        self.last_action: ScalingDecision | None = None
        """The last decision that was not to leave the pool as it is."""
        self._pool = pool
        self._no_launcher_reason = no_launcher_reason
        self._outcomes = Outcomes(self.ledger)
        self._past = Past()

    @property
    def unanswered(self) -> int:
        """Workers that were asked for and that no engine has named yet."""
        return self._outcomes.unanswered

    def account(self, launches: Sequence[LaunchReport], now: float) -> None:
        """Writes what became of earlier decisions into them."""
        self._outcomes.report(launches)
        self._outcomes.advance(self._pool.fleet, now)
        self.last_action = self.last_action and self.ledger.find(self.last_action.id)

    def launch_failed(self, decision: ScalingDecision, error: Exception) -> None:
        """The engine refused the launch that a decision asked for."""
        self._outcomes.report([LaunchReport(str(decision.id), failed=decision.count, error=str(error))])

    def decide(self, now: float, *, ready: bool) -> ScalingDecision:
        """One evaluation, kept in the ledger. A scale-down's workers are draining from here on; a scale-up's are the caller's to launch."""
        decision = self._describe(self._evaluate(now, ready), self.ledger.next_id, now)
        if decision.action == "scale_down":
            victims = tuple(idle_first(self._pool.fleet)[: decision.count])
            for worker_id in victims:
                self._pool.fleet.set_state(worker_id, "draining")
            decision = replace(decision, worker_ids=victims, granted=len(victims))
            self._outcomes.retired(decision.id, victims)
            self._past = replace(self._past, down_at=now)
        elif decision.action == "scale_up":
            self._outcomes.launched(str(decision.id), decision.id, decision.count, now)
            self._past = replace(self._past, up_at=now)
        # A row of the ledger may hold many evaluations; what stands now is the latest of them.
        self.last = replace(decision, id=self.ledger.append(decision).id)
        if decision.action != "maintain":
            self.last_action = decision
        return decision

    def explain_now(self, now: float, *, ready: bool) -> ScalingDecision:
        """The same evaluation, neither kept nor acted upon; its id is 0."""
        return self._describe(self._evaluate(now, ready), 0, now)

    def _evaluate(self, now: float, ready: bool) -> Evaluation:
        signals = read_signals(self._pool, now, ready=ready, unanswered=self.unanswered, most_workers=self.bounds.max)
        return self.pipeline.evaluate(self.policy, signals, self._past, self.bounds, self._no_launcher_reason)

    def _describe(self, evaluation: Evaluation, decision_id: int, now: float) -> ScalingDecision:
        requests, counts = self._pool.waiting()
        asked = evaluation.action != "maintain"
        return ScalingDecision(
            id=decision_id,
            timestamp=now,
            pool="default",
            actor="repair" if evaluation.code in ("below_min", "above_max") else "policy",
            policy=self.policy.name,
            policy_version=self.policy.version,
            parameters={**self.policy.parameters, **self.pipeline.parameters},
            action=evaluation.action,
            code=evaluation.code,
            reason=evaluation.reason,
            current=evaluation.current,
            desired=evaluation.desired,
            bounded=evaluation.bounded,
            count=abs(evaluation.target - evaluation.current),
            utilization=self._pool.utilization(),
            inputs=evaluation.inputs,
            steps=evaluation.steps,
            blockers=evaluation.blockers,
            cooldown_left_seconds=evaluation.cooldown_left_seconds,
            resource_requirements=Resources.of(counts @ requests),
            outcome="pending" if asked else "done",
            requested_at=now if asked else None,
        )
