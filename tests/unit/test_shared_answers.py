"""Many pages, one answer: a callback of a tick is worked out once for all who ask for the same."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Response
from werkzeug.wrappers import Response as AnyResponse

from drm import ids
from drm.dashboard import create_app
from drm.shared_answers import SECONDS, SharedAnswers, is_shared
from tests.unit.page_pool import START, TICKS, state_with_history
from tests.unit.test_callbacks import TICK
from tests.unit.test_callbacks import Page as SharedPage

NO_UPDATE = 204


class Server:
    """A callback that draws what is there for a page that has not drawn it, and counts how often it is worked out."""

    def __init__(self) -> None:
        self.there = "first"
        self.version: tuple[object, ...] = (object(),)
        self.now = 0.0
        self.made = 0
        self.shared = SharedAnswers(lambda: self.version, lambda: self.now)

    def ask(self, drawn: str | None = None, number: int = 1, **asked: str) -> AnyResponse:
        def make() -> AnyResponse:
            self.made += 1
            if drawn == self.there:
                return Response(status=NO_UPDATE)
            told = {"drm-x-wire": {"data": self.there}, "drm-x-drawn": {"data": self.there}}
            return Response(json.dumps({"multi": True, "response": told}), mimetype="application/json")

        return self.shared.answer(call(drawn, number, **asked), make)


def call(drawn: str | None, number: int = 1, **asked: str) -> dict[str, Any]:
    """As a page posts it."""
    return {
        "output": "..drm-x-wire.data...drm-x-drawn.data..",
        "inputs": [{"id": "drm-x-tick", "property": "data", "value": {"n": number, "sent": 1000 + number, "range": "15m", **asked}}],
        "state": [{"id": "drm-x-drawn", "property": "data", "value": drawn}],
    }


def test_pages_that_ask_for_the_same_at_other_times_of_theirs_share_one_answer() -> None:
    """The number of a tick and when it was sent are the page's own."""
    server = Server()
    bodies = {server.ask(number=number).get_data() for number in range(50)}
    assert server.made == 1 and len(bodies) == 1


def test_another_range_is_another_question() -> None:
    """Nothing that changes the answer is left out."""
    server = Server()
    server.ask(range="1h")
    server.ask(range="6h")
    assert server.made == 2


def test_who_has_drawn_it_is_told_so_and_who_has_drawn_something_older_gets_it() -> None:
    """Two answers at most, whatever pages have drawn, and in whatever order they ask."""
    for order in (["first", None, "older", "oldest"], [None, "first", "older", "first"], ["older", "first", "oldest", None]):
        server = Server()
        for drawn in order * 3:
            assert server.ask(drawn).status_code == (NO_UPDATE if drawn == "first" else 200)
        assert server.made == 2


def test_a_tick_makes_every_answer_anew() -> None:
    """Also one that a page of the old version asks for."""
    server = Server()
    server.ask()
    server.there, server.version = "second", (object(),)
    assert b"second" in server.ask("first").get_data() and b"second" in server.ask().get_data()
    assert server.made == 2


def test_without_a_tick_an_answer_is_good_for_a_second() -> None:
    """What is told of the present, such as how old the last tick is, goes on."""
    server = Server()
    server.ask()
    server.now = SECONDS - 0.01
    server.ask()
    assert server.made == 1
    server.now = SECONDS
    server.ask()
    assert server.made == 2


def test_a_newer_answer_that_came_while_a_tick_ran_is_not_mixed_with_the_older_one() -> None:
    """A page that has drawn the older one gets the newer."""
    server = Server()
    assert server.ask("first").status_code == NO_UPDATE
    server.there = "second"
    assert b"second" in server.ask().get_data()
    assert b"second" in server.ask("first").get_data()
    assert server.ask("second").status_code == NO_UPDATE


def test_a_failure_is_nobody_elses() -> None:
    """Neither an error that is raised nor one that is answered is kept."""
    server = Server()

    def refuse() -> AnyResponse:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        server.shared.answer(call(None), refuse)
    assert server.shared.answer(call(None), lambda: Response(status=500)).status_code == 500
    assert server.ask().status_code == 200


def test_what_a_button_does_is_done_each_time() -> None:
    """A call that no tick set off may change something."""
    pressed = {"output": "drm-bar.hidden", "inputs": [{"id": "drm-drain", "property": "n_clicks", "value": 1}], "state": []}
    server, done = Server(), []
    for _ in range(2):
        server.shared.answer(pressed, lambda: (done.append(1), Response("{}"))[1])
    assert not is_shared(pressed) and len(done) == 2


def test_pages_that_ask_at_once_wait_for_one_answer() -> None:
    """The first one works it out."""
    server, together = Server(), Barrier(8)

    def ask(_: int) -> bytes:
        together.wait(10)
        return bytes(server.ask().get_data())

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1
    assert server.made == 1


def test_the_page_gives_two_readers_of_one_tick_the_same_bytes_and_the_next_tick_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the real callback of the heatmap, behind all its guards."""
    from drm.figures import utilization

    built: list[object] = []
    build: Callable[..., Any] = utilization.build
    monkeypatch.setattr(utilization, "build", lambda *given: built.append(given) or build(*given))
    state = state_with_history()
    client = create_app(state).server.test_client()
    layout = {one["output"]: one for one in client.get("/drm-dashboard/_dash-dependencies").json}
    callback = next(one for name, one in layout.items() if name.startswith("..drm-utilization-wire"))
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in callback["output"].strip(".").split("...")]
    values = {"drm-resource": "cpu", "drm-measure": "used"}

    def ask(number: int) -> bytes:
        tick = {"n": number, "range": "15m", "at": "", "scheme": "light", "sent": number}
        body = {
            "output": callback["output"],
            "outputs": outputs,
            "changedPropIds": ["drm-utilization-tick.data"],
            **{
                kind: [{**one, "value": values.get(one["id"]) if one["id"] != "drm-utilization-tick" else tick} for one in callback[kind]]
                for kind in ("inputs", "state")
            },
        }
        answer = client.post("/drm-dashboard/_dash-update-component", json=body)
        assert answer.status_code == 200
        return bytes(answer.data)

    assert ask(1) == ask(2) and len(built) == 1
    state.advance(START + TICKS)
    assert ask(3) == ask(4) and len(built) == 2
    old = weakref.ref(state.snapshot.used)
    state.advance(START + TICKS + 1)
    state.advance(START + TICKS + 2)
    gc.collect()
    assert old() is None, "an answer that is kept must not keep what it was made of"


def test_an_answer_holds_nothing_of_the_page_that_asked_first() -> None:
    """Others get it too, and their clocks may stand elsewhere."""
    told = SharedPage(state_with_history()).call(ids.HEALTH, drm_shell_tick={**TICK, "sent": 987654321.5, "page": "of-the-first"})
    assert told[ids.HEALTH]["data"]["ok"]
    assert "987654321" not in json.dumps(told) and "of-the-first" not in json.dumps(told)
