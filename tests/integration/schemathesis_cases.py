"""Requests that schemathesis makes up from the OpenAPI document, right ones and wrong ones, and what it says against the answers."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from drm.http import OPENAPI_PATH

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
)
"""Not among them: that what fits the schema of each parameter is taken. A moment in the future and a worker that never was fit theirs."""


MOMENTS = ("at", "since", "until")
"""Most numbers are no moment of a pool's life: half of the right requests go without, or there would be few answers."""


def ask(url: str, cases: int, number: int = 1) -> Counter[tuple[str, int]]:
    """Sends so many cases and some more to the program at that address; how many of each route were answered with which status.

    AssertionError (or a group of schemathesis' failures) with the request as a curl command where an answer is not as the document says.
    """
    with requests.Session() as session:
        document = session.get(url + OPENAPI_PATH, timeout=20).json()
        # The program may stand under a prefix; the document says it by its server.
        base = url + document["servers"][0]["url"].rstrip("/")
        operations = [one.ok() for one in schemathesis.openapi.from_dict(document).get_all_operations()]
        answered: Counter[tuple[str, int]] = Counter()
        while answered.total() < cases:
            # A route without parameters has one case, so that it takes several rounds.
            each = max(3, (cases - answered.total()) // (2 * len(operations)))
            for operation in operations:
                for mode in GenerationMode:
                    _ask_one(operation, mode, base, session, each, number, answered)
            number += 1
    return answered


def _ask_one(
    operation: Any, mode: GenerationMode, base: str, session: requests.Session, cases: int, number: int, answered: Counter[tuple[str, int]]
) -> None:
    @seed(number)
    @settings(max_examples=cases, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), of_the_present=st.booleans())
    def send(case: Any, of_the_present: bool) -> None:
        if of_the_present and mode is GenerationMode.POSITIVE:
            case.query = {name: value for name, value in (case.query or {}).items() if name not in MOMENTS}
        answer = case.call(base_url=base, session=session, timeout=30)
        answered[operation.path, answer.status_code] += 1
        told = f"{case.as_curl_command()}: {answer.status_code} {answer.headers} {answer.text[:1000]}"
        ready = operation.path != "/readyz"
        assert answer.status_code < 500 or (not ready and answer.status_code == 503), told
        assert answer.status_code < 400 or answer.headers["content-type"] == ["application/problem+json"], told
        case.validate_response(answer, checks=[check for check in CHECKS if ready or check is not not_a_server_error])

    # Where nothing can be wrong, as there are no parameters, there is no wrong case.
    with suppress(Unsatisfiable):
        send()
