"""What the types of one provider cost: the user's file first, then what the provider says; remembered for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from drm.cloud.price_file import PriceFile
from drm.errors import InvalidValueError, ProviderError
from drm.model import Price

KEPT_SECONDS, UNKNOWN_KEPT_SECONDS = 3600.0, 300.0
"""How long a price, and that there is none, is not asked for again."""


class KnownPrices:
    """`ask(type, spot)` raises ProviderError where the provider does not know; it may wait. `clock`: seconds that pass. Thread-safe."""

    def __init__(
        self,
        provider: str,
        region: str | None,
        prices: PriceFile | None,
        ask: Callable[[str, bool], Price],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider, self._region, self._prices, self._ask, self._clock = provider, region, prices, ask, clock
        self._kept: dict[tuple[str, bool], tuple[float, Price | None]] = {}
        self._lock = threading.Lock()

    def find(self, name: str, spot: bool) -> Price:
        """The price; ProviderError where nobody knows it, InvalidValueError where its currency has no rate."""
        own = self._prices and self._prices.find(self._provider, self._region, name, "spot" if spot else "on_demand")
        if own:
            return own
        told = self._ask(name, spot)
        return self._prices.in_currency(told) if self._prices else told

    def known(self, name: str | None, spot: bool) -> Price | None:
        """The same for an inventory, which does not fail for want of a price: None where it is not known."""
        if name is None:
            return None
        with self._lock:
            kept = self._kept.get((name, spot))
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        price: Price | None = None
        try:
            price = self.find(name, spot)
        except (ProviderError, InvalidValueError):
            # Unknown: the totals say so, and `find` says why. An instance that is there must not get lost over its price.
            price = None
        until = self._clock() + (UNKNOWN_KEPT_SECONDS if price is None else KEPT_SECONDS)
        with self._lock:
            self._kept[name, spot] = until, price
        return price
