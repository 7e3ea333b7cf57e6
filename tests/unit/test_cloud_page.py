"""The Cloud tab without a browser: figure, words, table and comparison over every kind of pool, unknown prices and hostile names."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest

from drm import ids
from drm.cloud import CloudProviderManager, LocalProvider, SimulatedProvider
from drm.cloud.comparison import compare
from drm.cloud.price_list import EXTRA, STALE_DAYS, PriceList
from drm.cloud.totals import Problem, Totals
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.engines.simulated import SimulatedEngine
from drm.figures import cloud, cloud_text, comparison_text
from drm.figures.units import money
from drm.manager import DynamicResourceManager
from drm.model import Price, Resources, WorkerType
from drm.state import DRMState
from tests.unit.page_pool import GIB, START, state_with_history
from tests.unit.test_callbacks import TICK, Page
from tests.unit.test_cloud_providers import Rented

HOSTILE = ("<script>alert(1)</script>", "w" * 250, "\u202egnirts", "🦊\n\x00", "=1+1", "@")
CHOSEN = {"drm_instance_type": "m5.large", "drm_cloud_region": "us-east-1", "drm_cloud_by": "provider"}
ASKED = {"drm_cloud_tick": TICK, **CHOSEN, "drm_comparison_card": True}


def simulated_state(workers: int = 40, ticks: int = 60, **choices: Any) -> DRMState:
    """A simulated fleet under load."""
    state = DRMState(DynamicResourceManager(SimulatedEngine(workers, 0), bounds=Bounds(1, workers), now=START, **choices))
    for tick in range(ticks):
        state.advance(START + 5.0 * tick)
    return state


def external_state(capacities: dict[str, Resources], labels: dict[str, str] | None = None, seconds: int = 10) -> DRMState:
    """An external pool of these workers."""
    state = DRMState(DynamicResourceManager(ExternalEngine(), now=START))
    for worker_id, capacity in capacities.items():
        state.manager.register_worker(worker_id, capacity=capacity, labels=labels)
    for second in range(seconds):
        for worker_id in capacities:
            state.manager.report(worker_id, used={"cpu": 0.5})
        state.advance(START + second)
    return state


@pytest.fixture(scope="module")
def simulated() -> DRMState:
    """A simulated fleet after five minutes."""
    return simulated_state()


@pytest.fixture(scope="module")
def simulated_page(simulated: DRMState) -> Page:
    """Its page."""
    return Page(simulated)


@pytest.fixture(scope="module")
def page() -> Page:
    """The page of two workers that report themselves, without a price."""
    return Page(state_with_history())


def figure_of(state: DRMState) -> cloud.Figure:
    figure = cloud.build(state.fleet(900, cloud.COLUMNS), state.cloud.last_totals(), "light", 900)
    assert figure is not None
    json.dumps(figure, allow_nan=False)
    return figure


def test_the_bars_of_a_simulated_fleet_add_up(simulated: DRMState) -> None:
    """Instances and rates of three providers at the last tick, and what each has spent."""
    figure, totals = figure_of(simulated), simulated.cloud.last_totals()
    over_time = [trace for trace in figure["data"] if "orientation" not in trace]
    for axis, expected in (("y", sum(line.charged for line in totals.lines)), ("y2", totals.sum.rate)):
        assert sum(trace["y"][-1] for trace in over_time if trace["yaxis"] == axis) == pytest.approx(expected, rel=0.2)
    spent = [trace for trace in figure["data"] if trace.get("orientation") == "h"]
    assert sum(trace["x"][0] for trace in spent) == pytest.approx(totals.sum.spent, abs=1e-4)
    assert figure["layout"]["barmode"] == "stack" and {trace["y"][0] for trace in spent} == {"alpha", "beta", "gamma"}
    assert len({trace["marker"]["color"] for trace in over_time}) == 3
    assert over_time[0]["y"][0] is None, "what was not recorded is blank"


def test_without_a_price_only_instances_are_drawn() -> None:
    """No row of money, and nothing that looks like 0."""
    figure = figure_of(state_with_history())
    assert {trace["yaxis"] for trace in figure["data"]} == {"y"} and "yaxis2" not in figure["layout"]


def test_nothing_recorded_is_no_figure() -> None:
    """Before the first tick, and in a pool that never had a worker."""
    for state in (DRMState(DynamicResourceManager(now=0.0)), external_state({})):
        assert cloud.build(state.fleet(900), state.cloud.last_totals(), "dark", 900) is None


def test_a_provider_that_is_asked_has_a_bar_of_what_it_has_now() -> None:
    """No tick records it: instances now and, from the second question on, what they have cost; with a pool beside it and without one."""
    rented = Rented()
    rented.launch(3, "m5.large")
    clouds = CloudProviderManager([rented])
    alone = DRMState(DynamicResourceManager(ExternalEngine(), cloud=clouds, now=START))
    clouds.totals(now=START)
    clouds.totals(now=START + 3600.0)
    alone.advance(START + 3600.0)
    bars = [(trace["text"][0], trace["x"][0], trace["yaxis"]) for trace in figure_of(alone)["data"]]
    assert bars == [("m5.large 3", 3, "y"), ("m5.large 6.00", 6.0, "y2")]
    alone.manager.register_worker("w", capacity=Resources(cpu=1), labels={"provider": "own rack"})
    alone.advance(START + 3601.0)
    figure = figure_of(alone)
    assert {trace["name"] for trace in figure["data"] if trace["yaxis"] == "y2"} == {"aws", "own rack"}
    assert figure["layout"]["xaxis"]["type"] == "date" and figure["layout"]["xaxis2"]["anchor"] == "y2"


def test_the_sentence_says_what_is_known_and_what_is_not(simulated: DRMState) -> None:
    """SIMULATED where it is; unknown where no price is; a part that is known where only some are."""
    told = cloud_text.sentence(simulated.cloud.last_totals(), simulated=True)
    assert told.startswith("SIMULATED") and "at 3 providers" in told and "USD an hour now" in told
    unpriced = external_state({"a": Resources(cpu=1)})
    assert "What they cost an hour is unknown" in cloud_text.sentence(unpriced.cloud.last_totals(), simulated=False)
    assert any("price of 1 instance is not known" in text for text in cloud_text.warnings(unpriced.cloud.last_totals()))
    priced = WorkerType("good", Resources(cpu=1), Price(2.0, "EUR", "mine", "2026-01-01"))
    manager = DynamicResourceManager(ExternalEngine(), worker_types=[priced], now=START)
    manager.register_worker("a", capacity=Resources(cpu=1), labels={"worker_type": "good"})
    manager.register_worker("b", capacity=Resources(cpu=3), labels={"worker_type": "odd"})
    manager.advance(START)
    assert "unknown, of 2.00 EUR is known" in cloud_text.sentence(manager.cloud.last_totals(), simulated=False)
    assert "Nothing is known yet" in cloud_text.sentence(Totals((), (), math.nan, math.nan, 0.0), simulated=False)


def test_the_table_has_a_line_for_each_kind_and_sums_that_add_up(simulated: DRMState) -> None:
    """Provider, region, type, market, instances by state, price with its source and date, rate and spend."""
    totals = simulated.cloud.last_totals()
    rows = cloud_text.table(totals)
    beta = next(row for row in rows if row.provider == "beta")
    assert (beta.region, beta.type, beta.market, beta.price, beta.price_source) == (
        "beta-1",
        "standard-spot",
        "spot",
        "0.14 USD",
        "simulated, 2026-01-05",
    )
    assert [row.provider for row in rows if row.is_sum] == ["alpha, together", "All"]
    assert rows[-1].rate == money(totals.sum.rate, "USD") and rows[-1].spent == money(totals.sum.spent, "USD")


def test_bars_of_any_field_add_up(simulated: DRMState) -> None:
    """By provider, region, type and market the same sum, a bar for each value; parts keep the colour of their provider."""
    totals = simulated.cloud.last_totals()
    for by in cloud.BY:
        figure = cloud.build(simulated.fleet(900, cloud.COLUMNS), totals, "light", 900, by)
        assert figure is not None
        spent = [trace for trace in figure["data"] if trace.get("orientation") == "h"]
        assert {trace["y"][0] for trace in spent} == {getattr(line.kind, by) for line in totals.lines}
        assert sum(trace["x"][0] for trace in spent) == pytest.approx(totals.sum.spent, abs=1e-4)
        assert len({trace["marker"]["color"] for trace in spent}) == 3


def test_amounts_lead_to_what_they_were_paid_for(simulated_page: Page) -> None:
    """Each line's to the account of its kind, a provider's to that of all its kinds; the account knows every one of these names."""
    table = json.dumps(simulated_page.call(ids.wire("cloud"), **ASKED)[ids.CLOUD_TABLE]["content"])
    properties = [one for text in re.findall(r'"data-drm-set": ("(?:[^"\\]|\\.)*")', table) for one in json.loads(json.loads(text))]
    assert {(component, name) for component, name, _ in properties} == {(ids.LADDER_OF, "value")}
    wanted = {of for _, _, of in properties}
    assert {"all", "all of alpha", "beta beta-1 standard-spot spot"} <= wanted
    for of in wanted:
        account = simulated_page.call(ids.LADDER_TEXT, drm_cloud_tick=TICK, drm_ladder_of=of)
        assert "worker-hours" in account[ids.LADDER_TEXT]["children"], of
        assert of in [option["value"] for option in account[ids.LADDER_OF]["options"]]
        # Its own amounts open their parts: by kind, which lead to the kind's account; of one kind by worker, which lead to the worker's.
        of_several = of.startswith("all")
        assert not account[ids.LADDER_PARTS]["hidden"]
        assert ids.LADDER_PARTS_TABLE in json.dumps(account[ids.LADDER_TABLE]["content"])
        made_of = json.dumps(account[ids.LADDER_PARTS_TABLE]["content"])
        assert "data-drm-set" in made_of and (ids.SELECTED in made_of) is not of_several
        assert account[ids.LADDER_PARTS_TITLE]["children"] == ("By kind of instance" if of_several else "By worker")


def test_a_price_that_is_old_is_marked_in_the_table() -> None:
    """After 90 days, with its age in words."""
    worker_type = WorkerType("t", Resources(cpu=1), Price(2.0, "EUR", "ours", "2026-01-01"))
    day = 86_400.0
    for age, told in ((89, ""), (91, "91 days old, more than 90: look it up before you rely on it")):
        now = 1_767_225_600.0 + age * day
        manager = DynamicResourceManager(ExternalEngine(), worker_types=[worker_type], now=now)
        manager.register_worker("a", capacity=Resources(cpu=1), labels={"worker_type": "t"})
        manager.advance(now)
        assert [row.price_age for row in cloud_text.table(manager.cloud.last_totals())] == [told]


def test_problems_jumps_and_lost_workers_are_told() -> None:
    """Each in a sentence, with the provider's name and the time at which it was asked."""
    totals = Totals((), (Problem("aws\x00", 0.0, "quota <b>"), Problem("gce", math.nan, "not asked yet")), 1.0, 0.0, 120.0)
    told = cloud_text.warnings(totals)
    assert told == [
        "2 min in which no tick came (a clock that jumped, or a sleep) are not charged.",
        "aws  when asked at 1970-01-01 00:00:00 UTC: quota <b>",
        "gce: not asked yet",
    ]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0.0, "USD", "0.00 USD"),
        (0.096, "USD", "0.096 USD"),
        (0.00001, "USD", "less than 0.0001 USD"),
        (1234.5, "", "1 234.50"),
        (math.nan, "USD", "unknown"),
    ],
)
def test_money_is_short_and_never_rounds_to_nothing(amount: float, currency: str, text: str) -> None:
    """Small amounts keep their digits; an unknown one is a word."""
    assert money(amount, currency) == text


EDGES = {
    "no workers": lambda: external_state({}),
    "one": lambda: external_state({"a": Resources(cpu=2, memory=4 * GIB)}),
    "10 000": lambda: simulated_state(10_000, ticks=2),
    "GPU only": lambda: external_state({"a": Resources(gpu=2, gpu_memory=8 * GIB)}),
    "hostile": lambda: external_state(
        {name: Resources(cpu=1, memory=GIB) for name in HOSTILE}, {"provider": HOSTILE[0], "region": HOSTILE[2], "worker_type": HOSTILE[3]}
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_every_kind_of_pool_has_its_page(name: str) -> None:
    """Words, a table or none, a figure or words in its place; never an error, and no markup from outside in a figure."""
    state = EDGES[name]()
    answer = Page(state).call(ids.wire("cloud"), **ASKED)
    wire = answer[ids.wire("cloud")]["data"]
    assert answer[ids.CLOUD_TEXT]["children"]
    assert bool(wire["data"]) == (name != "no workers") == bool(answer[ids.CLOUD_TABLE]["content"])
    assert bool(answer[ids.empty("cloud")]["children"]) == (name == "no workers")
    assert "<script>" not in json.dumps(wire)
    assert ("nothing is charged" in answer[ids.CLOUD_TEXT]["children"]) == (name == "no workers")
    if name == "GPU only":
        assert "m5.large has no GPU" in json.dumps(answer[ids.COMPARISON]["content"])


def test_only_lost_workers_cost_nothing_and_say_so() -> None:
    """They are in the table, and in no sum of money."""
    state = external_state({"a": Resources(cpu=1)})
    for second in range(10, 300, 5):
        state.advance(START + second)
    totals = state.cloud.last_totals()
    assert [dict(line.states) for line in totals.lines] == [{"lost": 1}] and totals.sum.rate == 0
    assert "None of them is charged now" in cloud_text.sentence(totals, simulated=False)
    assert any("1 lost worker not charged" in text for text in cloud_text.warnings(totals))


def test_the_page_sends_its_figure_once_and_its_words_each_time(simulated_page: Page) -> None:
    """A window that was drawn already is not sent again."""
    first = simulated_page.call(ids.wire("cloud"), **ASKED)
    assert first[ids.CLOUD_TEXT]["children"].startswith("SIMULATED")
    again = simulated_page.call(ids.wire("cloud"), **ASKED, drm_cloud_drawn=first[ids.drawn("cloud")]["data"])
    assert ids.wire("cloud") not in again and again[ids.CLOUD_TEXT] == first[ids.CLOUD_TEXT]


def test_a_simulated_fleet_is_compared_with_nothing_and_a_real_one_is(simulated_page: Page, page: Page) -> None:
    """Invented prices beside real ones would mislead; a pool without a cloud says how to configure one."""
    simulated = simulated_page.call(ids.wire("cloud"), **ASKED)
    assert ids.COMPARISON not in simulated and simulated[ids.CLOUD_CONNECT]["hidden"] is True
    real = page.call(ids.wire("cloud"), **ASKED)
    assert real[ids.COMPARISON_CARD]["hidden"] is False and real[ids.CLOUD_CONNECT]["hidden"] is False
    told = json.dumps(real[ids.COMPARISON]["content"])
    assert "0.096 USD an hour" in told and "price list of libcloud" in told and "A comparison, no offer" in told
    assert "CloudProviderManager([provider, ...])" in json.dumps(page.client.get("/drm-dashboard/_dash-layout").json)


def test_the_comparison_is_the_formula() -> None:
    """12 cores and 24 GiB are 6 of two cores; the demand of one core and 2 GiB is one of them, at 0.096 an hour each."""
    prices = PriceList("a list", "2026-01-01", {"t": Resources(cpu=2, memory=8 * GIB)}, {"t": {"r": 0.096}})
    worker_type = prices.find("t", "r")
    assert worker_type is not None
    row = comparison_text.comparison_row(
        "capacity", np.array([12, 24 * GIB, 0, 0]), compare(np.array([12, 24 * GIB, 0, 0]), worker_type), worker_type
    )
    assert row == ["capacity", "12 cores, 24 GiB of memory", "6", "CPU", "0.576 USD", "420.48 USD"]
    assert "the largest counts" in comparison_text.formula(worker_type)


@pytest.mark.parametrize(("days", "stale"), [(STALE_DAYS - 1, False), (STALE_DAYS + 1, True)])
def test_a_price_is_marked_once_it_is_older_than_90_days(days: int, stale: bool) -> None:
    """With its source and date beside it in any case."""
    prices = PriceList("a list", "2026-01-01", {"t": Resources(cpu=2)}, {"t": {"r": 1.0}})
    worker_type = prices.find("t", "r")
    assert worker_type is not None
    told, age = comparison_text.price_text(prices, worker_type, 1_767_225_600.0 + days * 86_400)
    assert "Source: a list, dated 2026-01-01." in told and bool(age) == stale
    undated = PriceList("a list", "", prices.types, prices.hourly)
    assert "no date" in comparison_text.price_text(undated, worker_type, START)[1]


def test_types_are_offered_as_they_are_typed(page: Page) -> None:
    """At most 60, each with what it has and costs; a part of a name is answered with names, nonsense with examples."""
    offered = page.call(ids.INSTANCE_TYPES, drm_comparison_card=False, drm_instance_type="m5.", drm_cloud_region="us-east-1")
    options = offered[ids.INSTANCE_TYPES]["children"]
    assert 3 < len(options) <= 60 and options[0]["props"] == {
        "children": None,
        "value": "m5.large",
        "label": "2 cores, 8 GiB of memory, 0.096 USD an hour",
    }
    assert "eu-west-1" in offered[ids.CLOUD_REGION]["options"]
    for typed, words in (("m5.", "choose one of m5.large"), ("<b>", "try m5.large"), (None, "choose one of")):
        told = page.call(ids.wire("cloud"), **{**ASKED, "drm_instance_type": typed})[ids.COMPARISON]["content"]
        assert words in json.dumps(told)
    assert page.call(ids.INSTANCE_TYPES, drm_comparison_card=True, drm_instance_type="m5.", drm_cloud_region="us-east-1") == {}


@pytest.mark.parametrize("hostile", [[], 7, True, {"a": 1}])
def test_values_that_no_page_sends_are_refused(page: Page, hostile: object) -> None:
    """400, never an error of the server."""
    for changed in ("drm_cloud_tick", "drm_instance_type", "drm_cloud_region", "drm_cloud_by"):
        page.call(ids.wire("cloud"), **{**ASKED, changed: hostile})
        assert page.status in (200, 204, 400)


def test_without_the_extra_the_tab_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else is there; in place of the comparison stands what to install."""
    monkeypatch.setattr("drm.callbacks.cloud.read_price_list", lambda: PriceList("", "", {}, {}, f"The price list comes with: {EXTRA}"))
    page = Page(state_with_history())
    answer = page.call(ids.wire("cloud"), **ASKED)
    assert EXTRA in json.dumps(answer[ids.COMPARISON]["content"]) and answer[ids.wire("cloud")]["data"]["data"]
    assert page.call(ids.INSTANCE_TYPES, drm_comparison_card=False, drm_instance_type="m5", drm_cloud_region="us-east-1") == {}


def test_a_configured_cloud_needs_no_words_on_how_to_configure_one() -> None:
    """This machine alone is none."""
    assert not CloudProviderManager([LocalProvider()]).has_cloud and CloudProviderManager([SimulatedProvider("a")]).has_cloud
