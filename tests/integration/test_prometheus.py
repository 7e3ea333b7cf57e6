"""`/metrics` against Debian's prometheus: its own checks, its rules, and each query of the dashboard over data that it has scraped."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.manager import DynamicResourceManager
from drm.runner import Runner, SteppedClock
from drm.server import Server
from drm.serving import serve
from drm.state import DRMState

DOCS = Path(__file__).resolve().parents[2] / "docs" / "prometheus"
QUERIES = [target["expr"] for panel in json.loads((DOCS / "grafana.json").read_text())["panels"] for target in panel["targets"]]
NOT_HERE = "prometheus is not installed, so that its own checks were NOT TESTED: apt-get install prometheus"

pytestmark = pytest.mark.skipif(not (shutil.which("prometheus") and shutil.which("promtool")), reason=NOT_HERE)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A simulated pool with GPUs that ticks."""
    manager = DynamicResourceManager(SimulatedEngine(40, 3), bounds=Bounds(4, 40), now=0.0)
    state = DRMState(manager)
    for tick in range(60):
        state.advance(60.0 * tick)
    with serve(state, port=0) as server, Runner(state, 0.2, SteppedClock(3600.0, 12.0)), looked_at(server.url):
        yield server


@contextmanager
def looked_at(url: str) -> Iterator[None]:
    """A page that asks for the header five times a second, as a browser does."""
    page = f"{url}/drm-dashboard/"
    with urlopen(f"{page}_dash-dependencies", timeout=10) as answer:
        (header,) = [one for one in json.load(answer) if "drm-health.data" in one["output"]]
    names = [part.rsplit(".", 1) for part in header["output"].strip(".").split("...")]
    tick = {"range": "15m", "scheme": "light", "page": "a-page"}
    body = {
        "output": header["output"],
        "outputs": [{"id": name, "property": prop} for name, prop in names],
        "inputs": [{**header["inputs"][0], "value": tick}],
        "changedPropIds": ["drm-shell-tick.data"],
    }
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.2):
            urlopen(Request(f"{page}_dash-update-component", json.dumps(body).encode(), {"Content-Type": "application/json"})).close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        done.set()
        asking.join()


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has scraped it a few times."""
    folder = tmp_path_factory.mktemp("prometheus")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    target = f"127.0.0.1:{server.port}"
    scrape = {"job_name": "drm", "metrics_path": "/metrics", "static_configs": [{"targets": [target]}]}
    config = {"global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"}, "rule_files": [str(DOCS / "alerts.yml")]}
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(config | {"scrape_configs": [scrape]}))
    listens = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}"]
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", *listens]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: value_of(url, "count_over_time(drm_ticks_total[1m])") >= 8)
        yield url
    finally:
        program.terminate()
        program.wait(20)


def asked(url: str, path: str, **query: str) -> Any:
    """The data of an answer of Prometheus."""
    with urlopen(f"{url}/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:
        return json.load(answer)["data"]


def value_of(url: str, query: str) -> float:
    """The first value of a query; 0 where there is none yet."""
    try:
        found = asked(url, "query", query=query)["result"]
    except (URLError, ConnectionError):
        return 0.0
    return float(found[0]["value"][1]) if found else 0.0


def until(condition: Any, seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_promtool_has_nothing_to_say(server: Server) -> None:
    """Names, units, types and help follow the conventions."""
    with urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
        body = answer.read()
    checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_the_rules_are_rules(prometheus: str) -> None:
    """promtool takes them, a server loads them, each is evaluated without an error, and none fires over a pool that is well."""
    checked = subprocess.run(["promtool", "check", "rules", DOCS / "alerts.yml"], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    rules = asked(prometheus, "rules")["groups"][0]["rules"]
    until(lambda: all(one["health"] == "ok" for one in asked(prometheus, "rules")["groups"][0]["rules"]))
    assert len(rules) == len(re.findall("alert: ", (DOCS / "alerts.yml").read_text()))
    assert {one["name"] for one in asked(prometheus, "rules")["groups"][0]["rules"] if one["state"] == "firing"} == set()


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_of_the_dashboard_returns_data(prometheus: str, query: str) -> None:
    """As Grafana asks it."""
    asking = query.replace("$__rate_interval", "30s").replace("$instance", ".*").replace("$job", ".*")
    result = asked(prometheus, "query", query=asking)["result"]
    assert result and all(float(one["value"][1]) >= 0 for one in result)
