"""Times as people give them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drm.errors import InvalidValueError
from drm.times import LATEST, read_time

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1767600000", 1_767_600_000.0),
        ("1767600000.25", 1_767_600_000.25),
        ("2026-01-05", 1_767_571_200.0),
        ("2026-01-05T08:00", 1_767_600_000.0),
        (" 2026-01-05 08:00:00Z ", 1_767_600_000.0),
        ("2026-01-05T10:00+02:00", 1_767_600_000.0),
        ("24", 24.0),
        ("0s", NOW),
        ("90m", NOW - 5400),
        ("24h", NOW - 86_400),
        ("1.5d", NOW - 129_600),
        ("2w", NOW - 1_209_600),
    ],
)
def test_a_time_is_said_in_three_ways(text: str, seconds: float) -> None:
    """Epoch seconds, a date with or without a time and a zone (UTC unless it says otherwise), or how long ago."""
    assert read_time("--since", text, NOW) == seconds


NO_TIMES = ["", "yesterday", "nan", "inf", "-1", "1e99", "99999999999", "10y", "2026-13-01", "0001-01-01T00:00+23:59", "-5m", "999999w"]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    """With its name and value."""
    with pytest.raises(InvalidValueError, match="--since must be a date and time") as told:
        read_time("--since", text, NOW)
    assert repr(text) in str(told.value)


@given(st.floats(0, LATEST - 86_400))
def test_what_is_written_is_read_again(seconds: float) -> None:
    """The ISO text of any moment gives that moment, to the microsecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat()
    assert math.isclose(read_time("at", text, NOW), seconds, abs_tol=1e-5)
