"""Calls of the page's callbacks as its pages make them, and what becomes of them in the hands of somebody who wants to do harm."""

from __future__ import annotations

import copy
import json
import logging
import random
from dataclasses import dataclass
from typing import Any

from drm import ids
from drm.dashboard import create_app
from drm.decision import Bounds
from drm.history.lifetimes import Lifetime
from drm.manager import DynamicResourceManager
from drm.state import DRMState
from drm.tabs import TABS
from tests.unit.page_pool import state_with_history
from tests.unit.past_pool import stepped_pool

PREFIX = "/drm-dashboard/"
ROUTE = f"{PREFIX}_dash-update-component"
ALLOWED = (200, 204, 400, 413, 415)

NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**400, 1e308, -1e308, 5e-324, 1.5, float("nan"), float("inf"), -float("inf"))
TEXTS = (
    *("", " ", "0", "-1", "-0", "1e999", "nan", "inf", "²", "٣", "1_000", "0x10", "1" * 5000, "x" * 100_000, "1800000030", "1e12"),
    *("\x00", "\ud800", "\u202eevil", "🙂" * 100, "<script>", "%s%n{}", "__class__", "../../etc/passwd", "None", "null", "true"),
    *("15m", "10s", "2592000s", "99999999999s", "cpu", "memory", "gpu", "day", "month", "all", "name", "light", "dark", "plain", "asc"),
    *("timeline", "ended", "begin", "end", "length", "type", "market", "mean", "max", "drm-shell-tick.data", "..a.b...c.d.."),
)
KEYS = (
    *("", "range", "at", "scheme", "worker", "decision", "group", "id", "filter", "colId", "sort", "type", "props", "namespace"),
    *("__proto__", "cancelJob", "running", "progress", "job"),
)


def states() -> dict[str, DRMState]:
    """The pools that a page may stand on: one that reports itself, a simulated one with decisions, and one before its first tick."""
    return {
        "external": state_with_history(),
        "simulated": stepped_pool(120)[0],
        "unticked": DRMState(DynamicResourceManager(now=0.0, bounds=Bounds(0, 4))),
    }


def real_calls(state: DRMState) -> tuple[Any, list[dict[str, Any]]]:
    """The dashboard's application, and the calls of its callbacks as an open page makes them."""
    app = create_app(state)
    given = _values(state)
    calls = []
    for output, callback in app.callback_map.items():
        if "callback" not in callback:
            continue
        names = output.strip(".").split("...") if output.startswith("..") else [output]
        outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
        for worker, decision, at in given["opened"]:
            tick = {"n": 3, "range": "15m", "scheme": "light", "sent": 1, "at": at, "worker": worker, "decision": decision}
            values = {**given, **dict.fromkeys((ids.tick(key) for key in given["keys"]), tick), ids.AT: at}
            calls.append(
                {
                    "output": output,
                    "outputs": outputs if output.startswith("..") else outputs[0],
                    "inputs": [{**one, "value": values.get(one["id"])} for one in callback["inputs"]],
                    "state": [{**one, "value": values.get(one["id"])} for one in callback["state"]],
                    "changedPropIds": [f"{one['id']}.{one['property']}" for one in callback["inputs"]][:1],
                    "parsedChangedPropsIds": [f"{one['id']}.{one['property']}" for one in callback["inputs"]][:1],
                }
            )
    return app, calls


def _values(state: DRMState) -> dict[str, Any]:
    lifetimes: tuple[Lifetime, ...] = state.lifetimes_in(900.0)
    ended = [one.worker_id for one in lifetimes if one.ended_at == one.ended_at]
    workers = [lifetimes[0].worker_id if lifetimes else "nobody", ended[0] if ended else "nobody"]
    return {
        "keys": (ids.SHELL_KEY, *(tab.key for tab in TABS), ids.DETAIL_KEY, ids.EXPLANATION_KEY, ids.LIFETIMES_KEY),
        "opened": ((workers[0], "1", None), (workers[1], "3", f"{max(0.0, state.end() - 60):.0f}" if state.snapshot.ready else None)),
        ids.RESOURCE: "cpu",
        ids.MEASURE: "used",
        ids.SELECTED: {"group": workers},
        ids.OPENED: {"worker": workers[0]},
        "drm-demand-resource": "cpu",
        ids.ALLOCATION_RESOURCE: "cpu",
        ids.ALLOCATION_SORT: "name",
        ids.EFFICIENCY_RESOURCE: "cpu",
        ids.EFFICIENCY_BY: "name",
        ids.INSTANCE_TYPE: "m5.large",
        ids.CLOUD_REGION: "us-east-1",
        ids.CLOUD_BY: "provider",
        ids.SPAN: [["an hour ago", state.end() - 100], ["now", state.end() - 10]],
        ids.RANGE: "15m",
        ids.LIFETIMES_SHOW: "timeline",
        ids.LIFETIMES_SORT: "begin",
        ids.LEDGER: {
            "startRow": 0,
            "endRow": 100,
            "sortModel": [{"colId": "start", "sort": "desc"}],
            "filterModel": {"kind": {"filterType": "text", "type": "contains", "filter": "up"}},
        },
        "drm-spend-period": "day",
        "drm-ladder-of": "all",
    }


@dataclass(frozen=True)
class Sent:
    """A request to the callback route."""

    body: bytes
    content_type: str


def fuzzed(chance: random.Random, calls: list[dict[str, Any]]) -> Sent:
    """One of the calls, harmed: mostly in what the page's components send, else in its structure, or as text."""
    call = copy.deepcopy(chance.choice(calls))
    kind = chance.random()
    if kind < 0.75:
        arguments = call["inputs"] + call["state"]
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            chosen = chance.choice(arguments)
            chosen["value"] = _harmed(chance, chosen["value"])
    elif kind < 0.9:
        call = _harmed(chance, call)
    text = json.dumps(call)
    if kind >= 0.9:
        return _harmed_text(chance, text)
    return Sent(text.encode("utf-8", "surrogatepass"), "application/json")


def _harmed(chance: random.Random, value: Any) -> Any:
    """The value with one part of it, or all, replaced, left out, doubled or buried."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        action = chance.random()
        if action < 0.15:
            return {name: one for name, one in value.items() if name != key}
        if action < 0.25:
            return {**value, chance.choice(KEYS): _junk(chance)}
        return {**value, key: _harmed(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        action = chance.random()
        if action < 0.15:
            return value[:place] + value[place + 1 :]
        if action < 0.25:
            return [*value, value[place]]
        return [*value[:place], _harmed(chance, value[place]), *value[place + 1 :]]
    return _junk(chance)


def _junk(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random()
    if kind < 0.3:
        return chance.choice(NUMBERS)
    if kind < 0.65:
        return chance.choice(TEXTS)
    if kind < 0.75 or depth > 3:
        return chance.choice((None, True, False))
    if kind < 0.8:
        buried: Any = chance.choice(TEXTS)
        for _ in range(chance.choice((3, 30, 39, 41, 500))):
            buried = [buried] if chance.random() < 0.5 else {"a": buried}
        return buried
    if kind < 0.9:
        return [_junk(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(KEYS): _junk(chance, depth + 1) for _ in range(chance.randrange(4))}


def _harmed_text(chance: random.Random, text: str) -> Sent:
    body = text.encode()
    place = chance.randrange(len(body))
    content_type = "application/json"
    match chance.randrange(9):
        case 0:
            body = body[:place]
        case 1:
            body = body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]
        case 2:
            body = body[:place] + bytes(chance.randrange(256) for _ in range(20)) + body[place:]
        case 3:
            body = b"\xef\xbb\xbf" + body
        case 4:
            body = text.encode(chance.choice(("utf-16", "utf-32", "utf-16-be")))
        case 5:
            content_type = chance.choice(("text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"))
        case 6:
            content_type = chance.choice(
                ("application/json; charset=utf-7", "application/json;;", "APPLICATION/JSON", "application/json\t")
            )
        case 7:
            body = body.replace(b"null", chance.choice((b"NaN", b"Infinity", b"-Infinity", b"nul", b"1e99999", b"0" * 5000)), 1)
        case _:
            body = body + body if chance.random() < 0.5 else b"[" * chance.choice((10, 10_000)) + body
    return Sent(body, content_type)


class Complaints(logging.Handler):
    """What programs would have logged as worth a look; `waitress.queue` tells only that a machine is busy."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps it."""
        if record.name != "waitress.queue":
            self.told.append(f"{record.getMessage()} {logging.Formatter().formatException(record.exc_info) if record.exc_info else ''}")
