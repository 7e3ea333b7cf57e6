"""What `/api/v1/recommendations` answers: what to change of the pool, with saving, evidence, confidence, risk and replay of each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from typing_extensions import TypedDict

from drm.analysis.candidates import candidates, named
from drm.analysis.recommendation import CONFIDENCES, KINDS, Confidence, Kind, Recommendation, Replay
from drm.analysis.recommendations import advise
from drm.answers import Told, number, plain
from drm.cloud.price_list import PriceList, read_price_list
from drm.errors import InvalidValueError
from drm.model import WorkerType
from drm.parameters import NAME, RANGE, AtMoment, one_of, some_of, written
from drm.routes import Call, Route
from drm.state import DRMState
from drm.view import View

RECOMMENDATIONS_PATH = "/api/v1/recommendations"
LONGEST = "30d"
Numbers = dict[str, float | None]


class RecommendationsParameters(AtMoment):
    """Over which time, and which of what is found."""

    range: Annotated[float, RANGE] = written(LONGEST)
    """How long before the moment."""
    kind: Annotated[tuple[str, ...], some_of(KINDS)] = written(",".join(KINDS))
    confidence: Annotated[str, one_of(CONFIDENCES)] = CONFIDENCES[0]
    """The least."""
    types: Annotated[tuple[str, ...] | None, some_of()] = None
    """Instance types of the price list to compare with, beside those that can be launched; they need a `region`."""
    region: Annotated[str | None, NAME] = None


class EvidenceAnswer(TypedDict):
    """What a recommendation rests on."""

    samples: int
    since: float | None
    until: float | None
    numbers: Numbers


class RecommendationAnswer(TypedDict):
    """Money and worker-hours are those of a month of 730 h."""

    kind: Kind
    subject: str
    change: str
    now: Numbers
    suggested: Numbers
    saving: float | None
    saving_hours: float | None
    currency: str | None
    freed: float | None
    guards: bool
    confidence: Confidence
    evidence: EvidenceAnswer
    risk: str
    risk_share: float | None
    formula: str
    replay: Annotated[Any, Told(Replay | None)]


class RecommendationsAnswer(TypedDict):
    """In their order; empty where nothing is to be said."""

    since: float | None
    until: float | None
    currency: str | None
    recommendations: list[RecommendationAnswer]


def recommendations_routes(state: DRMState, version: Callable[[], str]) -> tuple[Route[Any, Any], ...]:
    """The route over a state."""
    prices = functools.cache(read_price_list)

    def recommendations(call: Call[RecommendationsParameters, Any]) -> RecommendationsAnswer:
        return recommendations_json(state.at(call.query.at), state.manager.worker_types, prices, call.query)

    return (
        Route(
            RECOMMENDATIONS_PATH,
            "What to change, and what it saves in a month",
            recommendations,
            query=RecommendationsParameters,
            answer=RecommendationsAnswer,
            version=version,
        ),
    )


def recommendations_json(
    view: View, launchable: tuple[WorkerType, ...], prices: Callable[[], PriceList], asked: RecommendationsParameters
) -> RecommendationsAnswer:
    """The recommendations over a range, in their order, of some kinds, of a confidence at least; compared with the types that are asked
    for, and without them with those of the list where the pool stands."""
    found = advise(view, asked.range, _compared(view, launchable, prices, asked))
    record = found.record
    return {
        "since": None if record is None else number(record.since),
        "until": None if record is None else number(record.until),
        "currency": None if record is None else record.currency or None,
        "recommendations": [
            _recommendation(one)
            for one in found.recommendations
            if one.kind in asked.kind and CONFIDENCES.index(one.confidence) >= CONFIDENCES.index(asked.confidence)
        ],
    }


def _compared(
    view: View, launchable: tuple[WorkerType, ...], prices: Callable[[], PriceList], asked: RecommendationsParameters
) -> tuple[WorkerType, ...]:
    if asked.types is None:
        if asked.region is not None:
            raise InvalidValueError("region says where types are offered: give types as well, as in types=m5.large,c5.xlarge")
        return candidates(launchable, view.lifetimes_in(asked.range), prices)
    if asked.region is None:
        raise InvalidValueError("types need a region, as in region=us-east-1: prices differ from one to the next")
    return (*launchable, *named(list(asked.types), asked.region, prices()))


def _recommendation(one: Recommendation) -> RecommendationAnswer:
    return {
        "kind": one.kind,
        "subject": one.subject,
        "change": one.change,
        "now": _numbers(one.now),
        "suggested": _numbers(one.suggested),
        "saving": number(one.saving),
        "saving_hours": number(one.saving_hours),
        "currency": one.currency or None,
        "freed": number(one.freed),
        "guards": one.guards,
        "confidence": one.confidence,
        "evidence": {
            "samples": one.basis.samples,
            "since": number(one.basis.since),
            "until": number(one.basis.until),
            "numbers": _numbers(one.basis.numbers),
        },
        "risk": one.risk,
        "risk_share": number(one.risk_share),
        "formula": one.formula,
        "replay": plain(one.replay),
    }


def _numbers(told: Mapping[str, float]) -> Numbers:
    return {name: number(value) for name, value in told.items()}
