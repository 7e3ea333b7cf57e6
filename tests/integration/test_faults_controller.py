"""Bad days of the controller and of its process: what page, /readyz and /metrics say meanwhile, and that it comes back by itself."""

from __future__ import annotations

import json
import logging
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from resource import RLIMIT_NOFILE
from typing import Any

import numpy as np
import psutil
import pytest

from drm.dashboard import mount
from drm.engines.external import ExternalEngine
from drm.errors import EngineError
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.observation import Observation
from drm.policies.manual import ManualPolicy
from drm.runner import Runner
from drm.server import create_standalone
from drm.state import DRMState
from tests.integration.test_cli import Program
from tests.integration.test_trust import calls
from tests.integration.waits import until

START = 1_700_000_000.0
PREFIX = "/drm-dashboard/"


class OddEngine(ExternalEngine):
    """Fails, or measures what cannot be, when it is told to."""

    fails = False
    measured: float | None = None

    def observe(self, now: float) -> Observation:
        """Or not."""
        if self.fails:
            raise EngineError("contact with the scheduler is lost")
        seen = super().observe(now)
        return seen if self.measured is None else replace(seen, used=np.full_like(seen.used, self.measured))


class Served:
    """A state and its program, asked without a socket."""

    def __init__(self, state: DRMState) -> None:
        self.state = state
        app = create_standalone("127.0.0.1", PREFIX)
        self.dash = mount(app, state, PREFIX, api_prefix="")
        self.client = app.test_client()

    def ready(self) -> tuple[int, str]:
        """What a load balancer is told."""
        answer = self.client.get("/readyz")
        return answer.status_code, answer.json["reason"]

    def metric(self, name: str, labels: str = "") -> float:
        """A sample."""
        (value,) = re.findall(rf"^{name}{re.escape(labels)} (\S+)$", self.client.get("/metrics").text, re.MULTILINE)
        return float(value)

    def header(self) -> dict[str, Any]:
        """What the page's header is told of the controller."""
        (body,) = [one for one in calls(self.dash) if "drm-health.data" in one["output"]]
        body["inputs"][0]["value"] = {"range": "15m", "scheme": "light"}
        answer = self.client.post(f"{PREFIX}_dash-update-component", json=body)
        told: dict[str, Any] = answer.json["response"]["drm-health"]["data"]
        return told


def pool(engine: ExternalEngine, **choices: Any) -> DRMState:
    """Two workers that report themselves."""
    state = DRMState(DynamicResourceManager(engine, now=START, **choices))
    for name in ("a", "b"):
        state.manager.register_worker(name, capacity=Resources(cpu=4, memory=2**33))
        state.manager.report(name, used={"cpu": 1.0})
    state.set_interval(0.001)
    return state


def test_a_hundred_ticks_that_fail_lose_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The last snapshot stands, the page says why and how often, /readyz is 503 with the same words, one line is logged; the first tick
    that goes well makes it ready again, with its workers and its tasks."""
    engine = OddEngine()
    served = Served(pool(engine))
    state = served.state
    state.manager.submit(resources=Resources(cpu=1), name="goes on")
    for second in range(1, 4):
        state.advance(START + second)
    before = state.snapshot
    engine.fails = True
    for second in range(4, 104):
        state.advance(START + second)
    assert state.snapshot is before
    until(lambda: served.ready()[0] == 503, "not being ready")
    assert "contact with the scheduler is lost" in served.ready()[1]
    assert (served.metric("drm_tick_errors_total"), served.metric("drm_tick_healthy"), served.metric("drm_ticks_total")) == (100, 0, 3)
    assert {name: served.header()[name] for name in ("ok", "errors")} == {"ok": False, "errors": 100}
    assert "contact" in served.header()["error"]
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
    engine.fails = False
    state.set_interval(60.0)
    state.advance(START + 104)
    assert served.ready() == (200, "") and served.metric("drm_tick_healthy") == 1
    assert state.snapshot.worker_ids == before.worker_ids and state.snapshot.count("running") == 2
    assert (state.snapshot.tasks.running, state.snapshot.version) == (1, before.version + 1)


def test_a_policy_that_thinks_for_long_keeps_no_reader_waiting() -> None:
    """Meanwhile the last snapshot and the metrics are answered at once and /readyz says how old the tick is; afterwards ticks come as
    before, and those that were left out are counted, as is the phase that took so long."""
    asked, may_answer = threading.Event(), threading.Event()

    class SlowPolicy(ManualPolicy):
        """Thinks until it is let go."""

        def bands(self, seen: Any) -> Any:
            """Late."""
            asked.set()
            may_answer.wait(60)
            return super().bands(seen)

    may_answer.set()
    served = Served(pool(OddEngine(), policy=SlowPolicy(workers=2)))
    state = served.state
    with Runner(state, 0.05):
        until(lambda: state.snapshot.version > 2, "ticks")
        may_answer.clear()
        asked.clear()
        assert asked.wait(20)
        version = state.snapshot.version
        until(lambda: served.ready()[0] == 503, "not being ready")
        assert "the last tick is" in served.ready()[1]
        assert served.client.get("/api/v1/snapshot").json["version"] == version
        assert served.metric("drm_ticks_total") == version and served.client.get("/healthz").status_code == 200
        may_answer.set()
        until(lambda: served.ready() == (200, "") and state.snapshot.version > version + 2, "ticks again")
    assert served.metric("drm_ticks_missed_total") >= 1
    assert served.metric("drm_tick_phase_seconds_total", '{phase="decide"}') > 0.1


@pytest.mark.parametrize("measured", [np.nan, np.inf, -np.inf, -5.0, 1e300])
def test_an_engine_that_measures_what_cannot_be_harms_no_answer(measured: float) -> None:
    """JSON stays strict, no sample of a metric is infinite, the page's callbacks answer, and the next measurement is shown as it is."""
    engine = OddEngine()
    served = Served(pool(engine))
    state = served.state
    engine.measured = measured
    for second in range(1, 6):
        state.advance(START + second)
    for path in ("snapshot", "decisions", "explain", "export?tab=utilization&format=json", "export?tab=allocation&format=json"):
        answer = served.client.get(f"/api/v1/{path}", buffered=True)
        assert answer.status_code == 200
        json.loads(answer.text, parse_constant=pytest.fail)
    samples = [line.split()[-1] for line in served.client.get("/metrics").text.splitlines() if not line.startswith("#")]
    assert not {"NaN", "+Inf", "-Inf"}.intersection(samples)
    for body in calls(served.dash):
        if body["inputs"][0]["id"].endswith("-tick"):
            body["inputs"][0]["value"] = {"range": "15m", "scheme": "light"}
            assert served.client.post(f"{PREFIX}_dash-update-component", json=body).status_code in (200, 204, 400), body["output"]
    engine.measured = 2.0
    state.advance(START + 6)
    assert served.metric("drm_cpu_used_cores") == 4.0


@pytest.fixture(params=[(), ("--push",)], ids=["polled", "pushed"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    """A program with a history, five ticks a second."""
    arguments = ("--port", "0", "--simulate", "20", "--interval", "0.2", "--data-dir", str(tmp_path / "data"), *request.param)
    with Program(tmp_path, *arguments) as program:
        yield program.until_url()


def ticks(program: Program) -> float:
    return float(re.findall(r"^drm_ticks_total (\S+)$", program.read("/metrics")[1], re.MULTILINE)[0])


def is_ready(program: Program) -> bool:
    return program.read("/readyz")[0] == 200


def test_bad_days_of_a_process(program: Program, tmp_path: Path) -> None:
    """It has no file descriptor left: ticks go on, and who comes afterwards is served. It is stopped for some seconds: it says how many
    ticks that took, and is ready at once. It is told to end while it answers: it does, within its time, with a whole history."""
    process = psutil.Process(program.process.pid)
    until(lambda: is_ready(program), "the first tick")
    at_first = ticks(program)
    limit = process.num_fds() + 8
    process.rlimit(RLIMIT_NOFILE, (limit, process.rlimit(RLIMIT_NOFILE)[1]))
    port = int(program.url.rsplit(":", 1)[1])
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        time.sleep(1.0)
        busy = process.cpu_times()
        time.sleep(1.0)
        spent = process.cpu_times().user - busy.user
    process.rlimit(RLIMIT_NOFILE, (4096, process.rlimit(RLIMIT_NOFILE)[1]))
    until(lambda: is_ready(program) and ticks(program) > at_first + 5, "being served again")
    print(f"CPU while no descriptor was left: {spent:.2f} s in a second")

    program.process.send_signal(signal.SIGSTOP)
    time.sleep(2.0)
    program.process.send_signal(signal.SIGCONT)
    until(lambda: is_ready(program), "being ready after it was stopped", 10)
    until(lambda: "drm_ticks_missed_total 0.0" not in program.read("/metrics")[1], "the count of ticks that were left out")

    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            try:
                program.read("/api/v1/snapshot")
            except OSError:
                return

    clients = [threading.Thread(target=load) for _ in range(8)]
    for client in clients:
        client.start()
    time.sleep(0.5)
    status = program.end(signal.SIGTERM)
    done.set()
    for client in clients:
        client.join(20)
    assert status == 0
    assert len(program.errors) < 20 and not [line for line in program.errors if "Traceback" in line or "Logging error" in line]
    import duckdb

    with duckdb.connect(str(tmp_path / "data" / "history.duckdb"), read_only=True) as history:
        assert history.execute("SELECT count(*) FROM decision_rows").fetchall()[0][0] > 0
