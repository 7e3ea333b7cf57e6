"""A tab of the page without a browser: it loads what a browser loads, and asks per tick for what a browser's tab asks for.

What a tick sets off is read from the page's own list of callbacks; tests/browser/test_tab_client.py holds it against a browser.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import aiohttp

from drm import ids
from drm.tabs import DEFAULT_RANGE, DEFAULT_REFRESH

TIMEOUT = aiohttp.ClientTimeout(total=60)
CONNECTIONS = 6
"""As many as a browser keeps to one host."""
LEDGER_ROWS = {
    "startRow": 0,
    "endRow": 15,
    "sortModel": [{"colId": "start", "sort": "desc"}],
    "filterModel": {},
}
Value = tuple[str, str]
"""Of a component, and which of its properties."""


@dataclass
class Seen:
    """What became of the requests of many tabs."""

    answers: int = 0
    bytes: int = 0
    ticks: int = 0
    """Rounds that had all their answers."""
    errors: list[str] = field(default_factory=list)
    called: dict[str, set[str]] = field(default_factory=dict)
    """Of each tab, the callbacks that it asked for, by their outputs."""
    seconds: list[float] = field(default_factory=list)
    """How long the answer to each callback took."""


PASSED = {"passTick": "inputs", "passDrawn": "state"}
"""What hands a tab's tick on to another store, and where it has it from."""


class Callbacks:
    """Of a page: what each of its ticks sets off, and what a call holds."""

    def __init__(self, listed: list[dict[str, Any]]) -> None:
        self._served = [one for one in listed if not one["clientside_function"]]
        self._passed = [
            (_values_of(one[PASSED[name]])[0], one["output"])
            for one in listed
            if (name := (one["clientside_function"] or {}).get("function_name")) in PASSED
        ]

    def ticks(self, tab: str) -> list[Value]:
        """The stores that a tick comes to while a tab is shown."""
        found = [(ids.tick(ids.SHELL_KEY), "data"), (ids.tick(tab), "data")]
        return found + [(output.rsplit(".", 1)[0], "data") for source, output in self._passed if source in found]

    def set_off_by(self, changed: Iterable[Value]) -> list[dict[str, Any]]:
        """Those of the server that have one of the values as an input."""
        wanted = set(changed)
        return [one for one in self._served if wanted.intersection(_values_of(one["inputs"]))]

    @staticmethod
    def call(callback: dict[str, Any], values: dict[Value, Any], changed: Iterable[Value]) -> dict[str, Any]:
        """The body that Dash's renderer sends."""
        several = callback["output"].startswith("..")
        names = callback["output"].strip(".").split("...")
        outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
        props = [f"{name}.{prop}" for name, prop in _values_of(callback["inputs"]) if (name, prop) in changed]
        return {
            "output": callback["output"],
            "outputs": outputs if several else outputs[0],
            "inputs": [{**one, "value": values.get((one["id"], one["property"]))} for one in callback["inputs"]],
            "state": [{**one, "value": values.get((one["id"], one["property"]))} for one in callback["state"]],
            "changedPropIds": props,
            "parsedChangedPropsIds": props,
        }


class Tab:
    """One open page. `pushed`: it draws when the server sends a tick, else each second; never before its last answers are there."""

    def __init__(self, url: str, tab: str, seen: Seen, *, pushed: bool) -> None:
        self.url, self.tab, self.seen, self.pushed = url, tab, seen, pushed
        self._values: dict[Value, Any] = {(ids.LEDGER, "getRowsRequest"): LEDGER_ROWS}
        self._callbacks = Callbacks([])

    async def watch(self, begin: float, until: float) -> None:
        """Opens at one time of the loop's clock, and closes at another. What goes wrong is noted in `seen`, and ends it."""
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS), timeout=TIMEOUT) as session:
                await self._open(session)
                await (self._follow(session, until) if self.pushed else self._poll(session, until))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self.seen.errors.append(f"{self.tab}: {error!r}")

    async def _open(self, session: aiohttp.ClientSession) -> None:
        page = (await self._get(session, self.url)).decode()
        for asset in re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', page):
            await self._get(session, urljoin(self.url, asset))
        layout, listed = [await self._get(session, f"{self.url}{name}") for name in ("_dash-layout", "_dash-dependencies")]
        self._values.update(_given(json.loads(layout)))
        self._callbacks = Callbacks(json.loads(listed))

    async def _poll(self, session: aiohttp.ClientSession, until: float) -> None:
        number = 0
        while (began := time.monotonic()) < until:
            number += 1
            await self._tick(session, number)
            await asyncio.sleep(max(0.0, DEFAULT_REFRESH - (time.monotonic() - began)))

    async def _follow(self, session: aiohttp.ClientSession, until: float) -> None:
        path = self._values[ids.FEED, "data"]["ticks"]
        async with session.ws_connect(urljoin(self.url, path), timeout=aiohttp.ClientWSTimeout(ws_close=60)) as socket:
            await socket.send_str("next")
            with suppress(TimeoutError):
                while (left := until - time.monotonic()) > 0:
                    told = json.loads(await socket.receive_str(timeout=left))
                    if "version" in told:
                        await socket.send_str("next")
                        await self._tick(session, told["version"])

    async def _tick(self, session: aiohttp.ClientSession, number: int) -> None:
        changed = self._callbacks.ticks(self.tab)
        tick = {"n": number, "range": DEFAULT_RANGE, "at": "", "scheme": "light", "sent": int(time.time() * 1000)}
        self._values.update(dict.fromkeys(changed, tick))
        called: set[str] = set()
        while changed:
            calls = [one for one in self._callbacks.set_off_by(changed) if one["output"] not in called]
            called.update(one["output"] for one in calls)
            answered = await asyncio.gather(*(self._call(session, one, changed) for one in calls))
            changed = [value for found in answered for value in found]
            if (ids.LEDGER_STATE, "data") in changed:
                changed.append((ids.LEDGER, "getRowsRequest"))
        self.seen.ticks += 1
        self.seen.called.setdefault(self.tab, set()).update(called)

    async def _call(self, session: aiohttp.ClientSession, callback: dict[str, Any], changed: list[Value]) -> list[Value]:
        """The values that the answer sets."""
        body = self._callbacks.call(callback, self._values, changed)
        began = time.monotonic()
        async with session.post(f"{self.url}_dash-update-component", json=body) as answer:
            data = await answer.read()
        self.seen.seconds.append(time.monotonic() - began)
        self._note(answer, data, (200, 204))
        if answer.status != 200:
            return []
        given = {(name, prop): value for name, props in json.loads(data)["response"].items() for prop, value in props.items()}
        self._values.update(given)
        return list(given)

    async def _get(self, session: aiohttp.ClientSession, url: str) -> bytes:
        async with session.get(url) as answer:
            data = await answer.read()
        self._note(answer, data, (200,))
        return data

    def _note(self, answer: aiohttp.ClientResponse, data: bytes, right: tuple[int, ...]) -> None:
        self.seen.answers += 1
        self.seen.bytes += len(data)
        if answer.status not in right:
            self.seen.errors.append(f"{self.tab}: {answer.status} for {answer.url.path}: {data[:200]!r}")


def _values_of(listed: list[dict[str, Any]]) -> list[Value]:
    return [(one["id"], one["property"]) for one in listed]


def _given(component: Any) -> Iterator[tuple[Value, Any]]:
    """What the layout gives a component and those within."""
    if isinstance(component, list):
        for one in component:
            yield from _given(one)
    elif isinstance(component, dict) and "props" in component:
        props = component["props"]
        if "id" in props:
            yield from (((props["id"], name), value) for name, value in props.items() if name != "children")
        yield from _given(props.get("children"))
