"""Callbacks as functions, through the route that the browser uses: one snapshot, one window, nothing when it was drawn already."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from drm import ids
from drm.callbacks.allocation_body import WAITING_COLUMNS
from drm.dashboard import create_app
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from tests.unit.contents import elements
from tests.unit.page_pool import GIB, START, TICKS, state_with_history

TICK = {"n": 1, "range": "15m", "scheme": "light", "sent": 1}
CHOSEN = {"drm_allocation_resource": "cpu", "drm_allocation_sort": "name"}


class Page:
    """A browser's half of the callbacks, without one; `status` is that of the last answer."""

    status = 0

    def __init__(self, state: DRMState) -> None:
        app = create_app(state)
        self.client: FlaskClient = app.server.test_client()
        self.callbacks = {callback["output"]: callback for callback in self.client.get("/drm-dashboard/_dash-dependencies").json}

    def call(self, output_id: str, **values: Any) -> dict[str, Any]:
        """Calls the callback that fills a component; `values` by id, '-' as '_'. The answer by component; {} where nothing is new."""
        output, callback = next(
            (output, one) for output, one in self.callbacks.items() if f"{output_id}." in output and not one["clientside_function"]
        )
        given = [
            [{**argument, "value": values.get(argument["id"].replace("-", "_"))} for argument in callback[kind]]
            for kind in ("inputs", "state")
        ]
        names = output.strip(".").split("...")
        outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
        body = {
            "output": output,
            "outputs": outputs if output.startswith("..") else outputs[0],
            "inputs": given[0],
            "state": given[1],
            "changedPropIds": [f"{callback['inputs'][0]['id']}.{callback['inputs'][0]['property']}"],
        }
        answer = self.client.post("/drm-dashboard/_dash-update-component", json=body)
        self.status = answer.status_code
        if self.status == 400:
            return {}
        assert self.status in (200, 204), answer.text
        return dict(json.loads(answer.data)["response"]) if answer.status_code == 200 else {}


@pytest.fixture(scope="module")
def page() -> Page:
    """A page over two minutes of two workers."""
    return Page(state_with_history())


def test_the_header_says_source_and_health(page: Page) -> None:
    """The badge names the kind of pool; health holds the controller's state."""
    answer = page.call(ids.HEALTH, drm_shell_tick=TICK)
    assert answer[ids.SOURCE]["children"] == "EXTERNAL workers that report themselves"
    assert answer[ids.HEALTH]["data"]["ok"] is True
    assert answer[ids.HEALTH]["data"]["errors"] == 0


def test_the_summary_is_of_the_same_snapshot_as_the_tabs(page: Page) -> None:
    """Workers, totals and shares in the strip are those of the fleet's row in Allocation; what is not there or not known is hidden."""
    content = page.call(ids.HEALTH, drm_shell_tick=TICK)[ids.SUMMARY]["content"]
    strip = elements(content)
    assert strip[ids.summary("workers", "value")]["children"] == "2"
    assert strip[ids.summary("cpu", "total")]["children"] == "12 cores"
    track = strip[ids.summary("cpu", "item")]["children"][1]["props"]
    assert [(bar["props"]["className"], bar["props"]["style"]) for bar in track["children"]] == [
        ("drm-bar-allocated", {"width": "8.3%"}),
        ("drm-bar-used", {"width": "66.7%"}),
    ]
    assert strip[ids.summary("memory", "used")]["children"] == "12 % used (1 of 2 measured)"
    names = ("workers", "cpu", "memory", "gpu", "gpu_memory", "scaling")
    assert [item["props"]["id"] for item in content] == [ids.summary(name, "item") for name in names], "no cost rate is known"
    assert strip[ids.summary("scaling", "value")]["children"] == "0 up, 0 down"
    assert strip[ids.summary("scaling", "note")]["children"] == "in 15 min"
    bars = page.call(ids.wire("allocation"), drm_allocation_tick=TICK, **CHOSEN)[ids.wire("allocation")]["data"]["data"]
    assert [round(next(x for x in trace["x"] if x), 1) for trace in bars[:3]] == [100, 8.3, 66.7]
    assert bars[3]["text"][0].strip() == "12 cores"


def test_allocation_is_sent_when_it_is_new_and_only_then(page: Page) -> None:
    """The same snapshot is not sent twice; another resource, order or scheme is drawn anew; odd choices are refused."""
    asked = {"drm_allocation_tick": TICK, **CHOSEN}
    first = page.call(ids.wire("allocation"), **asked)
    drawn = first[ids.drawn("allocation")]["data"]
    assert [option["value"] for option in first[ids.ALLOCATION_RESOURCE]["options"]] == ["cpu", "memory", "gpu", "gpu_memory"]
    assert page.call(ids.wire("allocation"), **asked, drm_allocation_drawn=drawn) == {}
    for other in (
        {"drm_allocation_resource": "memory"},
        {"drm_allocation_sort": "slack"},
        {"drm_allocation_tick": {**TICK, "scheme": "dark"}},
    ):
        assert page.call(ids.wire("allocation"), **{**asked, **other}, drm_allocation_drawn=drawn)
    for odd in ({"drm_allocation_resource": "disk"}, {"drm_allocation_sort": ["name"]}, {"drm_allocation_tick": [1]}):
        page.call(ids.wire("allocation"), **{**asked, **odd})
        assert page.status == 400


def test_what_is_found_stands_beside_the_bars() -> None:
    """Verdicts of what is stranded and of the spread, with what waits as a table; without a worker there is nothing to find."""
    state = state_with_history()
    for _ in range(2):
        state.manager.submit(resources=Resources(cpu=6, memory=GIB))
    state.advance(START + TICKS)
    page = Page(state)
    found = page.call(ids.wire("allocation"), drm_allocation_tick=TICK, **CHOSEN)[ids.card("allocation", "findings")]["content"]
    assert [card["props"]["children"][0]["props"]["children"] for card in found] == ["Stranded capacity", "Imbalance"]
    cards = elements(found)
    assert all(cards[ids.card(name, "verdict")]["children"].endswith((".", "even")) for name in ("stranded", "imbalance")), cards
    head, body = cards[ids.card("stranded", "table")]["children"]["props"]["children"]
    assert [cell["props"]["children"] for cell in head["props"]["children"]["props"]["children"]] == list(WAITING_COLUMNS)
    assert [len(row["props"]["children"]) for row in body["props"]["children"]] == [len(WAITING_COLUMNS)]
    empty = Page(DRMState(DynamicResourceManager(now=0.0))).call(ids.wire("allocation"), drm_allocation_tick=TICK, **CHOSEN)
    assert empty[ids.card("allocation", "findings")]["content"] == []


def test_the_overview_fills_its_cards_and_draws_once(page: Page) -> None:
    """What this client drew already is not sent again; the cards are."""
    first = page.call(ids.wire("overview"), drm_overview_tick=TICK)
    assert elements(first[ids.OVERVIEW_CARDS]["content"])[ids.card("tasks", "value")]["children"] == "1"
    assert len(first[ids.wire("overview")]["data"]["data"]) == 18
    again = page.call(ids.wire("overview"), drm_overview_tick=TICK, drm_overview_drawn=first[ids.drawn("overview")]["data"])
    assert ids.wire("overview") not in again
    assert elements(again[ids.OVERVIEW_CARDS]["content"])[ids.card("tasks", "value")]["children"] == "1"
    dark = page.call(
        ids.wire("overview"), drm_overview_tick={**TICK, "scheme": "dark"}, drm_overview_drawn=first[ids.drawn("overview")]["data"]
    )
    assert ids.wire("overview") in dark


def test_the_heatmap_is_sent_when_it_is_new_and_only_then(page: Page) -> None:
    """The same window is not sent twice; another measure is another window."""
    asked = {"drm_utilization_tick": TICK, "drm_resource": "cpu", "drm_measure": "used", "drm_selected": {"worker": None, "group": None}}
    first = page.call(ids.wire("utilization"), **asked)
    assert first[ids.wire("utilization")]["data"]["cells"]["rows"] == 2
    assert [option["value"] for option in first[ids.RESOURCE]["options"]] == ["cpu", "memory", "gpu", "gpu_memory"]
    drawn = first[ids.drawn("utilization")]["data"]
    assert page.call(ids.wire("utilization"), **asked, drm_utilization_drawn=drawn) == {}
    assert page.call(ids.wire("utilization"), **{**asked, "drm_measure": "allocated"}, drm_utilization_drawn=drawn)


def test_a_group_shows_its_workers_and_the_way_back(page: Page) -> None:
    """An open group has its own rows, and the button for all workers is there."""
    answer = page.call(
        ids.wire("utilization"),
        drm_utilization_tick=TICK,
        drm_resource="cpu",
        drm_measure="used",
        drm_selected={"worker": None, "group": ["plain"]},
    )
    assert answer[ids.wire("utilization")]["data"]["members"] == [["plain"]]
    assert answer[ids.SHOW_ALL]["style"] == {"display": "inline-block"}


def test_an_open_worker_shows_its_lines_facts_and_tasks(page: Page) -> None:
    """One worker: title, sentence, table."""
    answer = page.call(ids.wire(ids.DETAIL_KEY), drm_worker_tick={**TICK, "worker": "plain"})
    assert answer[ids.DETAIL_TITLE]["children"] == "plain"
    assert "4 cores" in answer[ids.DETAIL_FACTS]["children"]
    assert answer[ids.DETAIL_TASKS]["content"][0]["props"]["children"][0]["props"]["children"] == "<i>train</i>"
    unknown = page.call(ids.wire(ids.DETAIL_KEY), drm_worker_tick={**TICK, "worker": "ghost"})
    assert "No history" in unknown[ids.DETAIL_FACTS]["children"]


def test_a_range_that_is_not_offered_is_the_default(page: Page) -> None:
    """Whatever a hand-made request asks for, the window is one that the page offers."""
    odd = page.call(ids.wire("overview"), drm_overview_tick={**TICK, "range": "9999y"})
    usual = page.call(ids.wire("overview"), drm_overview_tick=TICK)
    assert odd[ids.wire("overview")]["data"]["layout"]["xaxis"] == usual[ids.wire("overview")]["data"]["layout"]["xaxis"]


def test_an_empty_pool_says_what_is_missing() -> None:
    """Words and a remedy instead of an empty graph."""
    page = Page(DRMState(DynamicResourceManager(now=0.0)))
    overview = page.call(ids.wire("overview"), drm_overview_tick=TICK)
    assert "Nothing is recorded yet" in overview[ids.empty("overview")]["children"]
    summary = elements(page.call(ids.HEALTH, drm_shell_tick=TICK)[ids.SUMMARY]["content"])
    assert summary[ids.summary("workers", "note")]["children"] == "none has joined yet"
    allocation = page.call(ids.wire("allocation"), drm_allocation_tick=TICK, **CHOSEN)
    assert "No worker has joined" in allocation[ids.empty("allocation")]["children"]
    heatmap = page.call(ids.wire("utilization"), drm_utilization_tick=TICK, drm_resource="gpu", drm_measure="used", drm_selected=None)
    assert "start one, or choose a longer range" in heatmap[ids.empty("utilization")]["children"]


def test_two_dashboards_show_their_own_pools() -> None:
    """Nothing is global: two pages over two states in one process."""
    first, second = Page(state_with_history()), Page(DRMState(DynamicResourceManager(now=0.0)))
    for page, workers in ((first, "2"), (second, "0"), (first, "2")):
        strip = elements(page.call(ids.HEALTH, drm_shell_tick=TICK)[ids.SUMMARY]["content"])
        assert strip[ids.summary("workers", "value")]["children"] == workers


@pytest.mark.parametrize("hostile", [[], "tick", 7, True, {"range": {"a": 1}, "scheme": ["x"], "worker": {}}])
@pytest.mark.parametrize(
    "output", [ids.wire("overview"), ids.wire("utilization"), ids.wire(ids.DETAIL_KEY), ids.wire("scaling"), ids.EXPLANATION_TITLE]
)
def test_values_that_no_page_sends_are_refused_or_harmless(page: Page, output: str, hostile: object) -> None:
    """The right structure with a hostile value gives 400 or an ordinary answer, never an error of the server."""
    for values in (
        {
            "drm_overview_tick": hostile,
            "drm_utilization_tick": hostile,
            "drm_worker_tick": hostile,
            "drm_scaling_tick": hostile,
            "drm_explanation_tick": hostile,
            "drm_resource": "cpu",
            "drm_measure": "used",
        },
        {"drm_overview_tick": TICK, "drm_utilization_tick": TICK, "drm_worker_tick": TICK, "drm_resource": hostile, "drm_measure": "used"},
        {**SCALING, "drm_explanation_tick": {**TICK, "decision": hostile}, "drm_demand_resource": hostile},
        {**SCALING, "drm_explanation_tick": {**TICK, "decision": "now"}, "drm_scaling_drawn": hostile, "drm_explanation_drawn": hostile},
        {"drm_utilization_tick": TICK, "drm_worker_tick": TICK, "drm_overview_tick": TICK, "drm_resource": "cpu", "drm_measure": hostile},
        {
            "drm_utilization_tick": TICK,
            "drm_worker_tick": TICK,
            "drm_overview_tick": TICK,
            "drm_resource": "cpu",
            "drm_measure": "used",
            "drm_selected": {"group": hostile},
            "drm_overview_drawn": hostile,
        },
    ):
        page.call(output, **values)
        assert page.status in (200, 204, 400)


SCALING = {"drm_scaling_tick": TICK, "drm_demand_resource": "cpu"}
ASKED = {"startRow": 0, "endRow": 15, "sortModel": [{"colId": "start", "sort": "desc"}], "filterModel": {}}


def test_scaling_is_sent_when_it_is_new_and_only_then(page: Page) -> None:
    """The figure, the sentence of the present, the resources to choose from; the table is told once."""
    first = page.call(ids.wire("scaling"), **SCALING)
    assert first[ids.NOW_TEXT]["children"].startswith("Now: ")
    assert [option["value"] for option in first[ids.DEMAND_RESOURCE]["options"]] == ["cpu", "memory", "gpu", "gpu_memory"]
    drawn, filled = first[ids.drawn("scaling")]["data"], first[ids.LEDGER_STATE]["data"]
    assert page.call(ids.wire("scaling"), **SCALING, drm_scaling_drawn=drawn) == {}
    memory = page.call(
        ids.wire("scaling"), **{**SCALING, "drm_demand_resource": "memory"}, drm_scaling_drawn=drawn, drm_ledger_state=filled
    )
    assert ids.LEDGER_STATE not in memory and "Memory" in json.dumps(memory[ids.wire("scaling")])


def test_why_not_now_is_answered_once_per_tick(page: Page) -> None:
    """The present tick's sentence is the API's, word for word, and is not sent again while it stands."""
    first = page.call(ids.EXPLANATION_TITLE, drm_explanation_tick={**TICK, "decision": "now"})
    why = page.client.get("/drm-dashboard/api/v1/explain").json
    assert first[ids.EXPLANATION_TITLE]["children"].startswith("The present tick: ")
    assert why["reason"][1:] in json.dumps(first[ids.EXPLANATION_BODY])
    drawn = first[ids.drawn(ids.EXPLANATION_KEY)]["data"]
    again = page.call(ids.EXPLANATION_TITLE, drm_explanation_tick={**TICK, "decision": "now"}, drm_explanation_drawn=drawn)
    assert again == {}


def test_a_kept_decision_is_explained_and_a_forgotten_one_said_so(page: Page) -> None:
    """By its id; an unknown id is words, not an error."""
    answer = page.call(ids.EXPLANATION_TITLE, drm_explanation_tick={**TICK, "decision": "1"})
    assert answer[ids.EXPLANATION_TITLE]["children"].startswith("Decision 1: ")
    assert len(answer[ids.EXPLANATION_AT]["data"]) == 2
    unknown = page.call(ids.EXPLANATION_TITLE, drm_explanation_tick={**TICK, "decision": "999999"})
    assert "are kept" in json.dumps(unknown[ids.EXPLANATION_BODY])


def test_the_table_gets_its_page_sorted_and_filtered(page: Page) -> None:
    """Rows of the asked part, with the count of all; sorted and filtered by the server."""

    def rows(**changes: Any) -> tuple[list[dict[str, Any]], int]:
        answer = page.call(ids.LEDGER, drm_ledger={**ASKED, **changes}, drm_range="15m")[ids.LEDGER]["getRowsResponse"]
        return answer["rowData"], answer["rowCount"]

    everything, count = rows()
    assert [int(row["id"]) for row in everything] == sorted((int(row["id"]) for row in everything), reverse=True) and count == len(
        everything
    )
    assert [row["id"] for row in rows(startRow=1, endRow=2)[0]] == [everything[1]["id"]]
    by_evaluations = [row["evaluations"] for row in rows(sortModel=[{"colId": "evaluations", "sort": "asc"}])[0]]
    assert by_evaluations == sorted(by_evaluations)
    blocked, number = rows(filterModel={"kind": {"filter": "Block"}})
    assert {row["kind"] for row in blocked} == {"■ Blocked"} and number == len(blocked) < count
    some_code = everything[0]["code"]
    assert {row["code"] for row in rows(filterModel={"code": {"filter": some_code[1:4].upper()}})[0]} >= {some_code}
    assert rows(filterModel={"outcome": {"filter": "done"}})[1] == 0, "a decision that changed nothing has no outcome to look for"
    assert rows(filterModel={"worker": {"filter": "nobody"}}) == ([], 0)


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        "rows",
        {**ASKED, "startRow": "0"},
        {**ASKED, "startRow": -5},
        {**ASKED, "sortModel": [{"colId": "__class__", "sort": "asc"}]},
        {**ASKED, "sortModel": [7]},
        {**ASKED, "filterModel": {"kind": 7}},
        {**ASKED, "filterModel": {"password": {"filter": "x"}}},
    ],
)
def test_a_table_that_is_not_ours_is_refused(page: Page, asked: object) -> None:
    """400, never an error of the server."""
    page.call(ids.LEDGER, drm_ledger=asked, drm_range="15m")
    assert page.status == 400


def test_a_table_asks_for_no_more_than_a_page_may(page: Page) -> None:
    """A huge page is cut, and so is a range that is not offered."""
    answer = page.call(ids.LEDGER, drm_ledger={**ASKED, "endRow": 10**9}, drm_range="900y")
    assert page.status == 200 and answer[ids.LEDGER]["getRowsResponse"]["rowData"]
