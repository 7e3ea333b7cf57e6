"""What `/api/v1/recommendations` answers: what to change of the pool, with saving, evidence, confidence, risk and replay of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from drm.analysis.candidates import candidates, named
from drm.analysis.recommendation import CONFIDENCES, KINDS, Recommendation, Replay
from drm.analysis.recommendations import advise
from drm.cloud.price_list import PriceList
from drm.errors import InvalidValueError
from drm.export_api import read_range
from drm.model import NAME_LIMIT, WorkerType
from drm.view import View

RECOMMENDATIONS_PATH = "/api/v1/recommendations"
PARAMETERS = ("range", "at", "kind", "confidence", "types", "region")
LONGEST = "30d"


def recommendations_json(
    view: View, launchable: tuple[WorkerType, ...], prices: Callable[[], PriceList], arguments: Mapping[str, str]
) -> dict[str, Any]:
    """The recommendations over a `range` (default 30d), in their order; of some `kind`s (separated by commas), of a `confidence` at least.

    `types` names instance types of the price list in a `region` to compare with, beside those that can be launched (`launchable`); without
    it those of the list where the pool stands. Money and worker-hours are those of a month of 730 h; what is not known is null.
    InvalidValueError with the name, the value and the rule.
    """
    for name in arguments:
        if name not in PARAMETERS:
            raise InvalidValueError(f"there is no {name[:NAME_LIMIT]!r} to ask recommendations by; there is {', '.join(PARAMETERS)}")
    kinds = tuple(arguments["kind"].split(",")) if "kind" in arguments else KINDS
    for kind in kinds:
        if kind not in KINDS:
            raise InvalidValueError(f"kind must be some of {', '.join(KINDS)}, separated by commas, got {kind[:NAME_LIMIT]!r}")
    least = arguments.get("confidence", CONFIDENCES[0])
    if least not in CONFIDENCES:
        raise InvalidValueError(f"confidence must be one of {', '.join(CONFIDENCES)}, got {least[:NAME_LIMIT]!r}")
    seconds = read_range(arguments.get("range", LONGEST))
    found = advise(view, seconds, _compared(view, seconds, launchable, prices, arguments))
    record = found.record
    return {
        "since": None if record is None else _number(record.since),
        "until": None if record is None else _number(record.until),
        "currency": None if record is None else record.currency or None,
        "recommendations": [
            _recommendation(one)
            for one in found.recommendations
            if one.kind in kinds and CONFIDENCES.index(one.confidence) >= CONFIDENCES.index(least)
        ],
    }


def _compared(
    view: View, seconds: float, launchable: tuple[WorkerType, ...], prices: Callable[[], PriceList], arguments: Mapping[str, str]
) -> tuple[WorkerType, ...]:
    if "types" not in arguments:
        if "region" in arguments:
            raise InvalidValueError("region says where types are offered: give types as well, as in types=m5.large,c5.xlarge")
        return candidates(launchable, view.lifetimes_in(seconds), prices)
    if "region" not in arguments:
        raise InvalidValueError("types need a region, as in region=us-east-1: prices differ from one to the next")
    return (*launchable, *named(arguments["types"].split(","), arguments["region"], prices()))


def _recommendation(one: Recommendation) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "subject": one.subject,
        "change": one.change,
        "now": _numbers(one.now),
        "suggested": _numbers(one.suggested),
        "saving": _number(one.saving),
        "saving_hours": _number(one.saving_hours),
        "currency": one.currency or None,
        "freed": _number(one.freed),
        "guards": one.guards,
        "confidence": one.confidence,
        "evidence": {
            "samples": one.basis.samples,
            "since": _number(one.basis.since),
            "until": _number(one.basis.until),
            "numbers": _numbers(one.basis.numbers),
        },
        "risk": one.risk,
        "risk_share": _number(one.risk_share),
        "formula": one.formula,
        "replay": None if one.replay is None else _replay(one.replay),
    }


def _replay(one: Replay) -> dict[str, float | None]:
    names = ("since", "until", "hours_before", "hours_after", "cost_before", "cost_after", "waits_before", "waits_after", "overhead")
    return {"moments": one.moments} | {name: _number(getattr(one, name)) for name in names}


def _numbers(told: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in told.items()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
