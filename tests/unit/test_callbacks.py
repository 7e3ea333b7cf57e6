"""Callbacks as functions, through the route that the browser uses: one snapshot, one window, nothing when it was drawn already."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from drm import ids
from drm.dashboard import create_app
from drm.manager import DynamicResourceManager
from drm.state import DRMState
from tests.unit.page_pool import state_with_history

TICK = {"n": 1, "range": "15m", "scheme": "light", "at": 1}


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
        names = [name.split("@")[0] for name in output.strip(".").split("...")]
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


def test_the_overview_fills_its_cards_and_draws_once(page: Page) -> None:
    """What this client drew already is not sent again; the cards are."""
    first = page.call(ids.wire("overview"), drm_overview_tick=TICK)
    assert first[ids.card("workers", "value")]["children"] == "2"
    assert first[ids.card("cpu", "used-bar")]["style"] == {"width": "66.7%"}
    assert len(first[ids.wire("overview")]["data"]["data"]) == 18
    again = page.call(ids.wire("overview"), drm_overview_tick=TICK, drm_overview_drawn=first[ids.drawn("overview")]["data"])
    assert ids.wire("overview") not in again
    assert again[ids.card("workers", "value")]["children"] == "2"
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
    assert answer[ids.DETAIL_TASKS]["children"][0]["props"]["children"][0]["props"]["children"] == "<i>train</i>"
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
    assert "No worker has joined" in overview[ids.card("resources", "note")]["children"]
    heatmap = page.call(ids.wire("utilization"), drm_utilization_tick=TICK, drm_resource="gpu", drm_measure="used", drm_selected=None)
    assert "start one, or choose a longer range" in heatmap[ids.empty("utilization")]["children"]


def test_two_dashboards_show_their_own_pools() -> None:
    """Nothing is global: two pages over two states in one process."""
    first, second = Page(state_with_history()), Page(DRMState(DynamicResourceManager(now=0.0)))
    for page, workers in ((first, "2"), (second, "0"), (first, "2")):
        assert page.call(ids.wire("overview"), drm_overview_tick=TICK)[ids.card("workers", "value")]["children"] == workers


@pytest.mark.parametrize("hostile", [[], "tick", 7, True, {"range": {"a": 1}, "scheme": ["x"], "worker": {}}])
@pytest.mark.parametrize("output", [ids.wire("overview"), ids.wire("utilization"), ids.wire(ids.DETAIL_KEY)])
def test_values_that_no_page_sends_are_refused_or_harmless(page: Page, output: str, hostile: object) -> None:
    """The right structure with a hostile value gives 400 or an ordinary answer, never an error of the server."""
    for values in (
        {
            "drm_overview_tick": hostile,
            "drm_utilization_tick": hostile,
            "drm_worker_tick": hostile,
            "drm_resource": "cpu",
            "drm_measure": "used",
        },
        {"drm_overview_tick": TICK, "drm_utilization_tick": TICK, "drm_worker_tick": TICK, "drm_resource": hostile, "drm_measure": "used"},
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
