"""`python -m tests.browser.screenshots [FOLDER]`: pictures of every tab, light and dark, wide and narrow, with the demo running."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from drm.tabs import TABS
from tests.browser.conftest import ROOT, launch_browser, running_program

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
WARM_UP_SECONDS = 95


def main(folder: Path, warm_up_seconds: float) -> None:
    """Takes the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as own, sync_playwright() as playwright, running_program(*_settings(Path(own))) as url:
        time.sleep(warm_up_seconds)
        browser = launch_browser(playwright)
        for scheme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                for tab in TABS:
                    page = browser.new_page(viewport={"width": width, "height": height})
                    page.goto(f"{url}?tab={tab.key}&theme={scheme}")
                    page.locator(".drm-panel:not([hidden]) .js-plotly-plot .main-svg").first.wait_for()
                    page.wait_for_timeout(2500)
                    if tab.key == "utilization":
                        plot = page.locator(".drm-panel:not([hidden]) .js-plotly-plot .nsewdrag").first
                        box = plot.bounding_box()
                        assert box is not None
                        page.mouse.click(box["x"] + box["width"] * 0.985, box["y"] + box["height"] * 0.95)
                        page.wait_for_timeout(2500)
                    page.screenshot(path=folder / f"{tab.key}-{scheme}-{size}.png", full_page=size == "phone")
                    page.close()
        browser.close()


def _settings(own: Path) -> list[str]:
    """A history of its own, and a price of ours for the workers of this machine."""
    (own / "prices.toml").write_text(f"""currency = "EUR"
[[price]]
provider = "local"
type = "local"
amount = 0.12
source = "our contract"
date = {datetime.now(UTC):%Y-%m-%d}
""")
    return ["--data-dir", str(own / "history"), "--prices", str(own / "prices.toml"), "--budget", "0.5/hour,6/day"]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images", float(sys.argv[2]) if len(sys.argv) > 2 else WARM_UP_SECONDS)
