"""The ladder of what was paid, against plain sums."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.analysis.ladder import PIECES, STEPS, by_key, ladder
from drm.cloud.accrual import STATES, Spend
from drm.cloud.split import ENDED, PARTS
from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.figures.ladder_parts import MOST_KINDS, OTHERS, parts
from drm.figures.ladder_text import RUNGS, kind_text
from drm.figures.ladder_text import rows as ladder_rows
from drm.figures.units import EXACT_CENTS, money
from drm.history.levels import BUCKETS
from drm.history.spend_marks import MOST_ROWS, SpendMarks
from drm.manager import DynamicResourceManager
from drm.model import InstanceKind, Price

KINDS = (
    InstanceKind("alpha", "a", "small", "spot", Price(0.36, "USD", "test", "2026-01-01")),
    InstanceKind("alpha", "a", "large", "on_demand", Price(7.2, "USD", "test", "2026-01-01")),
    InstanceKind("beta", "b", "odd", "on_demand"),
)
N = len(PARTS)
seconds = st.floats(0, 1e7, allow_subnormal=False)


def spend(time: float, parts: list[list[float]], ended: list[list[float]] | None = None, kinds: tuple[InstanceKind, ...] = KINDS) -> Spend:
    """The sums at a time."""
    columns = np.array(parts, float).reshape(-1, len(PARTS))
    used = np.zeros((len(columns), len(ENDED))) if ended is None else np.array(ended, float)
    size = len(columns)
    return Spend(time, 0.0, kinds[:size], np.zeros((size, STATES), np.int64), columns.sum(axis=1), 0.0, columns, used)


@given(st.lists(st.lists(seconds, min_size=len(PARTS), max_size=len(PARTS)), min_size=1, max_size=2), st.floats(0, 1))
def test_rungs_and_pieces_add_up_to_what_was_paid(parts: list[list[float]], useful: float) -> None:
    """In seconds and in money, to the cent; each rung is the one above less its step."""
    end = spend(100.0, parts, [[row[0] * useful, 0, 0, 0] for row in parts])
    found = ladder(None, end)
    assert found is not None and set(found.pieces) == set(PIECES)
    hourly = [0.36, 7.2]
    money = sum(sum(row) / 3600 * price for row, price in zip(parts, hourly, strict=False))
    assert found.paid.money == pytest.approx(money, rel=1e-9, abs=1e-9)
    assert found.paid.seconds == pytest.approx(sum(map(sum, parts)), rel=1e-9, abs=1e-9)
    names = list(STEPS)
    for above, below in pairwise(names):
        left = found.rung(above).money - found.step(below).money
        assert left == pytest.approx(found.rung(below).money, rel=1e-9, abs=0.001)


def test_a_range_is_the_difference_of_two_sums() -> None:
    """A kind that came in between begins at nothing; what was before does not count."""
    start = spend(100.0, [[10.0] * N], [[4, 0, 0, 0]])
    end = spend(200.0, [[30.0] * N, [5.0] * N], [[10, 2, 0, 0], [0, 0, 1, 0]])
    found = ladder(start, end)
    assert found is not None and (found.since, found.until) == (100.0, 200.0)
    assert found.paid.seconds == N * 25 and found.pieces["useful"].seconds == 6 and found.pieces["boot"].seconds == 25
    assert found.pieces["open"].seconds == (20 - 8) + (5 - 1)
    assert found.pieces["boot"].money == pytest.approx(20 / 3600 * 0.36 + 5 / 3600 * 7.2)
    assert found.share("paid") == 1.0 and found.share("boot") == pytest.approx((20 * 0.36 + 5 * 7.2) / (20 * N * 0.36 + 5 * N * 7.2))


def test_an_unknown_price_is_unknown_and_its_time_is_told() -> None:
    """The sum is NaN, what is known stands beside it, and shares are those of the time."""
    found = ladder(None, spend(1.0, [[1.0] * N, [1.0] * N, [2.0] * N]))
    assert found is not None and math.isnan(found.paid.money)
    assert found.paid.known_money == pytest.approx(N / 3600 * 7.56) and found.unpriced_seconds == 2.0 * N
    assert found.share("boot") == pytest.approx(1 / N)


@given(st.lists(st.lists(st.floats(3600, 1e7), min_size=N, max_size=N), min_size=2, max_size=2), st.integers(1, 12))
def test_what_an_amount_is_made_of_adds_up_to_it(rows: list[list[float]], copies: int) -> None:
    """Each rung and piece by kind of instance, also where kinds beyond the eighth share a column."""
    kinds = tuple(replace(kind, type=f"{kind.type}-{number}") for number in range(copies) for kind in KINDS[:2])
    end = spend(1.0, rows * copies, kinds=kinds)
    whole, by_kind = ladder(None, end), by_key(None, end, kind_text)
    assert whole is not None and by_kind is not None
    found = parts(whole, by_kind)
    assert found is not None
    assert len(found.columns) == min(len(by_kind), MOST_KINDS) and (OTHERS in found.columns) == (len(by_kind) > MOST_KINDS)
    told = {
        name: sum(float(text.removesuffix(" USD").replace("\u202f", "").replace(" ", "")) for text in texts)
        for name, _, texts in found.rows
    }
    assert [name for name, is_rung, _ in found.rows if is_rung] == [name for name, _ in RUNGS.values()]
    for rung, (name, _) in RUNGS.items():
        assert told[name] == pytest.approx(whole.rung(rung).money, rel=1e-3, abs=0.01 * len(found.columns))
    assert (
        told["Booting"] == pytest.approx(whole.pieces["boot"].money, rel=1e-3, abs=0.01 * len(found.columns)) if "Booting" in told else True
    )


def test_two_currencies_have_no_sum() -> None:
    """And no name."""
    euros = replace(KINDS[1], price=Price(7.2, "EUR", "test", "2026-01-01"))
    found = ladder(None, spend(1.0, [[1.0] * N, [1.0] * N], kinds=(KINDS[0], euros)))
    assert found is not None and math.isnan(found.paid.money) and math.isnan(found.paid.known_money) and found.currency == ""


def test_what_a_provider_says_of_itself_has_no_ladder() -> None:
    """Nobody looked at what its instances do."""
    end = replace(spend(1.0, [[1.0] * N]), parts=None)
    assert ladder(None, end) is None and by_key(None, end, str) is None


def test_ladders_of_kinds_add_up_to_that_of_all() -> None:
    """A simulated pool of an hour, by type, each type alone, and the rest."""
    manager = DynamicResourceManager(SimulatedEngine(40, 3), bounds=Bounds(4, 40), now=0.0)
    for tick in range(120):
        manager.advance(tick * 30.0)
    end = manager.spend
    whole, types = ladder(None, end), by_key(None, end, lambda kind: str(kind.type))
    assert whole is not None and types is not None and len(types) > 2
    for piece in PIECES:
        assert math.fsum(one.pieces[piece].money for one in types.values()) == pytest.approx(whole.pieces[piece].money, rel=1e-9, abs=1e-9)
    name = next(iter(types))
    assert ladder(None, end, lambda kind: kind.type == name) == types[name]
    assert whole.paid.money == pytest.approx(manager.cloud.last_totals().sum.spent, rel=1e-9)
    assert 0 < whole.share("useful") < whole.share("used") < whole.share("requested") < whole.share("allocatable") < 1


def test_marks_are_found_by_moment_and_thin_out_with_age() -> None:
    """Ten days of minutes: the last 12 h to the minute, five days to ten minutes, the rest to the hour."""
    marks = SpendMarks()
    for minute in range(10 * 1440 + 1):
        marks.keep(spend(60.0 * minute, [[float(minute)] * N]))
    now = 10 * 86400.0
    for ago, step in ((3600.0, 60), (86400.0, 600), (6 * 86400.0, 3600)):
        found = marks.at(now - ago + 59.0)
        assert found is not None and found.time == (now - ago + 59.0) // step * step
    first = marks.first()
    assert marks.at(-1.0) is None and first is not None and first.time == 0.0


def test_marks_of_many_kinds_are_bounded() -> None:
    """A thousand kinds from outside do not fill the memory; the newest marks stay."""
    kinds = tuple(InstanceKind(f"p{number}") for number in range(1000))
    marks = SpendMarks()
    for minute in range(BUCKETS):
        marks.keep(spend(60.0 * minute, [[1.0] * N] * 1000, kinds=kinds))
    assert sum(len(one.kinds) for level in marks._levels for one in level) <= MOST_ROWS
    last = marks.at(1e9)
    assert last is not None and last.time == 60.0 * (BUCKETS - 1)


def test_a_bill_beyond_exact_cents_is_told_in_six_digits() -> None:
    """A float holds each cent up to 90 071 992 547 409.92; what is more shows no cents that it does not know, and still adds up."""
    assert money(EXACT_CENTS - 1, "USD") == "90 071 992 547 408.92 USD"
    assert money(EXACT_CENTS, "USD") == "9.00720 x 10^13 USD" and money(-1.5e300, "USD") == "-1.50000 x 10^300 USD"
    dear = replace(KINDS[0], price=Price(1e300, "USD", "test", "2026-01-01"))
    found = ladder(None, spend(1.0, [[3600.0] * N], kinds=(dear,)))
    assert found is not None and found.paid.money == pytest.approx(N * 1e300)
    assert ladder_rows(found)[-1].money == "0.00 USD" and ladder_rows(found)[0].money == "1.40000 x 10^301 USD"
