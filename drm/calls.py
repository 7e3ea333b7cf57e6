"""What is a call of a callback, as a page of ours makes it; anything else is refused before Dash sees it, which would answer 500."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from drm.trust import Refusal

BODY_LIMIT = 1024 * 1024
"""Bytes of the largest request that is read."""

DIGITS_LIMIT = 25
"""Of a whole number; no page of ours writes a longer one."""

DEPTH_LIMIT = 40
"""Levels of nesting in what a page sends."""


def refuse_call(media_type: str, length: int | None, read: Callable[[], bytes], known: Mapping[str, Mapping[str, Any]]) -> Refusal | None:
    """None for a call of a callback that is `known`. The body is not read where its length is unknown or too much."""
    if media_type != "application/json":
        return Refusal(415, "a callback is called with application/json")
    if length is None:
        return Refusal(400, "a callback is called with a body of a stated length", kind="invalid-body")
    if length > BODY_LIMIT:
        return Refusal(413, f"the body has {length} bytes, the limit is {BODY_LIMIT}")
    try:
        body = strict_json(read())
    except ValueError:
        return Refusal(400, "the body is no JSON that a page would send", kind="invalid-body")
    if not isinstance(body, dict) or not isinstance(body.get("output"), str) or is_deeper(body, DEPTH_LIMIT):
        return Refusal(400, "the body is no call of a callback", kind="invalid-body")
    callback = known.get(body["output"])
    if callback is None or "callback" not in callback:
        return Refusal(400, "this page has no such callback; reload it", kind="invalid-body")
    changed = body.get("changedPropIds", [])
    fits = (
        _same_arguments(body.get("inputs"), callback["inputs"])
        and _same_arguments(body.get("state", []), callback["state"])
        and isinstance(changed, list)
        and all(isinstance(name, str) for name in changed)
        and _same_outputs(body.get("outputs"), body["output"])
    )
    return None if fits else Refusal(400, "the arguments are not those of this callback; reload the page", kind="invalid-body")


def strict_json(text: bytes) -> Any:
    """The value of a JSON text of numbers that programs can tell each other. ValueError where it is none: NaN, Infinity and numbers beyond
    every float are no JSON, and whole numbers of hundreds of digits break what they are given to."""
    try:
        return json.loads(text, parse_constant=_refuse_number, parse_int=_whole, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refuse_number(text: str) -> Any:
    raise ValueError(f"{text[:DIGITS_LIMIT]} is no number: what is not known is null")


def _whole(text: str) -> int:
    return int(text) if len(text) <= DIGITS_LIMIT else _refuse_number(text)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested more than so many levels deep."""
    layer = [value]
    for _ in range(levels):
        nested = [outer.values() if isinstance(outer, dict) else outer for outer in layer if isinstance(outer, (dict, list))]
        if not nested:
            return False
        layer = [inner for values in nested for inner in values]
    return any(isinstance(inner, (dict, list)) for inner in layer)


def _same_arguments(given: object, expected: list[dict[str, Any]]) -> bool:
    return (
        isinstance(given, list)
        and len(given) == len(expected)
        and all(
            isinstance(one, dict) and one.get("id") == other["id"] and one.get("property") == other["property"]
            for one, other in zip(given, expected, strict=True)
        )
    )


def _same_outputs(given: object, output: str) -> bool:
    """Whether these are the outputs that `output` names: `id.property`, or several as `..id.property...id.property..`."""
    names = []
    for one in given if isinstance(given, list) else [given]:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not isinstance(one.get("property"), str):
            return False
        names.append(f"{one['id']}.{one['property']}")
    return output == (f"..{'...'.join(names)}.." if isinstance(given, list) else names[0])
