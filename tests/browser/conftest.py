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
from playwright.sync_api import Browser, Playwright, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
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
def page_url() -> Iterator[str]:
    """A program with its demo workload."""
    with running_program() as url:
        yield url
