"""Changing the pool from the page, in a real browser: the dialog, the ledger, the keyboard."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from drm import ids
from tests.browser.conftest import running_program
from tests.browser.test_accessibility import violations
from tests.browser.watched import Watched


@pytest.fixture(scope="module")
def acting_url() -> Iterator[str]:
    """An invented fleet that may be changed."""
    with running_program("--simulate", "12", "--workers", "6:12", "--actions", "--speed", "30") as url:
        yield url


@pytest.fixture
def acting(context: BrowserContext, acting_url: str) -> Iterator[Watched]:
    watched = Watched(context, acting_url)
    yield watched
    watched.close()


def told(url: str, path: str) -> Any:
    """What the API says."""
    parts = urlsplit(url)
    with urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}/api/v1/{path}") as answer:
        return json.load(answer)


def a_running_worker(url: str) -> str:
    """Its id."""
    return str(next(one["id"] for one in told(url, "snapshot")["workers"] if one["state"] == "running"))


def shown(page: Page) -> list[str]:
    """The buttons of the open worker that can be seen."""
    return page.locator(f"#{ids.WORKER_ACTIONS} button:visible").all_inner_texts()


def dialog(page: Page) -> Locator:
    """The one that asks."""
    return page.get_by_role("dialog")


def test_a_worker_is_cordoned_after_a_dialog_that_says_what_will_happen(acting: Watched) -> None:
    """By the keyboard alone: Escape does nothing, Enter on the button does it; the ledger has who asked, and the buttons follow."""
    worker = a_running_worker(acting.url)
    page = acting.open(f"?tab=utilization&worker={worker}")
    page.get_by_role("button", name="Controls").click()
    cordon = page.get_by_role("button", name="Cordon", exact=True)
    cordon.focus()
    page.keyboard.press("Enter")
    expect(dialog(page)).to_contain_text(f"Worker {worker} takes no new task until it is uncordoned.")
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    assert told(acting.url, "decisions?actor=user")["decisions"] == []
    cordon.focus()
    page.keyboard.press("Enter")
    expect(dialog(page)).to_be_visible()
    assert violations(page) == [], "nor in the panel behind it"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".drm-acted")).to_contain_text(f"Worker {worker} is cordoned. It is kept in the ledger as decision")
    (kept,) = told(acting.url, "decisions?actor=user")["decisions"]
    assert (kept["code"], kept["reason"]) == ("cordoned", f"a user at 127.0.0.1 cordoned worker {worker}")
    expect(page.get_by_role("button", name="Uncordon", exact=True)).to_be_visible()
    assert shown(page) == ["Uncordon", "Drain"]
    page.get_by_role("button", name="Look back").click()
    expect(page.get_by_role("button", name="Drain", exact=True)).to_be_hidden()


def test_bounds_and_policy_are_changed_in_the_controls(acting: Watched) -> None:
    """The fields hold what is; the dialog says from what to what."""
    page = acting.open("?tab=scaling")
    page.get_by_role("button", name="Controls").click()
    controls = page.get_by_role("region", name="Controls of the pool")
    expect(controls.get_by_label("from")).to_have_value("6")
    controls.get_by_label("from").fill("7")
    controls.get_by_role("button", name="Change bounds").click()
    expect(dialog(page)).to_contain_text("The pool may have 7 to 12 workers, instead of 6 to 12.")
    dialog(page).get_by_role("button", name="Change bounds").click()
    expect(page.locator(".drm-acted")).to_contain_text("The pool may have 7 to 12 workers.")
    controls.get_by_label("Policy").select_option("manual")
    controls.get_by_label("workers").fill("9")
    controls.get_by_role("button", name="Change policy").click()
    expect(dialog(page)).to_contain_text("decided by manual,workers=9, instead of queue,")
    dialog(page).get_by_role("button", name="Change policy").click()
    expect(page.locator(".drm-acted")).to_contain_text("The policy is manual,workers=9.")
    present = told(acting.url, "actions")
    assert (present["bounds"], present["policy"]) == ({"min": 7, "max": 12}, "manual")
