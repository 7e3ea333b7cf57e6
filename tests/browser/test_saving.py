"""Save data: the menu of every tab, in a real browser, whose links follow what the page shows."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

from drm.tables.saved import SAVED
from drm.tables.writing import FORMATS
from drm.tabs import TABS
from tests.browser.watched import Watched


def opened_menu(page: Page) -> Locator:
    """The links of the menu."""
    page.get_by_role("button", name="Save data").click()
    links = page.locator(".drm-save a")
    expect(links.first).to_be_visible()
    return links


def asked(links: Locator) -> list[dict[str, str]]:
    """What the links ask for."""
    hrefs = links.evaluate_all("links => links.map(link => link.href)")
    assert {urlsplit(href).path for href in hrefs} == {"/api/v1/export"}
    return [{name: values[0] for name, values in parse_qs(urlsplit(href).query).items()} for href in hrefs]


def test_each_tab_offers_its_tables(watched: Watched) -> None:
    """Each in each format, of the range of the page; the menu lies within the window."""
    page = watched.open("?tab=overview&range=1h")
    for tab in TABS:
        page.locator(".drm-tab", has_text=tab.label).click()
        links = opened_menu(page)
        wanted = [{"tab": tab.key, "table": one.name, "format": form, "range": "1h"} for one in SAVED[tab.key] for form in FORMATS]
        assert asked(links) == wanted
        box = page.locator(".drm-save .dropdown-menu").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 1440
        page.keyboard.press("Escape")


def test_the_links_follow_the_range_and_the_moment(watched: Watched) -> None:
    """Another range, a look back, and live again."""
    page = watched.open("?tab=scaling")
    links = opened_menu(page)
    assert {one["range"] for one in asked(links)} == {"15m"} and not any("at" in one for one in asked(links))
    page.keyboard.press("Escape")
    page.get_by_label("Range", exact=True).select_option("6h")
    page.get_by_role("button", name="Look back").click()
    watched.until("location.search.includes('at=')")
    moment = parse_qs(urlsplit(page.url).query)["at"][0]
    assert {(one["range"], one["at"]) for one in asked(opened_menu(page))} == {("6h", moment)}
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Back to live").click()
    watched.until("!location.search.includes('at=')")
    assert not any("at" in one for one in asked(opened_menu(page)))


def test_a_click_saves_the_file_and_leaves_the_page(watched: Watched, tmp_path: Path) -> None:
    """Under a name that says what it is; its rows are the workers that the API tells of."""
    page = watched.open("?tab=allocation")
    opened_menu(page)
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    download = saved.value
    assert download.suggested_filename.startswith("drm-allocation-workers-") and download.suggested_filename.endswith("Z.csv")
    download.save_as(tmp_path / "workers.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "workers.csv").read_text(), newline="")))
    assert rows and {row["source"] for row in rows} == {"LIVE this machine"}
    assert all(float(row["capacity_cpu_cores"]) > 0 for row in rows)
    assert "tab=allocation" in page.url
