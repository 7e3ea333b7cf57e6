"""How a heatmap may reach the screen: one-byte cells that Plotly colours, or an image that the server has coloured. And which Plotly."""

from __future__ import annotations

import base64
import statistics
import struct
import time
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page

from drm.figures.theme import HEAT
from tests.bench.bench_page import chromium
from tests.bench.calibration import record
from tests.browser.conftest import ROOT

ROUNDS = 12
SIZES = ((150, 360), (500, 720))

DRAW = """
window.draw = async (kind, given) => {
    const began = performance.now();
    const axes = { xaxis: { range: [-0.5, given.columns - 0.5] }, yaxis: { range: [given.rows - 0.5, -0.5] }, height: 720, width: 1300 };
    const flat = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const matrix = (text) => {
        const cells = flat(text);
        return Array.from({ length: given.rows }, (_, row) => Float32Array.from(
            cells.subarray(row * given.columns, (row + 1) * given.columns), (cell) => cell === 255 ? NaN : cell / 2));
    };
    const data = kind === "cells"
        ? [{ type: "heatmap", z: matrix(given.mean), text: matrix(given.max), colorscale: given.scale, zmin: 0, zmax: 100 }]
        : [{ type: "scatter", x: [0], y: [0], mode: "markers", marker: { opacity: 0 } }];
    const image = { source: "data:image/png;base64," + given.image, xref: "x", yref: "y", x: -0.5, y: -0.5,
        sizex: given.columns, sizey: given.rows, sizing: "stretch", layer: "below" };
    await Plotly.react(kind, data, Object.assign(axes, kind === "image" ? { images: [image] } : {}));
    const drawn = performance.now() - began;
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
    return drawn;
};
"""


def cells_of(rows: int, columns: int, seed: int) -> npt.NDArray[np.uint8]:
    """Loads that wander, as real ones do, with some blanks."""
    chance = np.random.default_rng(seed)
    steps = np.clip(np.cumsum(chance.normal(0, 6, (rows, columns)), axis=1) + chance.uniform(20, 180, (rows, 1)), 0, 200)
    cells = steps.astype(np.uint8)
    cells[chance.random((rows, columns)) < 0.01] = 255
    return cells


def png(cells: npt.NDArray[np.uint8], scheme: str) -> bytes:
    """An image with a palette: a byte a pixel, blanks transparent."""
    places = [place * 200 for place, _ in HEAT[scheme]]
    colours = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for _, colour in HEAT[scheme]]
    palette = np.stack([np.interp(np.arange(256), places, [colour[band] for colour in colours]) for band in range(3)], axis=1)
    lines = np.hstack([np.zeros((len(cells), 1), np.uint8), cells]).tobytes()

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", cells.shape[1], len(cells), 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", palette.astype(np.uint8).tobytes()), (b"tRNS", b"\xff" * 255 + b"\0")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in (*parts, (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b"")))


def text(body: bytes) -> str:
    """As it stands in JSON."""
    return base64.b64encode(body).decode()


def processor(work: Any) -> float:
    """Milliseconds of this thread's CPU, the best of five."""
    times = []
    for _ in range(5):
        began = time.thread_time()
        work()
        times.append((time.thread_time() - began) * 1000)
    return min(times)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", SIZES)
def test_cells_against_an_image(size: tuple[int, int]) -> None:
    """Bytes, CPU of the server, and time of the browser's main thread to draw, in turns; blocked at most 100 ms at our size."""
    rows, columns = size
    name = f"cells: {rows} x {columns}"
    slowest, largest = (100, 500) if size == SIZES[0] else (1000, 1000)
    with chromium() as browser:
        page: Page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_content('<div id="cells"></div><div id="image"></div>')
        page.add_script_tag(path=str(ROOT / "assets/plotly/plotly-cartesian.min.js"))
        page.add_script_tag(content=DRAW)
        drawn: dict[str, list[float]] = {"cells": [], "image": []}
        for number in range(ROUNDS):
            mean, maximum = (cells_of(rows, columns, 2 * number + one) for one in (0, 1))
            given = {
                "rows": rows,
                "columns": columns,
                "scale": HEAT["light"],
                "mean": text(mean.tobytes()),
                "max": text(maximum.tobytes()),
                "image": text(png(mean, "light")),
            }
            for kind, times in drawn.items():
                times.append(page.evaluate("([kind, given]) => window.draw(kind, given)", [kind, given]))
        page.close()
    record(f"{name}, bytes of cells (mean and max)", (len(given["mean"]) + len(given["max"])) / 1e3, "kB", largest)
    record(f"{name}, bytes of an image", len(given["image"]) / 1e3, "kB", largest)
    record(f"{name}, server CPU of cells", processor(lambda: (text(mean.tobytes()), text(maximum.tobytes()))), "ms", 5)
    record(f"{name}, server CPU of an image", processor(lambda: text(png(mean, "light"))), "ms", 50)
    for kind, times in drawn.items():
        record(f"{name}, drawn as {kind}, median", statistics.median(times), "ms", slowest)
    assert statistics.median(drawn["cells"]) < 5 * slowest
