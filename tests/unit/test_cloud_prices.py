"""What the pool would cost elsewhere: a dated list in which 0 is no price, and a division that is rounded up."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.cloud.comparison import compare
from drm.cloud.price_list import EXTRA, PriceList, read_price_list
from drm.model import Price, Resources, WorkerType

GIB = 2.0**30
SMALL = WorkerType("small", Resources(cpu=2, memory=8 * GIB), Price(0.1, "USD", "test", "2026-01-01"))


@pytest.fixture(scope="module")
def prices() -> PriceList:
    """The list that libcloud brings."""
    found = read_price_list()
    assert not found.problem
    return found


def amount(cpu: float = 0.0, memory: float = 0.0, gpu: float = 0.0, gpu_memory: float = 0.0) -> np.ndarray:
    """(4,)"""
    return np.array([cpu, memory, gpu, gpu_memory])


def test_the_list_has_prices_sizes_regions_and_its_own_date(prices: PriceList) -> None:
    """A type that has been there for years, as it stands in the list."""
    found = prices.find("m5.large", "us-east-1")
    assert found is not None and found.hourly_price is not None
    assert (found.shape, found.hourly) == (Resources(cpu=2, memory=8 * GIB), 0.096)
    assert (found.hourly_price.currency, found.hourly_price.date) == ("USD", prices.date)
    assert "us-east-1" in prices.regions and len(prices.regions) > 20
    assert prices.age_days(datetime.fromisoformat(prices.date).replace(tzinfo=UTC).timestamp() + 91 * 86_400) == pytest.approx(91)


def test_a_0_in_the_list_is_not_offered(prices: PriceList) -> None:
    """a1.medium stands there with 0 for Tokyo: that is unknown, not free."""
    assert prices.find("a1.medium", "ap-northeast-1") is None and prices.find("a1.medium", "us-east-1") is not None
    assert min(price for by_region in prices.hourly.values() for price in by_region.values()) > 0


def test_a_search_is_bounded_and_puts_the_cheapest_first(prices: PriceList) -> None:
    """It says how many there are in all; nothing typed is all of them."""
    found, number = prices.search("m5.", "us-east-1", 3)
    assert len(found) == 3 < number and found[0].name == "m5.large"
    assert prices.search("", "us-east-1", 60)[1] > 600
    assert prices.search("<script>", "us-east-1", 60) == ([], 0) and prices.search("m5", "nowhere", 60) == ([], 0)


def test_without_the_extra_the_words_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback: what to install."""
    monkeypatch.setitem(sys.modules, "libcloud.pricing", None)
    assert EXTRA in read_price_list().problem and read_price_list().find("m5.large", "us-east-1") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"compute": {"ec2_linux": {"m5.large": 3}}}', '{"compute": {"ec2_linux": []}}'])
def test_a_file_that_is_no_price_list_is_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in the user's own file: its path and the remedy, in words."""
    path = tmp_path / "pricing.json"
    path.write_text(text)
    monkeypatch.setattr("libcloud.pricing.CUSTOM_PRICING_FILE_PATH", str(path))
    assert str(path) in read_price_list().problem


def test_a_users_own_list_is_read_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its prices and its date; without a date its age is unknown."""
    path = tmp_path / "pricing.json"
    path.write_text(json.dumps({"compute": {"ec2_linux": {"m5.large": {"us-east-1": 0.5, "eu-west-1": -1}, "mine": {"us-east-1": 1}}}}))
    monkeypatch.setattr("libcloud.pricing.CUSTOM_PRICING_FILE_PATH", str(path))
    mine = read_price_list()
    found = mine.find("m5.large", "us-east-1")
    assert (
        found is not None and found.hourly == 0.5 and mine.find("m5.large", "eu-west-1") is None and mine.find("mine", "us-east-1") is None
    )
    assert mine.date == "" and math.isnan(mine.age_days(1e9))


def test_the_resource_that_needs_most_instances_decides() -> None:
    """9 cores are 5 of two; 100 GiB are 13 of eight, so 13 it is."""
    found = compare(amount(cpu=9, memory=100 * GIB), SMALL)
    assert (found.instances, found.decided_by, found.hourly) == (13, "memory", pytest.approx(1.3))


def test_what_the_type_lacks_no_number_of_them_gives() -> None:
    """A GPU pool on a type without a GPU; GPU memory alone is not compared."""
    found = compare(amount(cpu=1, gpu=2), SMALL)
    assert (found.instances, found.lacking) == (0, ("gpu",)) and math.isnan(found.hourly)
    assert compare(amount(cpu=1, gpu_memory=GIB), SMALL).instances == 1


def test_nothing_costs_nothing_and_an_unknown_price_stays_unknown() -> None:
    """No work needs no instance."""
    assert (compare(amount(), SMALL).instances, compare(amount(), SMALL).hourly) == (0, 0.0)
    assert math.isnan(compare(amount(cpu=1), WorkerType("odd", SMALL.shape)).hourly)


@given(st.floats(0, 1e5), st.floats(0, 1e14))
def test_so_many_instances_hold_the_amount_and_one_less_does_not(cpu: float, memory: float) -> None:
    """For any amount."""
    number = compare(amount(cpu, memory), SMALL).instances
    slack = 1 + 1e-6
    assert number * 2 * slack + 1e-6 >= cpu and number * 8 * GIB * slack + 16 >= memory
    assert number == 0 or (number - 1) * 2 < cpu or (number - 1) * 8 * GIB < memory
