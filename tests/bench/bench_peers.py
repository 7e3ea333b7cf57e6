"""Our page against distributed's own `/status` over the same 50 workers, and against Glances' page of this machine, in one run.

The peers are installed, pinned, into an environment of their own in a temporary folder (or in DRM_PEERS_VENV, which is kept). All three are
opened in turns in one Chromium, so that what else the machine does hits them alike.
"""

from __future__ import annotations

import math
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.bench.bench_page import chromium, program
from tests.bench.calibration import record

PEERS = (
    "distributed==2026.8.0",
    "dask==2026.8.0",
    "bokeh==3.9.2",
    "glances==4.5.8",
    "fastapi==0.165.0",
    "uvicorn==0.54.0",
    "jinja2==3.1.6",
    "requests==2.34.2",
    "py-spy==0.4.3",
)
ROUNDS, TAB_SECONDS = int(os.environ.get("DRM_PEERS_ROUNDS", "7")), float(os.environ.get("DRM_PEERS_SECONDS", "30"))
TURNS = int(os.environ.get("DRM_PEERS_TURNS", "4"))
"""How often a server is watched without a tab and with one: what a scheduler does besides differs from time to time by more than a tab."""
OF_DASK, CPU_OF_DASK = 0.5, 0.2
DASKS_DASHBOARD = ("/bokeh/", "/distributed/dashboard/")
"""Where a stack of the scheduler stands that works for its page."""
SAMPLES_A_SECOND = 50
LINGERS_SECONDS = 40.0
"""Bokeh goes on with what a page saw for half a minute after it has gone: that is no server without a tab."""

WATCH = """
window.drmFirst = null;
const looked = () => {
    if (%s) window.drmFirst = performance.now();
    else requestAnimationFrame(looked);
};
requestAnimationFrame(looked);
"""


@dataclass
class Peer:
    """One dashboard: where it is, what its first figures are, and which process answers."""

    name: str
    url: str
    drawn: str
    """What is true in the page once its first figures are there."""
    process: psutil.Process
    first: dict[str, list[float]] = field(default_factory=lambda: {"cold": [], "warm": []})
    """Milliseconds from the navigation to the first figures: in a browser that has never been there, and in one that has."""
    received: list[int] = field(default_factory=list)
    """Bytes up to then, as they came over the network, of a cold one."""

    def cpu(self) -> float:
        """Seconds so far."""
        return sum(self.process.cpu_times()[:2])

    def cpu_a_minute(self) -> float:
        """Of the next `TAB_SECONDS`."""
        before, began = self.cpu(), time.monotonic()
        time.sleep(TAB_SECONDS)
        return (self.cpu() - before) / (time.monotonic() - began) * 60


OURS = "document.querySelector('.drm-panel:not([hidden]) .js-plotly-plot .main-svg')"
DASK = "window.Bokeh && window.Bokeh.documents.length && window.Bokeh.documents.every((one) => one.roots().length && one.is_idle)"
GLANCES = "document.querySelector('#cpu') && /[0-9]%/.test(document.querySelector('#cpu').innerText)"


@pytest.mark.timeout(3600)
def test_beside_the_dashboards_that_people_use() -> None:
    """First figures in half of Dask's time or less; the server's CPU for an open tab a fifth of Dask's or less."""
    with ExitStack() as stack:
        python = stack.enter_context(peers_python())
        scheduler, addresses = stack.enter_context(fifty_workers(python))
        ours, url = stack.enter_context(program("--cluster", addresses[0], "--no-mock", "--no-history"))
        glances, glances_url = stack.enter_context(running_glances(python))
        peers = [
            Peer("drm", url, OURS, psutil.Process(ours.pid)),
            Peer("dask", addresses[1], DASK, psutil.Process(scheduler.pid)),
            Peer("glances", glances_url, GLANCES, psutil.Process(glances.pid)),
        ]
        browser = stack.enter_context(chromium())
        time.sleep(20)
        for _ in range(ROUNDS):
            for peer in peers:
                context = browser.new_context(viewport={"width": 1440, "height": 900})
                for kind in ("cold", "warm"):
                    milliseconds, received = open_page(context, peer)
                    peer.first[kind].append(milliseconds)
                    print(f"\n{peer.name}, {kind}: {milliseconds:.0f} ms, {received / 1e6:.2f} MB", end="", flush=True)
                    if kind == "cold":
                        peer.received.append(received)
                context.close()
        costs = {peer.name: cost_of_a_tab(browser, peer, peer.cpu_a_minute) for peer in peers if peer.name != "dask"}
        # What the scheduler does for its workers differs from time to time by more than a tab takes: only what is done for the page counts.
        costs["dask"] = cost_of_a_tab(browser, peers[1], lambda: dashboard_cpu_a_minute(peers[1], python))
        report(peers, costs)
        drm, dask, _ = peers
        for kind in ("cold", "warm"):
            assert statistics.median(drm.first[kind]) < statistics.median(dask.first[kind])
        assert costs["drm"] < costs["dask"]


def open_page(context: BrowserContext, peer: Peer) -> tuple[float, int]:
    """(milliseconds to the first figures, bytes received until then)."""
    page = context.new_page()
    network = context.new_cdp_session(page)
    received: list[int] = []
    network.on("Network.dataReceived", lambda told: received.append(told["encodedDataLength"] or 0))
    network.on("Network.webSocketFrameReceived", lambda told: received.append(len(told["response"]["payloadData"])))
    network.send("Network.enable")
    first = first_figures(page, peer)
    page.close()
    return first, sum(received)


def first_figures(page: Page, peer: Peer) -> float:
    """Opens the page in a tab; milliseconds from the navigation until they are there."""
    page.add_init_script(WATCH % peer.drawn)
    page.goto(peer.url, wait_until="commit", timeout=120_000)
    for _ in range(2400):
        first = page.evaluate("window.drmFirst")
        if first is not None:
            break
        page.wait_for_timeout(50)
    assert first is not None, f"{peer.name} showed nothing within two minutes"
    return float(first)


def cost_of_a_tab(browser: Browser, peer: Peer, measured: Callable[[], float]) -> float:
    """Seconds of CPU a minute of its server for one open tab: with it less without it, both `TURNS` times, in turns."""
    without, with_tab = [], []
    for _ in range(TURNS):
        without.append(measured())
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        first_figures(page, peer)
        page.wait_for_timeout(4000)
        with_tab.append(measured())
        page.close()
        time.sleep(LINGERS_SECONDS)
    found = {"without a tab": without, "with one": with_tab}
    told = ", ".join(f"{name} {statistics.mean(one):.2f} ({', '.join(f'{each:.2f}' for each in one)})" for name, one in found.items())
    print(f"\n{peer.name}: CPU a minute {told}", flush=True)
    return statistics.mean(with_tab) - statistics.mean(without)


def dashboard_cpu_a_minute(peer: Peer, python: Path) -> float:
    """Seconds of CPU a minute that a scheduler spends within its dashboard and Bokeh: the part of its stacks that stand there, by py-spy.
    What the event loop writes to sockets afterwards is not counted."""
    spy, pid = str(python.with_name("py-spy")), str(peer.process.pid)
    with TemporaryDirectory() as folder:
        stacks = Path(folder) / "stacks"
        every = ["-d", f"{TAB_SECONDS:.0f}", "-r", str(SAMPLES_A_SECOND), "--nonblocking", "--full-filenames"]
        before, began = peer.cpu(), time.monotonic()
        subprocess.run([spy, "record", "-p", pid, *every, "-f", "raw", "-o", str(stacks)], check=True, capture_output=True)
        cpu = (peer.cpu() - before) / (time.monotonic() - began) * 60
        counted = [(stack, int(count)) for stack, count in (line.rsplit(" ", 1) for line in stacks.read_text().splitlines())]
    its = sum(count for stack, count in counted if any(place in stack for place in DASKS_DASHBOARD))
    return cpu * its / sum(count for _, count in counted)


def report(peers: list[Peer], costs: dict[str, float]) -> None:
    """Every figure, ours beside the targets."""
    drm, dask, _ = peers
    for kind in ("cold", "warm"):
        for peer in peers:
            record(f"peers: {peer.name}, first figures, {kind}, median", statistics.median(peer.first[kind]), "ms", 60_000)
        ratio = statistics.median(drm.first[kind]) / statistics.median(dask.first[kind])
        record(f"peers: ours / Dask's, first figures, {kind}", ratio, "", OF_DASK)
    for peer in peers:
        record(f"peers: {peer.name}, bytes to the first figures, cold", statistics.median(peer.received) / 1e6, "MB", 10)
        record(f"peers: {peer.name}, server CPU a minute for one tab", costs[peer.name], "s", 60)
    # Where a tab of Dask's takes nothing that can be told, nothing is met.
    ratio = costs["drm"] / costs["dask"] if costs["dask"] > 0 else math.inf
    record("peers: ours / Dask's, server CPU for one tab", ratio, "", CPU_OF_DASK)


@contextmanager
def peers_python() -> Iterator[Path]:
    """The Python of an environment that holds the peers."""
    with ExitStack() as stack:
        kept = os.environ.get("DRM_PEERS_VENV")
        folder = Path(kept) if kept else Path(stack.enter_context(TemporaryDirectory(prefix="drm-peers-")))
        python = folder / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS], check=True)
        yield python


@contextmanager
def fifty_workers(python: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process of the scheduler, and the addresses of it and of its dashboard."""
    process = subprocess.Popen(
        [python, str(Path(__file__).with_name("fifty_workers.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Bokeh writes a traceback for every page that is closed.
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process, process.stdout.readline().split()
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()


@contextmanager
def running_glances(python: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Its web server, once it answers, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [python.with_name("glances"), "-w", "-B", "127.0.0.1", "-p", str(port), "--disable-autodiscover", "--disable-check-update"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield process, url
    finally:
        process.terminate()
        process.wait(20)
