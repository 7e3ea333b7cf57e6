"""Requests of tasks that are too large or too small, by the rules of `drm.analysis.right_sizing` (percentile and peak with a margin).

freed = sum over resources of (request - suggested) x how many ran at once on average x the resource's unit price x 730 h, where the unit
price shares a worker's price as `drm.cloud.split.weights` does. Freed capacity is money only once the pool is smaller for it: saving is
what the replay finds, recorded demand packed with the old request and with the new one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from drm.analysis.recommendation import MONTH_HOURS, Basis, Recommendation, Replay, confidence
from drm.analysis.recorded import Recorded
from drm.analysis.replay import Packed
from drm.analysis.right_sizing import MARGIN, Finding
from drm.model import RESOURCES, UNITS, FloatArray
from drm.task_usage import TaskShape

MIB, GIB = 2.0**20, 2.0**30


def study(record: Recorded, findings: Sequence[Finding], packed: Packed | None) -> list[Recommendation]:
    """One for each shape of tasks of which a request is to change."""
    by_shape: dict[TaskShape, list[Finding]] = {}
    for finding in findings:
        if finding.shape is not None and not math.isnan(finding.suggested):
            by_shape.setdefault(finding.shape, []).append(finding)
    prices = record.unit_prices
    return [_of(record, shape, found, packed, prices) for shape, found in by_shape.items()]


def _of(record: Recorded, shape: TaskShape, found: list[Finding], packed: Packed | None, prices: FloatArray) -> Recommendation:
    now = {one.resource: one.request for one in found}
    suggested = {one.resource: one.suggested for one in found}
    guards = any(one.kind == "under_provisioned" for one in found)
    freed = math.fsum(one.frees * float(prices[RESOURCES.index(one.resource)]) for one in found) * MONTH_HOURS
    replay = _replay(shape, suggested, packed)
    saved, saved_hours = (math.nan, math.nan) if replay is None else (replay.saved, replay.saved_hours)
    if not guards and replay is not None:
        # First-fit decreasing may need a worker more for smaller tasks; nobody has to pack them so.
        saved, saved_hours = (max(0.0, saved) if not math.isnan(saved) else saved), max(0.0, saved_hours)
    samples = min(one.evidence.samples for one in found)
    since, until = min(one.evidence.since for one in found), max(one.evidence.until for one in found)
    over = _over(record, shape, suggested, since)
    return Recommendation(
        kind="request",
        subject=shape.name,
        change=_words(found),
        now=now,
        suggested=suggested,
        saving=saved,
        saving_hours=saved_hours,
        currency=record.currency,
        basis=Basis(samples, since, until, _numbers(found)),
        confidence=confidence(samples, until - since),
        risk=_risk(found, over, samples),
        risk_share=over,
        formula=_formula(found, freed, replay),
        replay=replay,
        freed=freed,
        guards=guards,
    )


def _replay(shape: TaskShape, suggested: dict[str, float], packed: Packed | None) -> Replay | None:
    if packed is None or shape not in packed.moments.shapes:
        return None
    requests = packed.moments.requests.copy()
    row = packed.moments.shapes.index(shape)
    for resource, amount in suggested.items():
        requests[row, RESOURCES.index(resource)] = amount
    return packed.replay(requests)


def _over(record: Recorded, shape: TaskShape, suggested: dict[str, float], since: float) -> float:
    """The part of the measured attempts that used more of a resource than is suggested."""
    samples = record.usage.samples.get(shape)
    if samples is None:
        return math.nan
    used = samples["used"][samples["finished_at"] >= since]
    columns = [RESOURCES.index(resource) for resource in suggested]
    measured = ~np.isnan(used[:, columns])
    beyond = (np.where(measured, used[:, columns], -np.inf) > np.array(list(suggested.values()))).any(axis=1)
    whole = int(measured.any(axis=1).sum())
    return float(beyond.sum()) / whole if whole else math.nan


def _numbers(found: list[Finding]) -> dict[str, float]:
    numbers = {}
    for one in found:
        evidence = one.evidence
        parts = (("p50", evidence.p50), ("p95", evidence.p95), ("max", evidence.max), ("frees", one.frees))
        numbers.update({f"{name}_{one.resource}": value for name, value in parts})
        if evidence.out_of_memory:
            numbers["out_of_memory"] = float(evidence.out_of_memory)
    return numbers


def _risk(found: list[Finding], over: float, samples: int) -> str:
    want = next((one for one in found if one.kind == "under_provisioned"), None)
    if want is not None:
        name, part = _name(want.resource), f"{want.evidence.max / want.request * 100:.0f} %" if want.request else "no part"
        causes = {
            "out_of_memory": f"memory ended {want.evidence.out_of_memory} attempts",
            "memory_near_request": f"the largest peak is {part} of the {name} that is asked for, and what needs more may be ended",
            "cpu_held_down": "half of the attempts use all of their cpu, and take longer than they were said to",
        }
        return f"as it is, {causes.get(want.cause, f'attempts use up to {part} of the {name} that they ask for, which others then lack')}"
    if math.isnan(over):
        return "how many attempts use more is not known: none was measured"
    held = any(UNITS[one.resource] == "bytes" for one in found)
    told = f"{over * 100:.1f} % of {samples} measured attempts used more than is suggested"
    return f"{told}; one that needs more memory than it asks for may be ended" if held else f"{told}, and would take it from what is free"


def _formula(found: list[Finding], freed: float, replay: Replay | None) -> str:
    rules = ", ".join(
        f"{_name(one.resource)}: {'max' if UNITS[one.resource] == 'bytes' else 'p95'} x {1 + MARGIN:g}"
        if one.cause != "out_of_memory"
        else "memory: x 1.2 and 100 MiB more"
        for one in found
    )
    worth = "not known, as prices are not" if math.isnan(freed) else f"{freed:.4g} a month at the resources' shares of the workers' price"
    packs = "what the pool would shrink by is not known" if replay is None else "the saving is what the pool shrinks by in the replay"
    return f"{rules}; the freed capacity is worth {worth}; {packs}"


def _words(found: list[Finding]) -> str:
    told = [
        f"{'lower' if one.suggested < one.request else 'raise'} {_name(one.resource)} from {_amount(one.resource, one.request)} to "
        f"{_amount(one.resource, one.suggested)}"
        for one in found
    ]
    whole = ", and ".join(told)
    return whole[:1].upper() + whole[1:]


def _name(resource: str) -> str:
    return resource.replace("_", " ")


def _amount(resource: str, value: float) -> str:
    if UNITS[resource] != "bytes":
        return f"{value:g} {UNITS[resource].removesuffix('s') if value == 1 else UNITS[resource]}"
    return f"{value / GIB:.4g} GiB" if value >= GIB else f"{value / MIB:.4g} MiB"
