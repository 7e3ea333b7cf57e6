"""Every reason code and blocker code that a decision may carry, with what it means: the one list of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

POLICY_CODES: Mapping[str, str] = MappingProxyType(
    {
        "queue_demand": "waiting tasks would fill more workers than are there or on their way",
        "idle": "workers have no work",
        "arriving": "workers on their way will take what waits",
        "within_target": "the workers that run will have done what waits within the target time",
        "steady": "nothing asks for another size",
        "first_worker": "tasks wait, and there is no worker",
        "high_utilization": "the tightest resource is used more than the upper threshold",
        "low_utilization": "the tightest resource is used less than the lower threshold",
        "above_target": "the tightest resource is used more than the target and its tolerance",
        "below_target": "the tightest resource is used less than the target and its tolerance",
        "on_target": "the tightest resource is used as much as the target, within the tolerance",
        "forecast": "more busy workers are expected within the lead time than are wanted now",
        "forecast_holds": "workers that are idle now are expected to be busy within the lead time",
        "ordered": "a person ordered another size",
    }
)
"""Why a policy wants more workers, fewer, or as many as there are."""

LIMIT_CODES: Mapping[str, str] = MappingProxyType(
    {
        "warm_up": "the engine is starting and has not shown its workers yet",
        "stale_data": "no worker was heard of for `stale_after_seconds`",
        "missing_data": "a number that the policy needs was not measured by any worker that is heard of",
        "stabilization": "another proposal counts in the policy's window",
        "idle_grace": "no worker has been idle for the policy's grace period",
        "cooldown": "the last change of size is too recent",
        "step_limit": "one step may not be larger",
        "max_bound": "the maximum is reached",
        "min_bound": "the minimum is reached",
        "budget": "more workers would cost more per hour than the budget",
        "budget_spent": "the budget of the day or of the month is spent: nothing is added until the next one begins",
        "price_unknown": "a budget is set, and a price is not known",
        "silent_workers": "more than a fifth of the fleet is silent: what is not heard of may be working",
        "busy_workers": "something runs on the workers that would go",
        "on_the_way": "the workers that would go have not come yet",
        "at_once": "a third of the fleet is on its way out already, or would be",
        "backoff": "launches have failed, and the next try is not due",
        "no_launcher": "nothing here can launch or retire workers: decisions are recommendations",
    }
)
"""Which step of the pipeline changed the size, in the order of the steps."""

OTHER_CODES: Mapping[str, str] = MappingProxyType(
    {
        "below_min": "repair: the pool is brought up to its minimum",
        "above_max": "repair: the pool is brought down to its maximum, by draining",
        "policy_error": "the policy raised or proposed what is no size; the pool is not touched",
        "infeasible": "a blocker only: queued tasks fit on no worker that the pool has or could launch",
        "slow_policy": "a blocker only: the policy takes seconds, so that what would change its answer was not searched",
        "bounds_set": "a user changed the bounds",
        "policy_set": "a user changed the policy",
        "cordoned": "a user cordoned a worker",
        "uncordoned": "a user uncordoned a worker, or took it back while it drained",
        "drain_asked": "a user asked a worker to drain",
    }
)
"""What is said by neither a policy nor a step."""

PROVIDER_CODES: Mapping[str, str] = MappingProxyType(
    {
        "no_capacity": "the provider has no more instances of one type, or grants no more of them",
        "retyped": "another type than the planned one was got, since that one was not to be had",
        "throttled": "the provider was asked too often; it is asked again after a pause",
        "launch_repeated": "a launch was not answered; it was asked for again, or found later, and stands once",
        "credentials_refused": "the provider does not accept the credentials that its own chain found, or none were found",
        "credentials_accepted": "the provider accepts the credentials again",
        "provider_silent": "the provider does not answer, or answers with an error",
        "provider_answers": "the provider answers again",
        "interruption": "the provider announced that it takes a spot instance back",
        "ended_outside": "an instance has ended that nobody here had ended",
        "never_joined": "an instance ran and its worker never joined the scheduler; it was ended",
    }
)
"""What a provider did or said by itself: decisions with the actor `provider`, which ask for nothing."""

WORKER_CODES: Mapping[str, str] = MappingProxyType(
    {
        "two_reporters": "two programs report under the id of one worker; the second one is refused",
    }
)
"""What a worker that reports itself did: decisions with the actor `worker`, which ask for nothing."""

CODES: Mapping[str, str] = MappingProxyType({**POLICY_CODES, **LIMIT_CODES, **OTHER_CODES, **PROVIDER_CODES, **WORKER_CODES})
