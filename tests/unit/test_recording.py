"""What the page says of how history is kept."""

from __future__ import annotations

from drm.history.recording import NEWS_SECONDS, Recording

NOW = 1_800_000_000.0


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    """Recording that is on, and recording that nobody asked for, are no news."""
    assert Recording().told(NOW) == ("", False)
    assert Recording("on", since=NOW - 5).told(NOW) == ("", False)


def test_what_is_read_at_the_start_is_said() -> None:
    """Before the first tick there is no time yet, and the page has words all the same."""
    assert Recording("starting").told(float("nan")) == ("The history is being read.", False)


def test_a_stop_says_why_for_how_long_and_what_is_lost() -> None:
    """A warning with the reason; what could not be kept is counted in it."""
    stopped = Recording("stopped", since=NOW - 180, reason="the disk is full", dropped_samples=40, dropped_records=2)
    assert stopped.told(NOW) == (
        "History has not been kept for 3 min: the disk is full. It is tried again. 42 samples and records are lost so far.",
        True,
    )
    assert Recording("stopped", since=NOW, reason="it is busy").told(NOW)[0] == "History has not been kept: it is busy. It is tried again."
    assert "for 2.5 h" in Recording("stopped", since=NOW - 9000, reason="x").told(NOW)[0]


def test_what_was_found_is_news_for_a_while() -> None:
    """That history is kept again, or a file was put aside, is said for ten minutes, and is no warning."""
    found = Recording("on", since=NOW, reason="a damaged file was put aside")
    assert found.told(NOW + 1) == ("a damaged file was put aside", False)
    assert found.told(NOW + NEWS_SECONDS + 1) == ("", False)
