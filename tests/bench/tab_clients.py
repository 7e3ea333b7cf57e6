"""Tabs of the page without a browser: each asks each second for what a tab of a browser would ask for, by its own callbacks."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PERIOD_SECONDS = 1.0
TICKS = {
    "overview": ("shell", "overview"),
    "utilization": ("shell", "utilization", "lifetimes"),
    "scaling": ("shell", "scaling"),
    "allocation": ("shell", "allocation"),
    "efficiency": ("shell", "efficiency", "recommendations"),
    "cloud": ("shell", "cloud", "spending", "ladder"),
}
"""Whose ticks an open tab hands on."""


@dataclass
class Seen:
    """What all tabs saw."""

    answers: int = 0
    bytes: int = 0
    largest: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """How long each answer took."""


class Page:
    """The callbacks of a running program, and the values that a page begins with."""

    def __init__(self, url: str) -> None:
        self.url = urlsplit(url)
        connection = http.client.HTTPConnection(self.url.netloc, timeout=30)
        self.callbacks: list[dict[str, Any]] = _get(connection, f"{self.url.path}_dash-dependencies")
        self.values: dict[tuple[str, str], Any] = dict(_values(_get(connection, f"{self.url.path}_dash-layout")))
        connection.close()

    def of_tick(self, key: str) -> list[dict[str, Any]]:
        """The callbacks of the server that this tick sets off."""
        tick = {"id": f"drm-{key}-tick", "property": "data"}
        return [
            one
            for one in self.callbacks
            if not one["clientside_function"] and any({"id": given["id"], "property": given["property"]} == tick for given in one["inputs"])
        ]


def watch(page: Page, tab: str, seconds: float, seen: Seen, lock: threading.Lock, *, choices: dict[str, Any] | None = None) -> None:
    """One tab for so long; it does not ask again before it has its answer."""
    connection = http.client.HTTPConnection(page.url.netloc, timeout=30)
    values = {**page.values, **{(name, "value"): value for name, value in (choices or {}).items()}}
    until, number = time.monotonic() + seconds, 0
    while (began := time.monotonic()) < until:
        number += 1
        for key in TICKS[tab]:
            values[f"drm-{key}-tick", "data"] = {"n": number, "range": "15m", "at": "", "scheme": "light", "sent": time.time() * 1000}
        for callback in [one for key in TICKS[tab] for one in page.of_tick(key)]:
            _call(connection, page, callback, values, seen, lock)
        time.sleep(max(0.0, PERIOD_SECONDS - (time.monotonic() - began)))
    connection.close()


def watch_all(page: Page, tab: str, tabs: int, seconds: float) -> Seen:
    """So many of one tab, opened one after the other within a second."""
    seen, lock = Seen(), threading.Lock()
    threads = [threading.Thread(target=watch, args=(page, tab, seconds, seen, lock)) for _ in range(tabs)]
    for thread in threads:
        thread.start()
        time.sleep(PERIOD_SECONDS / tabs)
    for thread in threads:
        thread.join()
    return seen


def _call(
    connection: http.client.HTTPConnection,
    page: Page,
    callback: dict[str, Any],
    values: dict[tuple[str, str], Any],
    seen: Seen,
    lock: threading.Lock,
) -> None:
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in callback["output"].strip(".").split("...")]
    body = {
        "output": callback["output"],
        "outputs": outputs if callback["output"].startswith("..") else outputs[0],
        "changedPropIds": [f"{one['id']}.{one['property']}" for one in callback["inputs"] if one["id"].endswith("-tick")],
        **{kind: [{**one, "value": values.get((one["id"], one["property"]))} for one in callback[kind]] for kind in ("inputs", "state")},
    }
    began = time.perf_counter()
    try:
        connection.request("POST", f"{page.url.path}_dash-update-component", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
    except OSError as error:
        connection.close()
        with lock:
            seen.errors.append(repr(error))
        return
    took = time.perf_counter() - began
    with lock:
        seen.answers += 1
        seen.bytes += len(data)
        seen.largest = max(seen.largest, len(data))
        seen.seconds.append(took)
        if answer.status not in (200, 204):
            seen.errors.append(f"{answer.status}: {data[:200]!r}")
    if answer.status == 200:
        for name, properties in json.loads(data)["response"].items():
            if name.endswith("-drawn"):
                values[name, "data"] = properties["data"]


def _get(connection: http.client.HTTPConnection, path: str) -> Any:
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def _values(component: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    """(id, property), value of a component and those within."""
    if isinstance(component, list):
        for one in component:
            yield from _values(one)
    elif isinstance(component, dict) and "props" in component:
        props = component["props"]
        if "id" in props:
            yield from (((props["id"], name), value) for name, value in props.items() if name != "children")
        yield from _values(props.get("children"))
