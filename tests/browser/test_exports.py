"""Exported files in a real browser: pages from file:// with no network, and PNGs drawn by a real Chromium."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from drm.engines.simulated import SimulatedEngine
from drm.export import BrowserError
from drm.manager import DynamicResourceManager
from drm.runner import Runner
from drm.state import DRMState
from drm.visualization import DRMVisualization
from tests.browser.installed import kaleido_environment
from tests.unit.page_pool import START, state_with_history

STEMS = ("resource_utilization_heatmap", "scaling_history", "resource_allocation", "resource_efficiency", "cloud_resources")


@pytest.fixture
def visualization(tmp_path: Path) -> Iterator[DRMVisualization]:
    """Over two minutes of two workers, whose Runner is somebody else's."""
    state = state_with_history()
    Runner(state)
    with DRMVisualization(state.manager, output_dir=tmp_path) as made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without a network. At the end: it asked for nothing but the files beside it, and its console is empty."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True, color_scheme="light")
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else told.append(request.url))
    yield page
    context.close()
    assert told == []


def is_drawn(page: Page, stem: str) -> None:
    """The figure stands in the page, wholly within it."""
    graph = page.locator(f"#{stem}-graph")
    expect(graph.locator(".main-svg").first).to_be_visible()
    box = graph.bounding_box()
    assert box is not None and box["height"] > 150 and box["x"] >= 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_draws_from_a_file_with_no_network(visualization: DRMVisualization, page: Page, scheme: Any) -> None:
    """Each figure, in the reader's colours, on a desk and on a phone."""
    page.emulate_media(color_scheme=scheme)
    for method in ("create_resource_utilization_heatmap", "create_scaling_history_visualization"):
        path = Path(getattr(visualization, method)())
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(path.as_uri())
            is_drawn(page, path.stem)
        colour = page.evaluate(f"document.getElementById('{path.stem}-graph')._fullLayout.font.color")
        assert colour == {"light": "#1c2430", "dark": "#e6eaef"}[scheme]


def test_the_heatmap_says_share_and_amount_under_the_pointer(visualization: DRMVisualization, page: Page) -> None:
    """The same words as on the live page, from the bytes in the file."""
    page.goto(Path(visualization.create_resource_utilization_heatmap()).as_uri())
    is_drawn(page, "resource_utilization_heatmap")
    plot = page.locator(".bglayer .bg, .plot").first.bounding_box()
    assert plot is not None
    page.mouse.move(plot["x"] + plot["width"] - 60, plot["y"] + plot["height"] - 20)
    label = page.locator(".hoverlayer")
    expect(label).to_contain_text("CPU used: 50 % (max 50 %)")
    expect(label).to_contain_text("2 cores")
    shown = page.evaluate("Array.from(document.getElementById('resource_utilization_heatmap-graph')._fullData[0].z[0])")
    assert any(value != value for value in shown) and 75 in shown


def test_the_dashboard_of_files_opens_with_all_its_figures(visualization: DRMVisualization, page: Page) -> None:
    """Summary, figures, ledger and data, whose links lead to files that are there."""
    index = Path(visualization.create_resource_dashboard())
    page.goto(index.as_uri())
    for stem in STEMS:
        is_drawn(page, stem)
    expect(page.locator("header .drm-badge")).to_have_text("EXTERNAL workers that report themselves")
    expect(page.locator("tbody tr").first).to_contain_text("maintain")
    links = page.eval_on_selector_all("main a", "links => links.map((link) => link.getAttribute('href'))")
    assert links == ["workers.csv", "series.csv", "decisions.csv"]
    assert all((index.parent / link).is_file() for link in links)


def test_a_page_without_plotly_beside_it_says_so(visualization: DRMVisualization, browser: Browser, tmp_path: Path) -> None:
    """A page that was moved alone is not blank."""
    path = Path(visualization.create_scaling_history_visualization())
    (tmp_path / "plotly.min.js").unlink()
    alone = browser.new_page()
    alone.goto(path.as_uri())
    expect(alone.locator(".drm-graph")).to_contain_text("keep both in one folder")
    alone.close()


def pixels(browser: Browser, png: bytes) -> dict[str, Any]:
    """Size, colour of the corner, and how many colours a picture has."""
    page = browser.new_page()
    page.set_content(f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}">')
    told: dict[str, Any] = page.evaluate("""async () => {
        const image = document.querySelector("img");
        await image.decode();
        const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
        return { width: canvas.width, height: canvas.height, corner: pixels[0], colours: new Set(pixels).size,
            ink: pixels.filter((pixel) => pixel !== pixels[0]).length / pixels.length };
    }""")
    page.close()
    return told


@pytest.fixture
def real_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Chromium that the other browser tests drive."""
    for name, value in kaleido_environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("real_browser")
def test_a_picture_is_drawn_by_a_real_browser_that_then_ends(browser: Browser, tmp_path: Path) -> None:
    """2400 pixels wide on white, with something on it; no process, thread or file is left."""
    before = set(psutil.Process().children())
    threads = set(threading.enumerate())
    manager = DynamicResourceManager(SimulatedEngine(20), now=START)
    state = DRMState(manager)
    Runner(state)
    for step in range(30):
        state.advance(START + 60 * step)
    with DRMVisualization(manager, output_dir=tmp_path, interactive=False) as visualization:
        index = Path(visualization.create_resource_dashboard())
        single = Path(visualization.create_scaling_history_visualization())
    manager.close()
    for stem in STEMS:
        seen = pixels(browser, (tmp_path / f"{stem}.png").read_bytes())
        assert seen["width"] == 2400 and seen["height"] > 600, stem
        assert seen["corner"] == 0xFFFFFFFF and seen["ink"] > 0.005 and seen["colours"] > 20, stem
    assert single == tmp_path / "scaling_history.png"
    assert sorted(name for name in os.listdir(tmp_path) if name.endswith((".png", ".html"))) == sorted(
        [*(f"{stem}.png" for stem in STEMS), "index.html"]
    )
    assert "SIMULATED" in index.read_text()
    # The programs of other tests start workers of their own meanwhile.
    new = set(psutil.Process().children()) - before
    assert psutil.wait_procs(new.union(*(one.children(recursive=True) for one in new)), timeout=10)[1] == []
    assert set(threading.enumerate()) <= threads


def test_no_chrome_is_a_typed_error_with_the_remedy(
    visualization: DRMVisualization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how to get one, and the old picture stays whole."""
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-such-browser"))
    (tmp_path / "scaling_history.png").write_bytes(b"old")
    visualization.interactive = False
    with pytest.raises(BrowserError, match=r"apt-get install chromium.*BROWSER_PATH.*interactive=True"):
        visualization.create_scaling_history_visualization()
    assert (tmp_path / "scaling_history.png").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["scaling_history.png"]
