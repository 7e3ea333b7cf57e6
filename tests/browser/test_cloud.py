"""The Cloud tab in a real browser: the sums are those of its lines, and the comparison follows what is typed and stands in the address."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from drm import ids
from drm.cloud.price_list import read_price_list
from tests.browser.conftest import running_program
from tests.browser.watched import FIGURE_TIMEOUT, PLOT, Watched, text

ROW = f"#{ids.CLOUD_TABLE} tbody tr"


@pytest.fixture(scope="module")
def simulated_url() -> Iterator[str]:
    """A program with a simulated fleet, a minute a second."""
    with running_program("--simulate", "300", "--speed", "60") as url:
        yield url


@pytest.fixture
def simulated(context: BrowserContext, simulated_url: str) -> Iterator[Watched]:
    """A page of it."""
    watched = Watched(context, simulated_url)
    yield watched
    watched.close()


def money(told: str) -> float:
    """The number of an amount."""
    return float(told.split(" USD")[0].replace(" ", ""))


def compared(page: Page) -> str:
    """The comparison, once it is there."""
    expect(page.locator(f"#{ids.COMPARISON}")).to_contain_text("Source:", timeout=FIGURE_TIMEOUT)
    return text(page, ids.COMPARISON)


def test_a_simulated_fleet_adds_up_and_says_what_it_is(simulated: Watched) -> None:
    """SIMULATED; three providers; the sum of all is the sum of the lines; no comparison and no words on how to connect a cloud."""
    page = simulated.open("?tab=cloud")
    expect(page.locator(f"#{ids.CLOUD_TEXT}")).to_contain_text("SIMULATED", timeout=FIGURE_TIMEOUT)
    simulated.pause()
    rows = [row.all_inner_texts() for row in (row.locator("th, td") for row in page.locator(ROW).all())]
    lines, whole = [row for row in rows if len(row) == 8], rows[-1]
    assert (
        whole[0] == "All" and {row[0] for row in lines} == {"alpha", "beta", "gamma"} and {row[3] for row in lines} == {"on-demand", "spot"}
    )
    for column in (-2, -1):
        assert sum(money(row[column]) for row in lines) == pytest.approx(money(whole[column]), abs=0.01 * len(lines))
    assert all("simulated, 2026-01-05" in row[5] for row in lines)
    simulated.until(f"{PLOT}.data.filter((one) => one.orientation === 'h').length >= 3")
    for card in (ids.COMPARISON_CARD, ids.CLOUD_CONNECT):
        expect(page.locator(f"#{card}")).to_be_hidden()


def test_the_account_adds_up_and_can_be_asked_of_one_kind(simulated: Watched) -> None:
    """Shares of what is lost and what was useful are the whole, within rounding; one kind costs less than all."""
    page = simulated.open("?tab=cloud")
    expect(page.locator(f"#{ids.LADDER_TEXT}")).to_contain_text("was useful", timeout=FIGURE_TIMEOUT)
    simulated.pause()
    rows = {row[0]: row for row in (one.locator("th, td").all_inner_texts() for one in page.locator(f"#{ids.LADDER_TABLE} tbody tr").all())}
    rungs = ("Paid", "Allocatable", "Requested", "Used", "Useful")
    pieces = [money(row[-1]) for name, row in rows.items() if name not in rungs[:-1]]
    assert sum(pieces) == pytest.approx(money(rows["Paid"][-1]), abs=0.01 * len(pieces))
    of = page.get_by_label("Of", exact=True)
    assert of.input_value() == "all"
    of.select_option("beta beta-1 standard-spot spot")
    paid = rows["Paid"][-1]
    expect(page.locator(f"#{ids.LADDER_TABLE} tbody tr").first).not_to_contain_text(paid, timeout=FIGURE_TIMEOUT)
    assert money(page.locator(f"#{ids.LADDER_TABLE} tbody tr").first.locator("td").last.inner_text()) < money(paid)


def test_an_amount_opens_its_parts_down_to_what_it_was_paid_for(simulated: Watched) -> None:
    """From the cost rate of the header to the instances, from what was spent to its kinds, from a kind to its account; and by address."""
    page = simulated.open("")
    rate = page.locator(f"#{ids.summary('cost', 'value')}")
    expect(rate).to_contain_text("USD/h", timeout=FIGURE_TIMEOUT)
    rate.click()
    expect(page.locator(f"#{ids.CLOUD_TABLE}")).to_be_in_viewport(timeout=FIGURE_TIMEOUT)
    spent = page.locator(f"#{ids.SPENDING_TILES} button").nth(1)
    expect(spent).to_contain_text("USD", timeout=FIGURE_TIMEOUT)
    simulated.pause()
    parts = page.locator(f"#{ids.SPENDING_PARTS_TABLE} tbody tr")
    expect(parts.first).to_be_hidden()
    spent.click()
    expect(parts.first).to_be_visible()
    amounts = [money(row.locator("td").last.inner_text()) for row in parts.all()]
    assert amounts[-1] == money(spent.inner_text()) == pytest.approx(sum(amounts[:-1]), abs=0.01 * len(amounts))
    kind = parts.first.locator("th").inner_text()
    parts.first.locator("button").click()
    of = page.get_by_label("Of", exact=True)
    expect(of).to_have_value(kind, timeout=FIGURE_TIMEOUT)
    page.wait_for_url(re.compile(r"ladder_of="))
    page.reload()
    simulated.drawn()
    expect(page.get_by_label("Of", exact=True)).to_have_value(kind, timeout=FIGURE_TIMEOUT)
    page.locator(f"#{ids.LADDER_OF}").select_option("all")
    amount = page.locator(f"#{ids.LADDER_TABLE} .drm-money").first
    amount.click(timeout=FIGURE_TIMEOUT)
    kinds = page.locator(f"#{ids.LADDER_PARTS_TABLE} tbody tr").first
    expect(kinds).to_be_visible()
    told = [money(one) for one in kinds.locator("td").all_inner_texts()]
    assert sum(told) == pytest.approx(money(amount.inner_text()), rel=0.01, abs=0.01 * len(told))


def test_the_period_and_the_bars_stand_in_the_address(simulated: Watched) -> None:
    """A month's line begins with the month; bars by market are two."""
    page = simulated.open("?tab=cloud&period=month&cloud_by=market")
    expect(page.locator(f"#{ids.SPENDING_TILES}")).to_contain_text("Spent this month", timeout=FIGURE_TIMEOUT)
    expect(page.locator(f"#{ids.graph(ids.SPENDING_KEY)} .main-svg").first).to_be_visible(timeout=FIGURE_TIMEOUT)
    simulated.until(f"new Set({PLOT}.data.filter((one) => one.orientation === 'h').map((one) => one.y[0])).size === 2")
    page.get_by_text("Day", exact=True).click()
    expect(page.locator(f"#{ids.SPENDING_TILES}")).to_contain_text("Spent this day", timeout=FIGURE_TIMEOUT)
    page.wait_for_url(re.compile(r"^(?!.*period=)"))


def test_a_local_pool_says_that_its_price_is_not_known_and_how_to_say_it(watched: Watched) -> None:
    """Workers of this machine, an unknown price that is no 0, and the exact names that configure a cloud."""
    page = watched.open("?tab=cloud")
    expect(page.locator(ROW).first).to_contain_text("local", timeout=FIGURE_TIMEOUT)
    assert "unknown" in text(page, ids.CLOUD_TEXT) and "--worker-price" in text(page, ids.CLOUD_WARNING)
    assert "CloudProviderManager([provider, ...])" in text(page, ids.CLOUD_CONNECT)


def test_the_comparison_follows_what_is_typed_and_is_in_the_address(watched: Watched) -> None:
    """A type and a region that are chosen show their price, its source and its date, and again after a reload."""
    prices = read_price_list()
    page = watched.open("?tab=cloud")
    assert "One m5.large in us-east-1" in compared(page)
    page.get_by_label("Instance type").fill("c5.xl")
    expect(page.locator(f"#{ids.COMPARISON}")).to_contain_text("choose one of c5.xlarge", timeout=FIGURE_TIMEOUT)
    expect(page.locator(f"#{ids.INSTANCE_TYPES} option[value='c5.xlarge']")).to_have_count(1)
    page.get_by_label("Instance type").fill("c5.xlarge")
    page.get_by_label("Region", exact=True).select_option("eu-west-1")
    chosen = prices.find("c5.xlarge", "eu-west-1")
    assert chosen is not None
    expect(page.locator(f"#{ids.COMPARISON}")).to_contain_text(f"costs {chosen.hourly:g} USD an hour", timeout=FIGURE_TIMEOUT)
    told = text(page, ids.COMPARISON)
    assert f"dated {prices.date}" in told and "A comparison, no offer" in told
    page.wait_for_url(re.compile(r"instance=c5\.xlarge&region=eu-west-1|region=eu-west-1&instance=c5\.xlarge"))
    page.reload()
    watched.drawn()
    assert "One c5.xlarge in eu-west-1" in compared(page)
