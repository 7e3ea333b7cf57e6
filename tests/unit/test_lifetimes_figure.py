"""The bars of lifetimes, and their words: bounded, true, and safe with any name."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from drm.analysis.lifetimes import MOST_ROWS, MOST_SEGMENTS, MOST_STATES, SORTS, ended_by, rows_of
from drm.engines.simulated import SimulatedEngine
from drm.figures import lifetimes
from drm.figures.ended_rows import ended_rows
from drm.figures.life_bars import LEAST_WIDTH
from drm.figures.lifetime_words import SHOWN_STATES, ended_facts, hidden_text, kind_text, life_rows, lives_text
from drm.figures.theme import STATES
from drm.history.lifetimes import Lifetime, Newest
from drm.manager import DynamicResourceManager
from drm.model import WORKER_STATES, InstanceKind, Resources, WorkerState
from drm.state import DRMState
from tests.unit.lifetime_pool import START, pool_with_ends
from tests.unit.odd_pools import HOSTILE

END = START + 900
GIB = 2.0**30


def one(number: int, *states: tuple[float, WorkerState], name: str = "", reason: str = "retired") -> Lifetime:
    """A lifetime whose states begin so many seconds after the range."""
    told = reason if states[-1][1] in ("terminated", "lost") else ""
    kind = InstanceKind("aws", "eu-west-1", "m5.large", "spot")
    return Lifetime(number, name or f"w{number}", tuple((START + at, state) for at, state in states), told, Resources(cpu=2), kind)


def drawn(*newest: Lifetime, sort: str = "begin", since: float = START, until: float = END) -> dict[str, Any]:
    """The figure of these, those that changed last first."""
    figure = lifetimes.build(rows_of(newest, since, until, sort), since, until, "light", "test")
    assert figure is not None
    return figure


def traces(figure: dict[str, Any]) -> dict[str, Any]:
    """Its traces by name."""
    return {trace["name"]: trace for trace in figure["data"]}


def test_a_life_is_a_bar_for_each_state_and_a_mark_at_its_end() -> None:
    """Bars begin and last as the states did; only the last one says why it ended; the mark stands at the end."""
    figure = drawn(one(1, (10, "booting"), (40, "running"), (400, "draining"), (430, "terminated")))
    found = traces(figure)
    assert list(found) == ["booting", "running", "draining", "ended"]
    assert [(found[name]["base"], found[name]["x"]) for name in ("booting", "running", "draining")] == [
        ([START + 10], [30]),
        ([START + 40], [360]),
        ([START + 400], [30]),
    ]
    assert found["draining"]["why"] == ["retired"] and found["running"]["why"] == [""]
    assert found["ended"]["x"] == [START + 430] and found["ended"]["told"] == ["ended after 7 min"]
    assert figure["layout"]["xaxis"]["range"] == [START, END]


def test_who_lives_reaches_the_right_edge_and_has_no_end() -> None:
    """A worker that came before the range and still runs fills all of it; its span says since when."""
    figure = drawn(one(1, (-5000, "running")))
    (running,) = figure["data"]
    assert (running["base"], running["x"]) == ([START], [900]) and running["spans"] == [[START - 5000, None]]
    assert running["told"] == ["running for 1 h 38 min"]


def test_a_short_life_can_be_seen_and_is_told_truly() -> None:
    """A life of one tick, and one that ended in the tick in which it came, are as wide as the least; their words are of the true time."""
    figure = drawn(one(2, (300, "running"), (300, "terminated")), one(1, (200, "booting"), (201, "running"), (202, "terminated")))
    found = traces(figure)
    least = LEAST_WIDTH * 900
    widths = {
        place: sum(x for trace in figure["data"] if "base" in trace for x, y in zip(trace["x"], trace["y"], strict=True) if y == place)
        for place in (0, 1)
    }
    assert widths == pytest.approx({0: least, 1: least}, abs=0.2)
    assert found["booting"]["told"] == ["booting for 1 s"] and found["ended"]["told"] == ["ended after 2 s", "ended after 0 s"]


def test_a_short_life_at_the_edge_stays_within_the_range() -> None:
    """A worker that came in the last second is drawn to the left of now."""
    (running,) = drawn(one(1, (899.5, "running")))["data"]
    assert running["base"][0] + running["x"][0] == pytest.approx(END, abs=0.2) and running["x"][0] > 5


def test_the_present_state_can_be_seen_as_soon_as_it_begins() -> None:
    """A worker that was lost in this very tick ends at the right edge as lost, without being drawn longer as a whole."""
    found = traces(drawn(one(1, (0, "running"), (900, "lost"))))
    least = LEAST_WIDTH * 900
    assert found["lost"]["base"][0] == pytest.approx(END - least, abs=0.1) and found["lost"]["x"][0] == pytest.approx(least, abs=0.1)
    assert found["running"]["x"][0] == pytest.approx(900 - least, abs=0.1) and found["running"]["told"] == ["running for 15 min"]


def test_an_id_that_came_back_has_one_row_and_overlapping_lives_have_two() -> None:
    """Three lives of one id, of which two overlap as no pool should have it: nothing is drawn over another."""
    figure = drawn(
        one(3, (600, "running"), name="same"),
        one(2, (150, "running"), (500, "terminated"), name="same"),
        one(1, (0, "running"), (200, "terminated"), name="same"),
    )
    running = traces(figure)["running"]
    assert figure["members"] == ["same", "same"]
    assert sorted(zip(running["y"], running["base"], strict=True)) == [(0, START), (1, START + 150), (1, START + 600)]
    assert figure["layout"]["yaxis"]["ticktext"] == ["same", "same (2)"]


def test_rows_and_bytes_are_bounded() -> None:
    """Of 400 workers, of which each was cordoned often, no more than a screen holds is drawn, and less than 100 kB are sent."""
    flips: list[tuple[float, WorkerState]] = [(at, "cordoned" if at % 2 else "running") for at in range(100)]
    many = [one(number, *flips, name=f"{number:03d}" + "x" * 253) for number in range(400)]
    rows = rows_of(many, START, END, "begin")
    figure = drawn(*many)
    assert len(rows) == MOST_SEGMENTS // MOST_STATES
    assert sum(len(trace["y"]) for trace in figure["data"]) <= MOST_SEGMENTS
    assert len(json.dumps(figure)) < 100_000
    plain = [one(number, (number, "running"), (number + 100, "draining"), (number + 200, "terminated")) for number in range(400)]
    rows = rows_of(reversed(plain), START, END, "begin")
    assert [row.worker_id for row in rows] == [f"w{number}" for number in range(340, 400)] and len(rows) == MOST_ROWS
    assert len(json.dumps(drawn(*reversed(plain)))) < 60_000


def test_what_is_not_shown_is_said() -> None:
    """How many lifetimes have no row, and how many of these changed within the range."""
    rows = rows_of([one(1, (0, "running"))], START, END, "begin")
    assert hidden_text(rows, Newest((), 1, 1)) == ""
    assert hidden_text(rows, Newest((), 1201, 41)).endswith("1 200 others are not, of which 40 changed in this range.")
    assert hidden_text(rows, Newest((), 2, 1)).endswith("1 other is not, of which none changed in this range.")


def test_rows_are_sorted_as_asked() -> None:
    """By begin, by end with the living last, by length with the longest first."""
    found = [one(3, (50, "running"), (60, "terminated")), one(2, (0, "running"), (500, "terminated")), one(1, (-10, "running"))]
    order = {sort: [row.worker_id for row in rows_of(found, START, END, sort)] for sort in SORTS}
    assert order == {"begin": ["w1", "w2", "w3"], "end": ["w3", "w2", "w1"], "length": ["w1", "w2", "w3"]}


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.strip()])
def test_names_and_reasons_are_texts_and_short(name: str) -> None:
    """What came from outside is escaped, on one line and cut wherever it is drawn; the click still has the whole id."""
    figure = drawn(one(1, (0, "running"), (9, "lost"), (99, "terminated"), name=name[:256], reason=name * 9))
    shown = [*figure["names"], *figure["layout"]["yaxis"]["ticktext"], *(why for trace in figure["data"] for why in trace["why"])]
    assert all("<" not in text and "\n" not in text and "\u202e" not in text and len(text) < 400 for text in shown)
    assert figure["members"] == [name[:256]]


def test_every_state_has_a_colour_in_both_schemes() -> None:
    """In the order of the model; what has ended is a mark."""
    for colours in STATES.values():
        assert [*colours, "terminated"] == list(WORKER_STATES)


def test_words_on_what_has_ended() -> None:
    """What it stood on, and rows of states newest first in which numbers are moments."""
    first = one(1, (0, "booting"), (30, "running"), (90, "terminated"), name="same")
    again = one(2, (100, "running"), (150, "lost"), name="same", reason="silent")
    assert kind_text(first.kind) == "m5.large, spot, aws, eu-west-1" and kind_text(InstanceKind()) == ""
    assert ended_facts(first) == "ended after 1 min 30 s: retired; it had 2 cores; m5.large, spot, aws, eu-west-1"
    assert life_rows([first, again], END) == [
        ("lost", START + 150, None, "12 min 30 s", "silent"),
        ("running", START + 100, START + 150, "50 s", ""),
        ("ended", START + 90, None, "", "retired"),
        ("running", START + 30, START + 90, "1 min", ""),
        ("booting", START, START + 30, "30 s", ""),
    ]
    assert lives_text([first], END) == "" and lives_text([first, again], END).startswith("This id has had 2 lifetimes, 14 min 50 s in all")
    often = one(3, *((at, "cordoned" if at % 2 else "running") for at in range(100)))
    assert len(life_rows([often], END)) == SHOWN_STATES and lives_text([often], END) == "40 earlier states not listed."


def test_the_list_says_how_long_each_state_lasted() -> None:
    """Seconds to sort by, words beside them, blank where it never was so; shares with their line up to the end."""
    state = pool_with_ends()
    ended = state.ended_lifetimes(900, 9).lifetimes
    brief, drained, again = ended_rows(ended, state.last_hours(ended), ended_by(state.ledger, ended))
    assert [row["worker"] for row in (brief, drained, again)] == ["brief", "drained", "again"]
    assert (drained["ran"], drained["drained"], drained["booted"]) == (260, 30, None)
    assert (drained["ran_text"], drained["drained_text"], drained["booted_text"]) == ("4 min 20 s", "30 s", "")
    assert (drained["cpu"], drained["cpu_max"], drained["memory"]) == (25, 25, 12)
    assert brief["cpu_line"] == [25] and 2 <= len(drained["cpu_line"]) <= 4
    assert state.ledger.get(int(drained["decision"])).code == "drain_asked" and brief["decision"] is again["decision"] is None


def test_a_retired_worker_names_the_decision_that_retired_it() -> None:
    """In a simulated pool that shrinks, each worker that drained before its end has the scale-down that names it; nobody else has one."""
    manager = DynamicResourceManager(SimulatedEngine(30, 2), "queue,target_seconds=30", now=START, interval_seconds=30)
    state = DRMState(manager)
    for tick in range(120):
        state.advance(START + 30 * tick)
    ended = state.ended_lifetimes(3600, 200).lifetimes
    decisions = ended_by(state.ledger, ended)
    assert len(decisions) > 3
    for life in ended:
        drained = [word for _, word in life.states if word not in ("lost", "terminated")][-1] == "draining"
        assert drained == (life.number in decisions)
        if drained:
            decision = state.ledger.get(decisions[life.number])
            assert decision.action == "scale_down" and life.worker_id in decision.worker_ids
            assert life.began_at <= decision.timestamp <= life.ended_at
    assert all(not math.isnan(life.ended_at) for life in ended)
