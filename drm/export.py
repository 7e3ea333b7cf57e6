"""A finished figure -> an HTML page or a PNG. A page needs no network: `plotly.min.js` stands beside it, once per folder."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

from drm.errors import DRMError
from drm.exports import Drawn
from drm.figures.finished import words
from drm.figures.notes import Note
from drm.figures.theme import CONFIG, Figure, palette
from drm.figures.units import escaped
from drm.files import write_atomically

PLOTLY = "plotly.min.js"
PNG_WIDTH, PNG_SCALE, PNG_SECONDS = 1200, 2, 60
HEAD_PIXELS, LEGEND_PIXELS, EDGE_PIXELS = 84, 44, 24

STYLE = """
*, *::before, *::after { box-sizing: border-box; }
body { margin: 0; font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif; line-height: 1.5; }
.drm-header { justify-content: flex-start; }
.drm-main { display: grid; gap: var(--drm-gap); }
.drm-main > * { min-width: 0; }
.drm-card h2 { font-size: 1rem; color: var(--drm-text); }
.drm-graph { min-width: 0; }
a { color: var(--drm-accent); }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .375rem .75rem .375rem 0; border-bottom: 1px solid var(--drm-line); }
td { overflow-wrap: anywhere; }
.drm-table { min-width: 50rem; }
.drm-table td:nth-child(-n+3) { white-space: nowrap; }
.drm-scroll { max-height: 40rem; overflow: auto; }
.drm-scroll th { position: sticky; top: 0; background: var(--drm-card); }
@media print { .drm-scroll { max-height: none; } }
img { max-width: 100%; height: auto; display: block; }
"""

SCRIPT = """
(function () {
    "use strict";
    const dark = matchMedia("(prefers-color-scheme: dark)");
    document.documentElement.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
    dark.addEventListener("change", () => location.reload());
    document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-figure]").forEach((place) => {
        if (typeof Plotly === "undefined") {
            place.textContent = "plotly.min.js, which was written beside this file, is needed to draw the figure: keep both in one folder.";
            return;
        }
        const told = JSON.parse(document.getElementById(place.dataset.figure).textContent);
        if (dark.matches) told.dark.forEach(([path, value]) => {
            path.slice(0, -1).reduce((part, name) => part[name], told.figure)[path[path.length - 1]] = value;
        });
        place.style.height = told.figure.layout.height + "px";
        Plotly.newPlot(place, told.figure.data, told.figure.layout, told.config);
    }));
})();
"""


class BrowserError(DRMError):
    """No PNG could be drawn, because no Chrome or Chromium did it."""


def element(tag: str, *content: ElementTree.Element | str | None, **attributes: str) -> ElementTree.Element:
    """An HTML element, whose texts are escaped when it is written; `class_` is the attribute `class`, `data_x` is `data-x`."""
    made = ElementTree.Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    for part in content:
        if isinstance(part, str):
            if len(made):
                made[-1].tail = (made[-1].tail or "") + part
            else:
                made.text = (made.text or "") + part
        elif part is not None:
            made.append(part)
    return made


def figure_card(drawn: Drawn, *, titled: bool = True) -> ElementTree.Element:
    """A card with the figure, or with what there is to say in its place; `titled` where the page has more than one."""
    heading = element("h2", drawn.export.title) if titled else None
    if drawn.figure is None:
        return element("section", heading, element("p", drawn.export.empty, class_="drm-empty"), class_="drm-card")
    stem = drawn.export.stem
    told = json.dumps({"figure": drawn.figure, "dark": drawn.dark, "config": CONFIG}, allow_nan=False, separators=(",", ":"))
    return element(
        "section",
        heading,
        element("div", class_="drm-graph", id=f"{stem}-graph", data_figure=stem, role="img", aria_label=drawn.export.title),
        # A script element's text is not escaped, and must not end it.
        element("script", told.replace("<", "\\u003c"), type="application/json", id=stem),
        class_="drm-card",
    )


def page(title: str, note: Note, body: Sequence[ElementTree.Element], *, with_plotly: bool = True) -> bytes:
    """A whole page in the look of the dashboard."""
    css = (assets_folder() / "drm" / "drm.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} - {note.badge}"),
        element("style", css + STYLE),
        element("script", SCRIPT),
        element("script", src=PLOTLY) if with_plotly else None,
    )
    header = element(
        "header",
        element("h1", title, class_="drm-name"),
        element("span", note.badge, class_=f"drm-badge drm-badge-{note.source.kind}"),
        element("span", note.extent, class_="drm-health"),
        class_="drm-header",
    )
    whole = element("html", head, element("body", header, element("main", *body, class_="drm-main")), lang="en")
    text: bytes = ElementTree.tostring(whole, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + text + b"\n"


def write_page(path: Path, content: bytes, *, with_plotly: bool = True, beside: Mapping[Path, bytes] = MappingProxyType({})) -> None:
    """Writes a page, what belongs to it, and Plotly where it is not there yet: all of it, or nothing."""
    write_atomically({**(_missing_plotly(path.parent / PLOTLY) if with_plotly else {}), **beside, path: content})


def write_html(path: Path, drawn: Drawn, note: Note) -> None:
    """One figure as a page of its own."""
    with_plotly = drawn.figure is not None
    write_page(path, page(drawn.export.title, note, [figure_card(drawn, titled=False)], with_plotly=with_plotly), with_plotly=with_plotly)


def write_png(path: Path, drawn: Drawn, note: Note) -> None:
    """One figure as a picture."""
    (png,) = pngs([drawn], note)
    write_atomically({path: png})


def pngs(all_drawn: Sequence[Drawn], note: Note) -> list[bytes]:
    """One picture for each figure; one browser draws them all, and has ended when this returns."""
    return _rendered([_picture(drawn, note) for drawn in all_drawn])


def assets_folder() -> Path:
    """`assets/`, which a wheel has inside drm/ and a checkout beside it."""
    here = Path(__file__).resolve().parent
    return next(folder for folder in (here / "assets", here.parent / "assets") if folder.is_dir())


def _missing_plotly(path: Path) -> dict[Path, bytes]:
    bundle = assets_folder() / "plotly" / "plotly-cartesian.min.js"
    is_there = path.is_file() and path.stat().st_size == bundle.stat().st_size
    return {} if is_there else {path: bundle.read_bytes()}


def _picture(drawn: Drawn, note: Note) -> Figure:
    """The figure on paper: with its title and note above, which a page has beside it."""
    figure = drawn.figure or words(drawn.export.empty, "light")
    colours = palette("light")
    shown = figure["layout"]
    margin = {side: shown["margin"].get(side, 0) + EDGE_PIXELS for side in ("l", "r", "b")}
    has_legend = any(trace["type"] != "heatmap" and trace.get("showlegend", True) for trace in figure["data"])
    head = HEAD_PIXELS + (LEGEND_PIXELS if has_legend else 0)
    kind, _, label = note.badge.partition(" ")
    heading = {
        "text": f"<b>{escaped(drawn.export.title)}</b>",
        "x": 0,
        "xref": "container",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "pad": {"t": EDGE_PIXELS - 8, "l": EDGE_PIXELS},
        "font": {"size": 20, "color": colours["text"]},
        "subtitle": {
            "text": f"<b>{kind}</b> {escaped(label)} · {escaped(note.extent, 200)}",
            "font": {"size": 13, "color": colours["muted"]},
        },
    }
    return {
        "data": figure["data"],
        "layout": shown
        | {
            "title": heading,
            "paper_bgcolor": colours["paper"],
            "width": PNG_WIDTH,
            "height": shown["height"] + head + EDGE_PIXELS,
            "margin": margin | {"t": shown["margin"].get("t", 0) + head},
        },
    }


def _rendered(figures: Sequence[Figure]) -> list[bytes]:
    """PNGs of the figures. In a thread of its own, as the caller's may be running an event loop."""
    result: list[bytes] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            result.extend(asyncio.run(_render(figures)))
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="drm-png", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise _browser_error(failed[0]) from failed[0]
    return result


async def _render(figures: Sequence[Figure]) -> list[bytes]:
    import kaleido

    # Its own page generator: kaleido's would ask a CDN for MathJax.
    page_generator = kaleido.PageGenerator(plotly=(assets_folder() / "plotly" / "plotly-cartesian.min.js").as_uri(), mathjax=False)
    async with kaleido.Kaleido(n=1, timeout=PNG_SECONDS, page_generator=page_generator) as browser:
        return [
            await browser.calc_fig(figure, {"format": "png", "width": PNG_WIDTH, "height": figure["layout"]["height"], "scale": PNG_SCALE})
            for figure in figures
        ]


def _browser_error(error: Exception) -> BrowserError:
    if type(error).__name__ == "ChromeNotFoundError":
        return BrowserError(
            "a PNG is drawn by Chrome or Chromium, and none was found: install one (`apt-get install chromium`, or `kaleido_get_chrome`), "
            "or name it in the variable BROWSER_PATH; interactive=True writes HTML without one"
        )
    return BrowserError(
        f"the browser did not draw the PNG ({type(error).__name__}: {' '.join(str(error).split())[:200]}): "
        "try again, name another Chrome or Chromium in the variable BROWSER_PATH, or write HTML with interactive=True"
    )
