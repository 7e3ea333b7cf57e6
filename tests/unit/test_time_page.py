"""The time that a page shows: one past moment gives the same numbers everywhere, and what cannot be shown is said in words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from drm import ids
from drm.address import CHOICES
from drm.callbacks import time_words
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.figures.units import amount, number, percent
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from drm.tabs import RANGES, TABS, range_seconds
from tests.unit.contents import elements
from tests.unit.past_pool import START, STEP, stepped_pool
from tests.unit.test_callbacks import ASKED, CHOSEN, SCALING, TICK, Page

TICKS = 240
MOMENT = START + 150 * STEP
PAST = {**TICK, "at": str(MOMENT)}


@pytest.fixture(scope="module")
def state() -> DRMState:
    """A simulated pool after twenty minutes."""
    return stepped_pool(TICKS)[0]


@pytest.fixture(scope="module")
def page(state: DRMState) -> Page:
    """Its page."""
    return Page(state)


def drawn(page: Page, tab: str, **more: Any) -> dict[str, Any]:
    """What a tab answers for the moment."""
    return page.call(ids.wire(tab), **{f"drm_{tab}_tick": PAST}, **more)


def call_by(page: Page, input_id: str, output_id: str, **values: Any) -> dict[str, Any]:
    """The answer of the callback that has this first input, where several fill the same component."""
    callbacks = page.callbacks
    page.callbacks = {output: one for output, one in callbacks.items() if one["inputs"][0]["id"] == input_id}
    try:
        return page.call(output_id, **values)
    finally:
        page.callbacks = callbacks


def test_one_moment_has_the_same_numbers_everywhere(page: Page, state: DRMState) -> None:
    """Summary, Overview, Utilization, Scaling, Allocation, Efficiency, Cloud, the explanation, the ledger and the API agree."""
    told = page.client.get(f"/drm-dashboard/api/v1/snapshot?at={MOMENT}").json
    active = [one for one in told["workers"] if one["state"] in ("running", "cordoned", "draining")]
    cores = sum(one["capacity"]["cpu"] for one in active)
    used = sum(one["used"]["cpu"] for one in active)
    allocated = sum(one["allocated"]["cpu"] for one in active)
    assert told["time"] == MOMENT and told["current"] != page.client.get("/drm-dashboard/api/v1/snapshot").json["current"]

    header = page.call(ids.HEALTH, drm_shell_tick=PAST)
    strip = elements(header[ids.SUMMARY]["content"])
    assert strip[ids.summary("workers", "value")]["children"] == str(len(active))
    assert strip[ids.summary("cpu", "total")]["children"] == amount("cpu", cores)
    assert strip[ids.summary("cpu", "used")]["children"].startswith(f"{percent(used / cores)} used")
    assert strip[ids.summary("cpu", "allocated")]["children"] == f"{percent(allocated / cores)} allocated"
    assert header[ids.SOURCE]["children"].startswith("PAST of SIMULATED") and header[ids.HEALTH]["data"]["ok"]
    events = strip[ids.summary("scaling", "value")]["children"]

    overview = drawn(page, "overview")
    cards = elements(overview[ids.OVERVIEW_CARDS]["content"])
    assert cards[ids.card("tasks", "value")]["children"] == str(told["tasks"]["running"])
    assert cards[ids.card("queue", "value")]["children"] == str(told["tasks"]["queued"])
    assert f"Size {told['current']}, {told['desired']} wanted" in cards[ids.card("decision", "size")]["children"]
    assert told["last_decision"]["reason"][:60] in cards[ids.card("decision", "now")]["children"]
    assert cards[ids.card("decision", "now")]["children"].startswith("Then: ")
    sizes, demand = (
        next(trace["y"] for trace in overview[ids.wire("overview")]["data"]["data"] if trace["name"] == name)
        for name in ("workers", "demand")
    )
    assert sizes[-1] == told["current"] and demand[-1] == pytest.approx(told["demand"]["cpu"], abs=1e-3)

    scaling = drawn(page, "scaling", drm_demand_resource="cpu")
    figure = scaling[ids.wire("scaling")]["data"]["data"]
    assert next(trace["y"] for trace in figure if trace["name"] == "current")[-1] == told["current"]
    assert next(trace["y"] for trace in figure if trace["name"] == "demand")[-1] == pytest.approx(told["demand"]["cpu"], abs=1e-3)
    assert scaling[ids.NOW_TEXT]["children"] == cards[ids.card("decision", "now")]["children"]
    newest = max(one for trace in figure for one in trace.get("customdata") or [] if one is not None)
    decisions = page.client.get(f"/drm-dashboard/api/v1/decisions?at={MOMENT}&since={MOMENT - 900}&limit=1000").json["decisions"]
    assert newest == decisions[0]["id"]
    assert events == f"{sum(one['kind'] == 'up' for one in decisions)} up, {sum(one['action'] == 'scale_down' for one in decisions)} down"

    table = page.call(ids.LEDGER, drm_ledger=ASKED, drm_range="15m", drm_at=str(MOMENT))[ids.LEDGER]["getRowsResponse"]
    assert [row["id"] for row in table["rowData"]] == [str(one["id"]) for one in decisions[:15]] and table["rowCount"] == len(decisions)

    why = page.call(ids.EXPLANATION_TITLE, drm_explanation_tick={**PAST, "decision": "now"})
    assert why[ids.EXPLANATION_TITLE]["children"].startswith(f"Decision {told['last_decision']['id']}: ")
    assert why[ids.EXPLANATION_AT]["data"][1] <= MOMENT
    assert page.client.get(f"/drm-dashboard/api/v1/explain?at={MOMENT}").json == told["last_decision"]

    allocation = drawn(page, "allocation", **CHOSEN)
    (shared, *_) = (trace["text"][0].strip() for trace in allocation[ids.wire("allocation")]["data"]["data"] if trace.get("mode") == "text")
    assert shared == amount("cpu", cores)
    findings = elements(allocation[ids.card("allocation", "findings")]["content"])
    assert "not kept" in findings[ids.card("stranded", "verdict")]["children"] and allocation[ids.card("packing", "section")]["hidden"]

    heat = drawn(page, "utilization", drm_resource="cpu", drm_measure="used", drm_selected=None)[ids.wire("utilization")]["data"]
    assert {one["id"] for one in active} <= {member for row in heat["members"] for member in row}

    cloud = drawn(page, "cloud", drm_instance_type="m5.large", drm_cloud_region="us-east-1", drm_cloud_by="provider")
    rate = sum(line.rate for line in state.at(MOMENT).cloud_totals().lines)
    assert f"They cost {rate:.2f} USD an hour then; what they had cost by then is not kept" in cloud[ids.CLOUD_TEXT]["children"]
    assert strip[ids.summary("cost", "value")]["children"] == f"{number(rate)} USD/h"

    efficiency = drawn(page, "efficiency", drm_efficiency_resource="cpu", drm_efficiency_by="name")
    lines = efficiency[ids.wire("efficiency")]["data"]["data"]
    assert next(trace["y"] for trace in lines if trace["name"] == "allocated")[-1] == pytest.approx(allocated, rel=0.01)

    worker = active[0]["id"]
    detail = page.call(ids.wire(ids.DETAIL_KEY), drm_worker_tick={**PAST, "worker": worker})
    assert amount("cpu", active[0]["capacity"]["cpu"]) in detail[ids.DETAIL_FACTS]["children"]
    assert "running" not in json.dumps(detail[ids.DETAIL_TASKS]), "which tasks ran is not kept without an archive"


def test_what_is_not_known_stands_once_under_the_summary(page: Page) -> None:
    """The sentences of the view, and nothing of the kind while the page is live."""
    past, live = page.call(ids.HEALTH, drm_shell_tick=PAST), page.call(ids.HEALTH, drm_shell_tick=TICK)
    assert past[ids.UNKNOWN]["children"].startswith("Which tasks ran and waited") and live[ids.UNKNOWN]["children"] == ""
    assert past[ids.PAST_AGO]["children"] == "7 min 25 s ago" and live[ids.PAST_AGO]["children"] == ""
    assert live[ids.SOURCE]["className"] == "drm-badge drm-badge-simulated" and past[ids.SOURCE]["className"] == "drm-badge drm-badge-past"
    assert past[ids.HEALTH]["data"]["now"] == live[ids.HEALTH]["data"]["now"] == START + (TICKS - 1) * STEP
    assert (past[ids.HEALTH]["data"]["end"], past[ids.HEALTH]["data"]["range"]) == (MOMENT, 900.0)


def test_a_figure_of_the_past_is_sent_once(page: Page) -> None:
    """Ticks after it change nothing of it."""
    for tab, more in (("overview", {}), ("scaling", {"drm_demand_resource": "cpu"}), ("allocation", CHOSEN)):
        first = drawn(page, tab, **more)
        again = drawn(page, tab, **more, **{f"drm_{tab}_drawn": first[ids.drawn(tab)]["data"]})
        assert ids.wire(tab) not in again, tab
        moved = {f"drm_{tab}_tick": {**PAST, "at": str(MOMENT + STEP)}, f"drm_{tab}_drawn": first[ids.drawn(tab)]["data"]}
        assert ids.wire(tab) in page.call(ids.wire(tab), **more, **moved), tab


def test_a_moment_of_the_future_is_the_present_with_words(page: Page) -> None:
    """The moment leaves the address, every tab shows the present, and the words say why."""
    future = {**TICK, "at": str(START + 10**6)}
    strip = page.call(ids.HEALTH, drm_shell_tick=future)
    assert strip[ids.HEALTH]["data"]["is_future"] and strip[ids.HEALTH]["data"]["default_range"] is None
    assert strip[ids.TIME_WORDS]["children"].endswith("in the future of the last tick: this shows the present.")
    assert strip[ids.SOURCE]["children"].startswith("SIMULATED")
    cards = elements(page.call(ids.wire("overview"), drm_overview_tick=future)[ids.OVERVIEW_CARDS]["content"])
    assert cards[ids.card("decision", "now")]["children"].startswith("Now: ")


@pytest.mark.parametrize("text", ["3s", "9999999s", "-5s", "1e3s", "nan", "7y", "", "15", "١٥s", None])
def test_a_range_that_cannot_be_is_the_default_with_words(page: Page, text: str | None) -> None:
    """Too short, too long, or none at all."""
    strip = page.call(ids.HEALTH, drm_shell_tick={**TICK, "range": text})
    assert strip[ids.HEALTH]["data"]["default_range"] == "15m" and strip[ids.HEALTH]["data"]["range"] == 900.0
    assert re.search(r"must be 10 s to 30 d long\. This shows the last 15m\.", strip[ids.TIME_WORDS]["children"])


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900.0), ("30d", 2_592_000.0), ("1380s", 1380.0), ("12.5s", 12.5), ("2592000s", 2_592_000.0)]
)
def test_a_range_is_one_to_choose_or_a_number_of_seconds(page: Page, text: str, seconds: float) -> None:
    """And reaches every window."""
    assert range_seconds(text) == seconds
    strip = page.call(ids.HEALTH, drm_shell_tick={**TICK, "range": text})
    assert strip[ids.HEALTH]["data"]["range"] == seconds and ids.TIME_WORDS not in strip


@pytest.mark.parametrize("moment", ["nan", "inf", "yesterday", [], {"a": 1}, "1e999", "-5", -1e300])
def test_a_moment_that_no_page_sends_is_refused(page: Page, moment: object) -> None:
    """400, never an error of the server."""
    for tab in TABS:
        page.call(ids.wire(tab.key), **{f"drm_{tab.key}_tick": {**TICK, "at": moment}}, **SCALING_REST)
        assert page.status == 400, tab
    page.call(ids.LEDGER, drm_ledger=ASKED, drm_range="15m", drm_at=moment)
    assert page.status == 400


SCALING_REST = {
    **{name: value for name, value in SCALING.items() if name != "drm_scaling_tick"},
    **CHOSEN,
    "drm_resource": "cpu",
    "drm_measure": "used",
    "drm_efficiency_resource": "cpu",
    "drm_efficiency_by": "name",
    "drm_cloud_by": "provider",
}


@pytest.mark.parametrize("moment", [START - 1, 5.0, 0.0])
def test_before_all_data_every_tab_is_blank_and_says_so(page: Page, moment: float) -> None:
    """Never an error, whatever is open."""
    tick = {**TICK, "at": str(moment), "worker": "nobody", "decision": "1"}
    for tab in TABS:
        page.call(ids.wire(tab.key), **{f"drm_{tab.key}_tick": tick}, **SCALING_REST)
        assert page.status == 200, tab
    assert "begins at" in page.call(ids.HEALTH, drm_shell_tick=tick)[ids.UNKNOWN]["children"]
    assert "made after this moment" in json.dumps(page.call(ids.EXPLANATION_TITLE, drm_explanation_tick=tick))
    asked = {"drm_explanation_tick": {**tick, "decision": "now"}}
    assert "No evaluation is kept of this moment" in json.dumps(page.call(ids.EXPLANATION_TITLE, **asked))


def test_a_step_by_a_decision_goes_to_the_next_that_changed_the_pool(page: Page, state: DRMState) -> None:
    """Back from the present, forward from the past; words where there is none."""
    changed = [one for one in state.ledger.query(Query(limit=1000)) if one.kind in ("up", "down", "failed", "user")]

    def step(button: str, at: str) -> dict[str, Any]:
        return call_by(page, button, ids.AT, drm_at=at)

    latest = step(ids.DECISION_BEFORE, "")
    assert float(latest[ids.AT]["data"]) == changed[0].timestamp
    assert float(step(ids.DECISION_BEFORE, latest[ids.AT]["data"])[ids.AT]["data"]) == changed[1].timestamp
    assert float(step(ids.DECISION_AFTER, str(changed[1].timestamp))[ids.AT]["data"]) == changed[0].timestamp
    nowhere = step(ids.DECISION_AFTER, str(changed[0].timestamp))
    assert ids.AT not in nowhere and "No decision that changed the pool is kept after" in nowhere[ids.TIME_WORDS]["children"]


NOW = START + (TICKS - 1) * STEP


def end(text: str, moment: float) -> list[Any]:
    """One end of a span, as the browser sends it."""
    return [text, moment]


def test_a_custom_range_sets_range_and_moment(page: Page) -> None:
    """In whole seconds; one that is offered takes its name, and the fields close."""
    answer = page.call(ids.SPAN_WORDS, drm_span=[end("2027-01-15T08:01", START + 60), end("2027-01-15T08:04", START + 240)])
    assert answer[ids.RANGE]["value"] == "180s" and answer[ids.AT]["data"] == f"{START + 240:.0f}"
    assert answer[ids.SPAN_WORDS]["children"] == "" and answer[ids.SPAN_PANEL]["hidden"] is True
    named = page.call(ids.SPAN_WORDS, drm_span=[end("a", NOW - 900), end("b", NOW)])
    assert named[ids.RANGE]["value"] == "15m"


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ([None, end("b", NOW)], "Fill in both fields: the beginning of the range is missing."),
        ([end("a", NOW), None], "Fill in both fields: the end of the range is missing."),
        ([end("2027-01-15T08:04", NOW), end("2027-01-15T08:01", NOW - 180)], "2027-01-15 08:04 to 2027-01-15 08:01 ends before it begins"),
        ([end("a", NOW - 60), end("2030-01-01T00:00", NOW + 3600)], "2030-01-01 00:00 lies in the future: the last tick is 1 h before it"),
        ([end("1999-01-01T00:00", NOW - 9e8), end("b", NOW)], "1999-01-01 00:00 to b is 10416 d 16 h long: 30 d is what can be kept"),
        ([end("a", NOW - 3), end("b", NOW)], "a to b is 3 s long: the shortest range is 10 s"),
    ],
)
def test_a_range_that_cannot_be_shown_is_said_with_value_rule_and_remedy(page: Page, span: list[Any], words: str) -> None:
    """Nothing changes then, and the fields stay open."""
    answer = page.call(ids.SPAN_WORDS, drm_span=span)
    assert list(answer) == [ids.SPAN_WORDS] and words in answer[ids.SPAN_WORDS]["children"]


@pytest.mark.parametrize("span", [None, [], "x", [1, 2], [["a", "b"], None], [["a", None], None], [[1, 2.0], None], [None, None, None]])
def test_a_span_that_no_page_sends_is_refused(page: Page, span: object) -> None:
    """400, never an error of the server."""
    page.call(ids.SPAN_WORDS, drm_span=span)
    assert page.status == 400


def test_a_range_of_ones_own_is_in_the_list_while_it_is_chosen(page: Page) -> None:
    """In words; the others stand before it."""
    assert time_words.range_options("1380s", 1380.0)[-1] == {"label": "23 min", "value": "1380s"}
    assert [one["value"] for one in call_by(page, ids.RANGE, ids.RANGE, drm_range="1h")[ids.RANGE]["options"]] == list(RANGES)
    assert call_by(page, ids.RANGE, ids.RANGE, drm_range="1380s")[ids.RANGE]["options"][-1]["value"] == "1380s"


def test_the_patterns_of_the_address_mean_the_same_in_both_languages() -> None:
    """Ranges and moments: what the browser lets through is what the server can read."""
    patterns = {choice.name: choice.pattern for choice in CHOICES}
    for text, good in (("1380s", True), ("12.5s", True), ("s", False), ("-1s", False), ("1e3s", False), ("15m", False)):
        assert bool(re.fullmatch(patterns["range"], text)) is good, text
    for text, good in (
        (repr(MOMENT), True),
        ("1767600000", True),
        ("1767600000.123456789", True),
        ("-5", False),
        ("1e9", False),
        ("", False),
    ):
        assert bool(re.fullmatch(patterns["at"], text)) is good, text


def test_a_launch_under_way_is_under_way_in_its_explanation() -> None:
    """As of its own moment nothing has come of it yet."""
    state, seen = stepped_pool(TICKS)
    grew = next(one for one in reversed(seen[-1].decisions) if one.kind == "up" and one.outcome == "done")
    page = Page(state)
    told = page.call(ids.EXPLANATION_TITLE, drm_explanation_tick={**TICK, "at": repr(grew.timestamp), "decision": str(grew.id)})
    now = page.call(ids.EXPLANATION_TITLE, drm_explanation_tick={**TICK, "at": "", "decision": str(grew.id)})
    assert "under way" in json.dumps(told[ids.EXPLANATION_BODY]) and "under way" not in json.dumps(now[ids.EXPLANATION_BODY])
    assert "after the request" not in json.dumps(told[ids.EXPLANATION_BODY])


def test_a_pool_without_a_worker_has_a_past_too() -> None:
    """Zero workers are zero, not unknown."""
    manager = DynamicResourceManager(ExternalEngine(), bounds=Bounds(0, 4), now=START)
    state = DRMState(manager)
    for second in range(20):
        state.advance(START + second)
    manager.register_worker("late", capacity=Resources(cpu=4))
    state.advance(START + 20)
    strip = elements(Page(state).call(ids.HEALTH, drm_shell_tick={**TICK, "at": str(START + 10)})[ids.SUMMARY]["content"])
    assert strip[ids.summary("workers", "value")]["children"] == "0"
    assert strip[ids.summary("workers", "note")]["children"] == "none has joined yet"
