"""The user's own prices: what they say, and what is wrong with a file, in words that name it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from drm.cli import _choices
from drm.cloud import PriceFile
from drm.cloud.known_prices import KEPT_SECONDS, KnownPrices
from drm.cloud.price_file import age_days, stale_prices, staleness
from drm.cloud.price_list import PriceList
from drm.errors import InvalidValueError, ProviderError
from drm.model import Price, Resources, WorkerType
from drm.settings import Settings

LIST = PriceList("a list", "2026-01-01", {"m5.large": Resources(cpu=2), "m5.xlarge": Resources(cpu=4)}, {"m5.large": {"eu-west-1": 0.1}})
LINE = 'provider = "aws"\ntype = "m5.large"\namount = 0.2\ndate = 2026-11-01\n'


def read(folder: Path, text: str) -> PriceFile:
    path = folder / "prices.toml"
    path.write_text(text)
    return PriceFile.read(path, price_list=LIST)


def test_a_price_has_its_source_its_date_and_the_one_currency(tmp_path: Path) -> None:
    """That of a region before that of all; spot apart; converted by the rate, which the source tells."""
    found = read(
        tmp_path,
        f"""currency = "EUR"
[rates]
USD = 0.5
[[price]]
{LINE}currency = "USD"
source = "our contract"
[[price]]
{LINE}region = "eu-west-1"
[[price]]
{LINE}market = "spot"
""",
    )
    assert found.find("aws", "us-east-1", "m5.large", "on_demand") == Price(0.1, "EUR", "our contract, at 0.5 EUR for 1 USD", "2026-11-01")
    assert found.find("aws", "eu-west-1", "m5.large", "on_demand") == Price(0.2, "EUR", "prices.toml", "2026-11-01")
    assert found.find("aws", None, "m5.large", "spot") == Price(0.2, "EUR", "prices.toml", "2026-11-01")
    assert found.find("aws", None, "m5.xlarge", "on_demand") is None and found.find("gce", None, "m5.large", "on_demand") is None


@pytest.mark.parametrize(("per", "amount", "hourly"), [("second", 0.001, 3.6), ("hour", 0.2, 0.2), ("day", 48, 2.0), ("month", 730, 1.0)])
def test_a_price_is_per_hour_whatever_its_unit(tmp_path: Path, per: str, amount: float, hourly: float) -> None:
    """A month has 730 hours, as clouds bill it."""
    found = read(tmp_path, f'[[price]]\nprovider = "own"\ntype = "rack"\namount = {amount}\nper = "{per}"\ndate = 2026-11-01\n')
    price = found.find("own", None, "rack", "on_demand")
    assert price is not None and price.hourly == pytest.approx(hourly) and price.currency == ""


def test_types_are_priced_by_the_file_and_the_others_keep_theirs_in_its_currency(tmp_path: Path) -> None:
    """What nobody knows stays unknown, and what has no rate is an error that says how to give one."""
    found = read(tmp_path, f'currency = "EUR"\n[rates]\nUSD = 0.5\n[[price]]\n{LINE}')
    shape, dollars = Resources(cpu=2), Price(0.4, "USD", "list", "2025-01-01")
    types = [WorkerType("m5.large", shape, dollars, provider="aws"), WorkerType("b", shape, dollars), WorkerType("c", shape)]
    assert [one.hourly_price and (one.hourly, one.hourly_price.currency) for one in found.priced(types)] == [
        (0.2, "EUR"),
        (0.2, "EUR"),
        None,
    ]
    with pytest.raises(InvalidValueError, match="a price is in CHF .*say under \\[rates\\] what one CHF is worth"):
        found.in_currency(Price(1.0, "CHF", "list", "2026-01-01"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"[[price]]\n{LINE.replace('0.2', '-0.2')}", "price 1: amount must be a finite number of 0 or more, got -0.2"),
        (f"[[price]]\n{LINE.replace('0.2', 'nan')}", "got nan"),
        (f"[[price]]\n{LINE.replace('0.2', 'true')}", "got True"),
        (f"[[price]]\n{LINE.replace('0.2', '2e6')}", "2000000.0 per hour is more than 1,000,000 an hour: is the unit right?"),
        (f"[[price]]\n{LINE.replace('amount', 'ammount')}", r"'ammount' in price 1 is no key \(did you mean 'amount'\?\)"),
        (f'[[price]]\n{LINE}per = "week"\n', "per must be one of second, hour, day, month, got 'week'"),
        (f'[[price]]\n{LINE}market = "sport"\n', r"market must be one of on_demand, spot, got 'sport' \(did you mean 'spot'\?\)"),
        (f'[[price]]\n{LINE}currency = "USDD"\n', r"'USDD' is no currency \(did you mean 'USD'\?\)"),
        (f'currency = "EUR"\n[[price]]\n{LINE}currency = "USD"\n', r"price 1 is in USD, and the currency is EUR: say under \[rates\]"),
        (f'[[price]]\n{LINE}region = "eu-wst-1"\n', r"region 'eu-wst-1' is not one of AWS \(did you mean 'eu-west-1'\?\)"),
        (f"[[price]]\n{LINE.replace('m5.large', 'm5.larg')}", r"type 'm5.larg' is not one of AWS \(did you mean 'm5.large'\?\)"),
        (f"[[price]]\n{LINE}[[price]]\n{LINE}", "aws every region m5.large on_demand is priced twice"),
        (f"[[price]]\n{LINE.replace('2026-11-01', '2026')}", "date must be a day"),
        (f"[[price]]\n{LINE.replace('2026-11-01', '2026-11-01T00:00:00')}", "date must be a day"),
        ('[[price]]\nprovider = "aws"\ntype = "m5.large"\n', "price 1 has no amount: each needs provider, type, amount, date"),
        ('[[price]]\nprovider = ""\ntype = "a"\namount = 1\ndate = 2026-11-01\n', "provider must be a word in quotes"),
        ("[rates]\nUSD = 0.9\n", "needs a currency that they lead to"),
        ('currency = "EUR"\n[rates]\nUSD = 0\n', "rates.USD must be more than 0"),
        ('currency = "EUR"\n[rates]\nUSD = 1e99\n', "rates.USD must be at most 1,000,000,000"),
        ('currency = "euro"\n', "'euro' is no currency .*as in EUR"),
        ('curency = "EUR"\n', r"'curency' is no key \(did you mean 'currency'\?\)"),
        ("price = 3\n", r"prices are written as \[\[price\]\]"),
        ("currency = \n", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, rule: str) -> None:
    """With the file, the place, the value, and what may have been meant."""
    with pytest.raises(InvalidValueError, match=rule) as caught:
        read(tmp_path, text)
    assert "prices.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No traceback."""
    with pytest.raises(InvalidValueError, match="cannot be read"):
        PriceFile.read(tmp_path / "none.toml", price_list=LIST)


def test_a_family_that_the_list_does_not_know_may_be_newer(tmp_path: Path) -> None:
    """And where there is no list nothing can be known better."""
    assert read(tmp_path, f"[[price]]\n{LINE.replace('m5.large', 'm9.large')}").lines
    path = tmp_path / "prices.toml"
    path.write_text(f'[[price]]\n{LINE.replace("m5.large", "m5.larg")}region = "moon"\n')
    assert PriceFile.read(path, price_list=PriceList("", "", {}, {}, "not installed")).lines


@pytest.mark.parametrize(("day", "stale"), [("2026-08-29", False), ("2026-08-25", True), ("", False)])
def test_a_price_older_than_90_days_is_marked(day: str, stale: bool) -> None:
    """One without a date has no age."""
    now = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
    price = Price(1.0, "USD", "t", day)
    assert bool(staleness(price, now)) == stale and math.isnan(age_days(price, now)) == (day == "")
    types = [WorkerType("rack", Resources(cpu=1), price), WorkerType("unpriced", Resources(cpu=1))]
    sentence = "the price of rack (t) is 93 days old, more than 90: look it up before you rely on it"
    assert stale_prices(types, now) == ([sentence] if stale else [])


def test_the_file_counts_before_the_provider_and_answers_are_kept_for_a_while(tmp_path: Path) -> None:
    """What nobody knows is None in an inventory and an error to who asks for it; neither is asked for at each look."""
    asked: list[str] = []
    now = [0.0]

    def ask(name: str, spot: bool) -> Price:
        asked.append(name)
        if name == "unknown":
            raise ProviderError("no")
        return Price(0.4, "CHF" if name == "swiss" else "USD", "history", "2026-11-26")

    found = KnownPrices("aws", None, read(tmp_path, f'currency = "EUR"\n[rates]\nUSD = 0.5\n[[price]]\n{LINE}'), ask, clock=lambda: now[0])
    assert found.find("m5.large", spot=False).hourly == 0.2 and asked == []
    assert found.find("m5.large", spot=True) == Price(0.2, "EUR", "history, at 0.5 EUR for 1 USD", "2026-11-26")
    for _ in range(3):
        assert found.known("unknown", spot=False) is None and found.known("swiss", spot=False) is None
        assert found.known("other", spot=False) is not None and found.known(None, spot=False) is None
    assert asked == ["m5.large", "unknown", "swiss", "other"]
    now[0] = KEPT_SECONDS + 1
    found.known("other", spot=False)
    assert asked[-2:] == ["other", "other"]
    with pytest.raises(InvalidValueError, match="CHF"):
        found.find("swiss", spot=False)


def test_the_flag_prices_the_workers_of_this_machine_and_warns_of_old_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By their provider and type, `local`."""
    monkeypatch.chdir(tmp_path)
    Path("prices.toml").write_text('currency = "EUR"\n[[price]]\nprovider = "local"\ntype = "local"\namount = 0.3\ndate = 2020-01-01\n')
    engine = SimpleNamespace(no_launcher_reason=None, worker_types=(WorkerType("local", Resources(cpu=1), provider="local"),))
    chosen = _choices(Settings.from_command_line(["--prices", "prices.toml"]), engine)  # type: ignore[arg-type]
    assert [one.hourly_price for one in chosen["worker_types"]] == [Price(0.3, "EUR", "prices.toml", "2020-01-01")]
    assert "--prices: the price of local (prices.toml) is" in caplog.text
