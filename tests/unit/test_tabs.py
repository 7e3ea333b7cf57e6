"""The registry of tabs: each key has all of its modules."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from drm.tabs import DEFAULT_RANGE, DEFAULT_REFRESH, RANGES, REFRESHES, TABS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.key)
def test_a_tab_has_all_of_its_modules(tab: object) -> None:
    """figures, layouts and callbacks of its key, with `build`, `layout` and `register`."""
    key = tab.key  # type: ignore[attr-defined]
    assert callable(import_module(f"drm.figures.{key}").build), f"drm/figures/{key}.py needs build"
    assert callable(import_module(f"drm.layouts.{key}").layout), f"layouts/{key}.py needs layout"
    assert callable(import_module(f"drm.callbacks.{key}").register), f"callbacks/{key}.py needs register"


def test_keys_are_distinct_and_the_defaults_are_offered() -> None:
    """No tab hides another; a fresh page asks for a range and a refresh that exist."""
    assert len({tab.key for tab in TABS}) == len(TABS)
    assert DEFAULT_RANGE in RANGES
    assert DEFAULT_REFRESH in REFRESHES


@pytest.mark.parametrize("folder", ["drm/figures", "layouts", "callbacks"])
def test_page_modules_stay_small(folder: str) -> None:
    """A figure, layout or callback module under 120 lines holds one thing; figures of two parts may take 200."""
    limit = 200 if folder == "drm/figures" else 120
    too_long = {path.name: len(path.read_text().splitlines()) for path in (ROOT / folder).glob("*.py")}
    assert not {name: lines for name, lines in too_long.items() if lines > limit}
