"""A real program and a real browser for the tests of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.browser.watched import Watched

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The pages of one context share a process that has compiled the page's scripts already.
    "--process-per-site",
]


def launch_browser(playwright: Playwright) -> Browser:
    """The installed Chromium, or playwright's own."""
    found = os.environ.get("DRM_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    return playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)


@contextmanager
def running_program(*arguments: str) -> Iterator[str]:
    """`python app.py --port 0 ...`; the address of its page, once it answers. It must end well within 5 s of SIGTERM."""
    program = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "--port", "0", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert program.stdout is not None
        line = program.stdout.readline()
        assert "http://" in line, f"the program did not start: {line!r}"
        yield next(word for word in line.split() if word.startswith("http://"))
    finally:
        program.terminate()
        status = program.wait(25)
        program.stdout.close()
    assert status == 0


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        chromium = launch_browser(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Where the pages of all tests are opened. One that stays open keeps their process alive from test to test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    kept = context.new_page()
    kept.route("**", lambda route: route.fulfill(body="kept open", content_type="text/plain"))
    kept.goto("http://127.0.0.1/")
    yield context
    context.close()


@pytest.fixture(scope="session")
def page_url() -> Iterator[str]:
    """A program with its demo workload, on workers so small that the browser has the machine to itself."""
    with running_program("--worker-shape", "cpu=0.1,memory=1GiB") as url:
        yield url


@pytest.fixture
def watched(context: BrowserContext, page_url: str) -> Iterator[Watched]:
    """A page of the program with its demo workload."""
    watched = Watched(context, page_url)
    yield watched
    watched.close()
