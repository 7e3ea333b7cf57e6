"""What workers of an external pool send: reports of what they have and use. A token is needed always, on loopback too.

A report that is refused has changed nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from flask import current_app, request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from drm.engines.reported import LABELS_LIMIT, PastSample, WorkerReport
from drm.errors import InvalidValueError
from drm.guards import trust_of
from drm.hosting import TOKEN_VARIABLE, environment_token
from drm.model import NAME_LIMIT, RESOURCES, Resources
from drm.parameters import NAME, Parameters
from drm.problems import OF_STATUS, ProblemError
from drm.routes import Call, Route
from drm.state import DRMState
from drm.trust import Refusal, Trust

REPORT_PATH, WORKER_PATH = "/api/v1/workers/{+worker_id}/report", "/api/v1/workers/{+worker_id}"
MOST_PAST = 1_000
"""Past samples of one report."""
MOST_AMOUNT = 1e18
OVERDRAWN = 1.5
"""A quota may be overdrawn for a moment; more than so many times its capacity nothing can use."""

HOW_TO_SET_A_TOKEN = (
    f"reports are taken only with a token, and this program has none: start it with {TOKEN_VARIABLE} or --token set "
    "(`openssl rand -hex 16` makes one), and give agents the same"
)

Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT, pattern=r"^[^\x00-\x1f\x7f]+$")]
Amount = Annotated[float, Field(ge=0, le=MOST_AMOUNT, allow_inf_nan=False)]


class Body(BaseModel):
    """Strict: no other field, and a number is a finite number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Amounts(Body):
    """An amount of each resource; what is left out is not there, or was not measured."""

    cpu: Amount | None = Field(default=None, description="cores")
    memory: Amount | None = Field(default=None, description="bytes")
    gpu: Amount | None = Field(default=None, description="devices")
    gpu_memory: Amount | None = Field(default=None, description="bytes")

    def known(self) -> dict[str, float]:
        """Those that were given."""
        return {name: value for name in RESOURCES if (value := getattr(self, name)) is not None}


class Past(Body):
    """What was used at a moment before the report."""

    used: Amounts
    time: float | None = Field(default=None, description="when it was measured, by the clock by which the report's `time` is")
    age_seconds: float | None = Field(default=None, ge=0, description="or how long before the report")


class Report(Body):
    """What a worker has and uses now, and what it used while nobody took its reports."""

    instance: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")] = Field(
        default="-", description="what the reporting program made up at its start: two programs under one id are told apart by it"
    )
    sequence: Annotated[int, Field(ge=0, le=2**53)] | None = Field(default=None, description="counts the reports of an instance")
    time: float | None = Field(default=None, description="the worker's own time of `used`, in seconds; only differences to it count")
    capacity: Amounts | None = None
    used: Amounts = Amounts()
    labels: dict[Name, Annotated[str, Field(max_length=NAME_LIMIT)]] | None = Field(default=None, max_length=LABELS_LIMIT)
    past: list[Past] = Field(default_factory=list, max_length=MOST_PAST)
    leaving: bool = Field(default=False, description="the program ends: another one may report under this id at once")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.leaving:
            return self
        capacity = {} if self.capacity is None else self.capacity.known()
        if not any(capacity.values()):
            raise InvalidValueError('capacity must say what the worker has, as in {"cpu": 8, "memory": 32e9}')
        for name, amount in self.used.known().items():
            if amount > capacity.get(name, 0.0) * OVERDRAWN:
                raise InvalidValueError(
                    f"used {name} is {amount:g} of a capacity of {capacity.get(name, 0.0):g}: no worker uses more than it has"
                )
        for index, one in enumerate(self.past):
            if (one.age_seconds is None) == (one.time is None):
                raise InvalidValueError(f"past[{index}] needs its `time` or its `age_seconds`, and not both")
            if one.time is not None and (self.time is None or one.time > self.time):
                raise InvalidValueError(f"past[{index}].time must not be later than the `time` of the report, which has to be given then")
        return self

    def told(self) -> WorkerReport:
        """In the words of an engine."""
        past = tuple(PastSample(_age(one, self.time), one.used.known()) for one in self.past)
        capacity = Resources(**(self.capacity or Amounts()).known())
        return WorkerReport(self.instance, capacity, self.used.known(), self.labels, self.sequence, past)


class Taken(Body):
    """What became of a report."""

    worker: str
    registered: bool = Field(default=False, description="it was the first of this worker, or the first after it was lost")
    newest: bool = Field(default=True, description="it counts as the present; false where a later one has come before it")
    kept: int = Field(default=0, description="past samples that history is asked to take")
    dropped: int = Field(default=0, description="past samples that are too old, or for which there was no room")


class Gone(Body):
    """A worker has left the pool."""

    worker: str


class OfWorker(Parameters):
    """Which worker."""

    worker_id: Annotated[str, NAME]
    """The worker's name, its own in the pool: 1 to 256 printable characters."""


def ingest_routes(state: DRMState) -> tuple[Route[Any, Any], ...]:
    """What workers send. In a host's application the token is what DRM_TOKEN says now."""
    token = environment_token()
    of_host = None if token is None else Trust((), token)

    def guard() -> None:
        refusal = _refuse_reporter(of_host)
        if refusal is not None:
            raise ProblemError(OF_STATUS[refusal.status], refusal.message)

    def report(call: Call[OfWorker, Report]) -> Any:
        return _take(state, call.query.worker_id, call.body).model_dump()

    def deregister(call: Call[OfWorker, Any]) -> Any:
        _refuse_other_engine(state)
        state.manager.deregister_worker(call.query.worker_id)
        return Gone(worker=call.query.worker_id).model_dump()

    rules: dict[str, Any] = {"query": OfWorker, "guard": guard}
    refused = ("unauthenticated", "forbidden", "conflict", "too-many-requests")
    return (
        Route(
            REPORT_PATH,
            "A worker says what it has and uses; the first report makes it join",
            report,
            method="POST",
            body=Report,
            answer=Taken,
            problems=refused,
            **rules,
        ),
        Route(WORKER_PATH, "A worker leaves", deregister, method="DELETE", answer=Gone, problems=(*refused, "unknown-id"), **rules),
    )


def _refuse_reporter(of_host: Trust | None) -> Refusal | None:
    """A cookie is not enough: whoever reports has the token itself."""
    trust = trust_of(current_app)
    if trust is None and of_host is None:
        return Refusal(403, HOW_TO_SET_A_TOKEN.replace(" or --token", ""))
    if trust is not None and not trust.has_door:
        return Refusal(403, HOW_TO_SET_A_TOKEN)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return Refusal(401, "send the token: Authorization: Bearer TOKEN")
    # Where the server is ours its door has seen the token already.
    return of_host.refuse_token(given.strip(), request.remote_addr or "") if trust is None and of_host is not None else None


def _take(state: DRMState, worker_id: str, report: Report) -> Taken:
    _refuse_other_engine(state)
    if not worker_id.isprintable():
        raise InvalidValueError(f"a worker id must be printable characters, got {worker_id[:NAME_LIMIT]!r}")
    if report.leaving:
        state.manager.release_reporter(worker_id, report.instance)
        return Taken(worker=worker_id)
    took = state.manager.accept_report(worker_id, report.told())
    return Taken(worker=worker_id, registered=took.registered, newest=took.is_newest, kept=took.kept, dropped=took.dropped)


def _refuse_other_engine(state: DRMState) -> None:
    source = state.snapshot.source
    if source.kind != "external":
        raise ProblemError(
            "conflict",
            f"the workers of this pool ({source.kind} {source.label}) do not report themselves: start the program with --engine external",
        )


def _age(one: Past, time: float | None) -> float:
    return one.age_seconds if one.age_seconds is not None else (time or 0.0) - (one.time or 0.0)
