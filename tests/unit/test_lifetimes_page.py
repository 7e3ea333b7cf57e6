"""Worker lifetimes as callbacks: bars, the list of those that have ended, and the open worker that has."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from drm import ids
from drm.figures.areas import with_areas
from drm.history.lifetimes import Lifetime
from drm.manager import DynamicResourceManager
from drm.model import InstanceKind, Resources, WorkerState
from drm.state import DRMState
from tests.unit.lifetime_pool import START, STEP, TICKS, pool_with_ends
from tests.unit.test_callbacks import TICK, Page

KEY = ids.LIFETIMES_KEY
WIRE = ids.wire(KEY)
CHOSEN = {"drm_lifetimes_show": "timeline", "drm_lifetimes_sort": "begin"}


@pytest.fixture(scope="module")
def state() -> DRMState:
    """Six workers, three of which have ended."""
    return pool_with_ends()


@pytest.fixture(scope="module")
def page(state: DRMState) -> Page:
    """A page over them."""
    return Page(state)


def opened(page: Page, worker_id: str, **tick: Any) -> dict[str, Any]:
    """What the open worker shows."""
    return page.call(ids.wire(ids.DETAIL_KEY), drm_worker_tick={**TICK, "worker": worker_id, **tick})


def test_bars_are_sent_when_something_is_new_and_only_then(page: Page) -> None:
    """The same moment is not sent twice; another order, scheme, range, moment or the list are drawn anew."""
    asked = {"drm_lifetimes_tick": TICK, **CHOSEN}
    first = page.call(WIRE, **asked)
    names = [trace["name"] for trace in first[WIRE]["data"]["data"]]
    assert names == ["running", "cordoned", "draining", "lost", "ended"]
    assert [key["props"]["children"] for key in first[ids.card(KEY, "keys")]["children"]] == names
    assert first[ids.ENDED_CARD]["hidden"] is True and first[ids.card(KEY, "note")]["children"] == "Click a bar to open its worker."
    drawn = first[ids.drawn(KEY)]["data"]
    assert page.call(WIRE, **asked, drm_lifetimes_drawn=drawn) == {}
    for other in (
        {"drm_lifetimes_sort": "length"},
        {"drm_lifetimes_show": "ended"},
        *({"drm_lifetimes_tick": {**TICK, **part}} for part in ({"scheme": "dark"}, {"range": "1h"}, {"at": START + 400})),
    ):
        assert page.call(WIRE, **{**asked, **other}, drm_lifetimes_drawn=drawn)


def test_a_bar_is_drawn_anew_when_its_worker_changes_or_a_column_has_passed() -> None:
    """A tick within the column in which nothing happened draws nothing; a cordon does at once."""
    state = pool_with_ends()
    page = Page(state)
    asked = {"drm_lifetimes_tick": {**TICK, "range": "6h"}, **CHOSEN}
    end = START + (TICKS - 1) * STEP
    column = 21_600 / 360
    state.advance(math.ceil(end / column) * column + 1)
    drawn = page.call(WIRE, **asked)[ids.drawn(KEY)]["data"]
    state.advance(state.snapshot.time + 2)
    assert page.call(WIRE, **asked, drm_lifetimes_drawn=drawn) == {}
    state.manager.cordon("steady")
    state.advance(state.snapshot.time + 2)
    changed = page.call(WIRE, **asked, drm_lifetimes_drawn=drawn)
    cordoned = next(trace for trace in changed[WIRE]["data"]["data"] if trace["name"] == "cordoned")
    assert len(cordoned["y"]) == 2
    state.advance(state.snapshot.time + column)
    assert page.call(WIRE, **asked, drm_lifetimes_drawn=changed[ids.drawn(KEY)]["data"])


def test_the_list_names_who_ended_why_and_by_which_decision(page: Page) -> None:
    """Newest first, with the decision of the one that was drained; the bars and their order are hidden."""
    answer = page.call(WIRE, drm_lifetimes_tick=TICK, **{**CHOSEN, "drm_lifetimes_show": "ended"})
    rows = answer[ids.ENDED]["rowData"]
    assert [(row["worker"], row["why"], bool(row["decision"])) for row in rows] == [
        ("brief", "deregistered", False),
        ("drained", "deregistered", True),
        ("again", "deregistered", False),
    ]
    assert answer[WIRE]["data"] == {"data": [], "layout": {}}
    assert answer[ids.LIFETIMES_ORDER]["hidden"] is True and answer[ids.ENDED_CARD]["hidden"] is False


def test_the_past_shows_what_was_known_then(page: Page) -> None:
    """At 310 s one worker was draining and nobody had been lost; the list has the one that had left."""
    at = START + 310
    bars = page.call(WIRE, drm_lifetimes_tick={**TICK, "at": at}, **CHOSEN)[WIRE]["data"]
    assert [trace["name"] for trace in bars["data"]] == ["running", "draining", "ended"]
    assert bars["members"] == ["steady", "again", "drained", "silent"] and bars["layout"]["xaxis"]["range"][1] == at
    answer = page.call(WIRE, drm_lifetimes_tick={**TICK, "at": at}, **{**CHOSEN, "drm_lifetimes_show": "ended"})
    assert [row["worker"] for row in answer[ids.ENDED]["rowData"]] == ["again"]


def test_where_there_is_nobody_it_says_so() -> None:
    """A pool without workers, and one from which nobody has gone: words and a remedy, no empty axes, no empty table."""
    page = Page(DRMState(DynamicResourceManager(now=0.0)))
    for show, words in (("timeline", "No worker was there in this range"), ("ended", "No worker ended in this range")):
        answer = page.call(WIRE, drm_lifetimes_tick=TICK, **{**CHOSEN, "drm_lifetimes_show": show})
        assert answer[ids.empty(KEY)]["children"].startswith(words) and answer[ids.ENDED_CARD]["hidden"] is True
        assert answer[WIRE]["data"]["data"] == [] and answer[ids.card(KEY, "note")]["children"] == ""


@pytest.mark.parametrize("odd", [{"drm_lifetimes_show": "all"}, {"drm_lifetimes_sort": ["end"]}, {"drm_lifetimes_tick": [1]}])
def test_odd_choices_are_refused(page: Page, odd: dict[str, Any]) -> None:
    """400, never an error of the server."""
    page.call(WIRE, **{"drm_lifetimes_tick": TICK, **CHOSEN, **odd})
    assert page.status == 400


def test_an_ended_worker_shows_its_life_and_its_last_hour(page: Page, state: DRMState) -> None:
    """States with their times, the reason, lines up to its end in its units, the way to the decision; not sent again while it stands."""
    answer = opened(page, "drained")
    assert answer[ids.DETAIL_FACTS]["children"] == "ended after 4 min 50 s: deregistered; it had 4 cores, 8 GiB"
    assert answer[ids.DETAIL_CAPTION]["children"] == "Its last hour" and answer[ids.empty(ids.DETAIL_KEY)]["children"] == ""
    assert answer[ids.DETAIL_LIVES_AT]["data"] == [
        ["ended", START + 330, None, "", "deregistered"],
        ["draining", START + 300, START + 330, "30 s", ""],
        ["running", START + 40, START + 300, "4 min 20 s", ""],
    ]
    figure = answer[ids.wire(ids.DETAIL_KEY)]["data"]
    used = next(trace for trace in figure["data"] if trace["name"] == "used")
    assert {value for value in used["y"] if value is not None} == {1.0}
    assert START + 325 in figure["times"] and max(figure["times"]) <= START + 330
    decision = answer[ids.DETAIL_DECISION]["value"]
    assert state.ledger.get(int(decision)).code == "drain_asked" and answer[ids.DETAIL_DECISION]["style"] == {"display": "inline-block"}
    drawn = answer[ids.drawn(ids.DETAIL_KEY)]["data"]
    assert page.call(ids.wire(ids.DETAIL_KEY), drm_worker_tick={**TICK, "worker": "drained"}, drm_worker_drawn=drawn) == {}


def test_a_worker_that_came_back_shows_both_lives(page: Page) -> None:
    """It runs, so its lines are those of the range; its first life stands below, with its reason; before it came back it had ended."""
    answer = opened(page, "again")
    assert answer[ids.DETAIL_FACTS]["children"].startswith("running, up for")
    assert [row[0] for row in answer[ids.DETAIL_LIVES_AT]["data"]] == ["running", "ended", "running"]
    assert answer[ids.card(ids.DETAIL_LIVES, "note")]["children"].startswith("This id has had 2 lifetimes")
    before = opened(page, "again", at=START + 200)
    assert before[ids.DETAIL_FACTS]["children"].startswith("ended after 1 min 40 s")
    assert [row[0] for row in before[ids.DETAIL_LIVES_AT]["data"]] == ["ended", "running"]


def test_a_lost_worker_shows_since_when_and_why(page: Page) -> None:
    """It is still listed; its life says that it was not heard of."""
    answer = opened(page, "silent")
    assert answer[ids.DETAIL_LIVES_AT]["data"][0][0] == "lost"
    assert answer[ids.DETAIL_LIVES_AT]["data"][0][4] == "it was not heard of any more"
    assert answer[ids.DETAIL_DECISION]["style"] == {"display": "none"}


def test_an_ended_worker_of_which_no_sample_is_kept_says_so() -> None:
    """Neither an error nor an empty card: its life, and words instead of lines."""
    state = pool_with_ends()
    states: tuple[tuple[float, WorkerState], ...] = ((START - 9e5, "running"), (START - 8e5, "terminated"))
    state.lifetimes.load([Lifetime(900, "bygone", states, "retired", Resources(cpu=1), InstanceKind())], START - 9e5)
    answer = opened(Page(state), "bygone")
    assert answer[ids.DETAIL_FACTS]["children"].startswith("ended after 1 d 3 h: retired")
    assert answer[ids.empty(ids.DETAIL_KEY)]["children"] == "Nothing that was measured in its last hour is kept."
    assert answer[ids.wire(ids.DETAIL_KEY)]["data"]["data"] == []
    assert [row[0] for row in answer[ids.DETAIL_LIVES_AT]["data"]] == ["ended", "running"]


def test_what_is_sent_is_small() -> None:
    """Bars and list of a pool of six are a few kilobytes."""
    page = Page(pool_with_ends())
    for show in ("timeline", "ended"):
        assert len(json.dumps(page.call(WIRE, drm_lifetimes_tick=TICK, **{**CHOSEN, "drm_lifetimes_show": show}))) < 8_000


def test_an_area_does_not_go_across_a_gap() -> None:
    """What is filled down to zero gets an area of its own that ends where values do; without gaps nothing changes."""
    trace = {"fill": "tozeroy", "line": {"width": 2}, "mode": "lines", "name": "used"}
    gapped = trace | {"x": list(range(7)), "y": [None, 1.0, 2.0, None, None, 3.0, None]}
    line, area = with_areas([gapped])
    assert line["fill"] == "none" and line["y"] == [None, 1.0, 2.0, None, None, 3.0, None]
    assert (area["x"], area["y"]) == ([1, 1, 2, 2, 5, 5, 5], [0, 1.0, 2.0, 0, 0, 3.0, 0])
    assert area["fill"] == "tozeroy" and area["line"]["width"] == 0 and area["showlegend"] is False
    whole = trace | {"x": [1, 2, 3], "y": [None, *np.ones(2).tolist()]}
    assert with_areas([whole]) == [whole] and whole["fill"] == "tozeroy"
