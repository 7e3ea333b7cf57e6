"""The user's own prices, a TOML file: they count before what providers and price lists say, and set the one currency of all.

currency = "EUR"

[rates]                    # what one unit of another currency is worth in it
USD = 0.92

[[price]]
provider = "aws"
region = "eu-west-1"       # left out: in every region
type = "m5.large"
market = "on_demand"       # or "spot"
amount = 0.096
per = "hour"               # or "second", "day", "month" (of 730 hours)
currency = "USD"           # left out: the currency of the file
source = "our contract"    # left out: the name of the file
date = 2026-11-01
"""

from __future__ import annotations

import datetime
import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drm.cloud.currencies import CURRENCIES
from drm.cloud.price_list import DAY_SECONDS, STALE_DAYS, PriceList, read_price_list
from drm.errors import InvalidValueError
from drm.model import Price, WorkerType

HOURS = {"second": 1 / 3600, "hour": 1.0, "day": 24.0, "month": 730.0}
"""By unit. A month of 730 hours is what clouds bill by."""
MOST_HOURLY = 1e6
"""A machine that costs more an hour is a unit that was mistaken; and sums over 10 000 of them keep their cents in a float64."""
MOST_RATE = 1e9
KEYS = ("provider", "region", "type", "market", "amount", "per", "currency", "source", "date")
NEEDED = ("provider", "type", "amount", "date")
MARKETS = ("on_demand", "spot")


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One price of the file."""

    provider: str
    region: str | None
    """None: every region."""
    type: str
    market: str
    price: Price
    """In the currency in which it was given."""


@dataclass(frozen=True, slots=True)
class PriceFile:
    """What a file says. A price that it does not have is unknown to it."""

    path: str
    currency: str
    """In which all amounts are shown; empty: nobody set one, and every price keeps its own."""
    rates: Mapping[str, float]
    """What one unit of a currency is worth in that one."""
    lines: tuple[PriceLine, ...]

    @classmethod
    def read(cls, path: str | Path, *, price_list: PriceList | None = None) -> PriceFile:
        """Reads a file. InvalidValueError names what is wrong in it. `price_list`: by which regions and types are known (None: libcloud's,
        where it is installed)."""
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidValueError(f"{str(path)!r} cannot be read ({error.strerror}): name a file of prices") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidValueError(f"{path} is not TOML: {error}") from None
        return _File(str(path), price_list or read_price_list()).parse(values)

    def find(self, provider: str, region: str | None, name: str, market: str) -> Price | None:
        """The price of a type in the file's currency; that of its region before that of all. None: the file does not say it."""
        found = [one for one in self.lines if (one.provider, one.type, one.market) == (provider, name, market)]
        line = next((one for one in found if one.region == region), None) or next((one for one in found if one.region is None), None)
        return None if line is None else self.in_currency(line.price)

    def in_currency(self, price: Price) -> Price:
        """The same price in the currency of the file. InvalidValueError where there is no rate."""
        if not self.currency or price.currency == self.currency:
            return price
        rate = self.rates.get(price.currency)
        if rate is None:
            raise InvalidValueError(
                f"{self.path}: a price is in {price.currency or 'no currency'} ({price.source}), and the currency is {self.currency}: "
                f"say under [rates] what one {price.currency or 'unit'} is worth"
            )
        told = f"{price.source}, at {rate:g} {self.currency} for 1 {price.currency}"
        return Price(price.hourly * rate, self.currency, told, price.date)

    def priced(self, types: Iterable[WorkerType]) -> list[WorkerType]:
        """The types, each with the file's price where it has one, and every price in its currency."""
        found = []
        for one in types:
            own = self.find(one.provider or "", one.region, one.name, one.market)
            found.append(replace(one, hourly_price=own or (one.hourly_price and self.in_currency(one.hourly_price))))
        return found


def age_days(price: Price, now: float) -> float:
    """How old a price is at `now` (epoch seconds); NaN where it has no date."""
    try:
        day = datetime.datetime.fromisoformat(price.date).replace(tzinfo=datetime.UTC)
    except ValueError:
        return math.nan
    return (now - day.timestamp()) / DAY_SECONDS


def staleness(price: Price, now: float) -> str:
    """That a price is old, in words; empty where it is not, or has no date."""
    age = age_days(price, now)
    return f"{round(age)} days old, more than {STALE_DAYS}: look it up before you rely on it" if age > STALE_DAYS else ""


def stale_prices(types: Iterable[WorkerType], now: float) -> list[str]:
    """A sentence for each type whose price is old."""
    priced = [(one, one.hourly_price) for one in types if one.hourly_price is not None]
    return [f"the price of {one.name} ({price.source}) is {told}" for one, price in priced if (told := staleness(price, now))]


@dataclass(frozen=True, slots=True)
class _File:
    """Reads one file; every error names it."""

    path: str
    known: PriceList

    def parse(self, values: Mapping[str, Any]) -> PriceFile:
        self._keys(values, ("currency", "rates", "price"), "")
        currency = self._currency(values["currency"], "currency") if "currency" in values else ""
        rates = values.get("rates", {})
        if not isinstance(rates, dict):
            raise self._error(f"[rates] must be a table such as USD = 0.92, got {rates!r}")
        if rates and not currency:
            raise self._error('[rates] needs a currency that they lead to: set currency = "EUR" at the top')
        known = {self._currency(name, "rates"): self._number(rate, f"rates.{name}", MOST_RATE) for name, rate in rates.items()}
        if zero := next((name for name, rate in known.items() if rate == 0), None):
            raise self._error(f"rates.{zero} must be more than 0")
        entries = values.get("price", [])
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise self._error(f"prices are written as [[price]] with keys below it, got {entries!r}")
        lines = tuple(self._line(one, f"price {number}", currency, known) for number, one in enumerate(entries, start=1))
        places = [(one.provider, one.region, one.type, one.market) for one in lines]
        if twice := next((place for place in places if places.count(place) > 1), None):
            raise self._error(f"{' '.join(part or 'every region' for part in twice)} is priced twice: leave one of them")
        return PriceFile(self.path, currency, known, lines)

    def _line(self, entry: Mapping[str, Any], where: str, currency: str, rates: Mapping[str, float]) -> PriceLine:
        self._keys(entry, KEYS, f" in {where}")
        if missing := next((name for name in NEEDED if name not in entry), None):
            raise self._error(f"{where} has no {missing}: each needs {', '.join(NEEDED)}")
        provider, name = self._word(entry["provider"], f"{where}: provider"), self._word(entry["type"], f"{where}: type")
        region = self._word(entry["region"], f"{where}: region") if "region" in entry else None
        market = self._choice(entry.get("market", MARKETS[0]), MARKETS, f"{where}: market")
        per = self._choice(entry.get("per", "hour"), tuple(HOURS), f"{where}: per")
        hourly = self._number(entry["amount"], f"{where}: amount", math.inf) / HOURS[per]
        if hourly > MOST_HOURLY:
            raise self._error(f"{where}: {entry['amount']!r} per {per} is more than {MOST_HOURLY:,.0f} an hour: is the unit right?")
        unit = self._currency(entry["currency"], f"{where}: currency") if "currency" in entry else currency
        if currency and unit != currency and unit not in rates:
            raise self._error(f"{where} is in {unit}, and the currency is {currency}: say under [rates] what one {unit} is worth")
        if provider == "aws":
            self._known_on_aws(where, region, name)
        source = self._word(entry["source"], f"{where}: source") if "source" in entry else Path(self.path).name
        price = Price(hourly, unit, source, self._date(entry["date"], f"{where}: date"))
        return PriceLine(provider, region, name, market, price)

    def _known_on_aws(self, where: str, region: str | None, name: str) -> None:
        """The list knows all regions and sizes of its date; a family that it does not know may be newer."""
        regions = self.known.regions
        if region is not None and regions and region not in regions:
            raise self._error(f"{where}: region {region!r} is not one of AWS{_close(region, regions)}")
        family = name.partition(".")[0]
        if self.known.types and name not in self.known.types and any(one.startswith(f"{family}.") for one in self.known.types):
            raise self._error(f"{where}: type {name!r} is not one of AWS{_close(name, self.known.types)}")

    def _keys(self, values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for name in values:
            if name not in known:
                raise self._error(f"{name!r}{where} is no key{_close(name, known)}; these are: {', '.join(known)}")

    def _number(self, value: Any, where: str, most: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise self._error(f"{where} must be a finite number of 0 or more, got {value!r}")
        if value > most:
            raise self._error(f"{where} must be at most {most:,.0f}, got {value!r}")
        return float(value)

    def _word(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self._error(f"{where} must be a word in quotes, got {value!r}")
        return value

    def _choice(self, value: Any, known: tuple[str, ...], where: str) -> str:
        if value not in known:
            raise self._error(f"{where} must be one of {', '.join(known)}, got {value!r}{_close(str(value), known)}")
        return str(value)

    def _currency(self, value: Any, where: str) -> str:
        if value not in CURRENCIES:
            raise self._error(
                f"{where}: {value!r} is no currency{_close(str(value).upper(), CURRENCIES)}: write its three letters, as in EUR"
            )
        return str(value)

    def _date(self, value: Any, where: str) -> str:
        if isinstance(value, datetime.datetime) or not isinstance(value, (str, datetime.date)):
            raise self._error(f"{where} must be a day, as in 2026-11-01, got {value!r}")
        try:
            return datetime.date.fromisoformat(str(value)).isoformat()
        except ValueError:
            raise self._error(f"{where} must be a day, as in 2026-11-01, got {value!r}") from None

    def _error(self, text: str) -> InvalidValueError:
        return InvalidValueError(f"{self.path}: {text}")


def _close(word: str, known: Iterable[str]) -> str:
    """The word that may have been meant, as part of a sentence."""
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
