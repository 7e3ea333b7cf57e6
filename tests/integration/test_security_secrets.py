"""Secrets that were planted in every place where the program meets one, and are then searched for in all that it says, writes and shows."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from drm.cloud import CloudProviderManager
from drm.dashboard import mount
from drm.decision import Bounds
from drm.engines.external import ExternalEngine
from drm.errors import EngineError
from drm.history.store import HistoryStore
from drm.manager import DynamicResourceManager
from drm.model import Resources, WorkerType
from drm.observation import LaunchReport, Notice, Observation
from drm.server import create_standalone
from drm.state import DRMState
from drm.tables.saved import SAVED
from tests.integration.test_cli import Program
from tests.unit.test_cloud_providers import Rented

PLANTED = {
    "DRM_TOKEN": "planted-token-0123456789",
    "AWS_SECRET_ACCESS_KEY": "planted/aws+secret+key0123",
    "AWS_SESSION_TOKEN": "planted-session-0123456789==",
    "OS_PASSWORD": "planted-os-password",
}
TABLES = [f"/api/v1/export?tab={tab}&table={saved.name}&format=json" for tab, tables in SAVED.items() for saved in tables]
ANSWERS = ["snapshot", "decisions", "explain", "costs", "budget", "recommendations", "history"]
PATHS = [
    "/metrics",
    "/readyz",
    "/healthz",
    "/drm-dashboard/",
    "/drm-dashboard/_dash-layout",
    "/drm-dashboard/_dash-dependencies",
    *(f"/api/v1/{name}" for name in ANSWERS),
    *TABLES,
]


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files below a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def test_no_secret_of_a_running_program_leaves_it(tmp_path: Path) -> None:
    """Token and credentials in its variables: in no answer, log, file or list of processes, at the finest level of the log and after
    requests that repeat them. Each line of the log is an object of its own."""
    folder = tmp_path / "data"
    arguments = ("--port", "0", "--host", "0.0.0.0", "--simulate", "20", "--speed", "60", "--interval", "0.2", "--data-dir", str(folder))
    with Program(tmp_path, *arguments, "--log-level", "debug", "--log-format", "json", **PLANTED) as program:
        program.until_url()
        bearer = {"Authorization": f"Bearer {PLANTED['DRM_TOKEN']}"}
        said = {path: program.read(path, **bearer) for path in PATHS}
        for path in (f"/login?token={PLANTED['DRM_TOKEN']}", f"/{PLANTED['DRM_TOKEN']}", "/api/v1/none"):
            program.read(path, Authorization=f"Bearer {PLANTED['DRM_TOKEN']}x")
            program.read(path, **bearer)
        titles = [
            " ".join(one.cmdline()) + one.name()
            for one in (psutil.Process(program.process.pid), *psutil.Process(program.process.pid).children(True))
        ]
        assert {status for status, _ in said.values()} == {200}
        assert program.end(signal.SIGTERM) == 0
        lines = program.errors
    assert lines and all(list(json.loads(line))[:4] == ["time", "level", "logger", "message"] for line in lines)
    files = dict(written(folder))
    assert files
    for name, secret in PLANTED.items():
        assert secret not in "".join(text for _, text in said.values()), name
        assert secret not in "\n".join((*lines, *titles)), name
        assert [path for path, content in files.items() if secret.encode() in content] == [], name


class Telling(ExternalEngine):
    """An external pool whose every error repeats a credential."""

    said = "the request GET https://me:planted-password@cloud.example/?api_key=planted-key-0123 with planted/aws+secret+key0123 was refused"
    fails = False

    def __init__(self) -> None:
        super().__init__()
        self._refused: list[LaunchReport] = []

    @property
    def worker_types(self) -> tuple[WorkerType, ...]:
        """One."""
        return (WorkerType("one", Resources(cpu=1, memory=2**30)),)

    @property
    def no_launcher_reason(self) -> str | None:
        """It launches."""
        return None

    def launch(self, count: int, worker_type: WorkerType, launch_id: str) -> None:
        """Refuses."""
        self._refused.append(LaunchReport(launch_id, (), count, self.said))

    def observe(self, now: float) -> Observation:
        """With words."""
        if self.fails:
            raise EngineError(self.said)
        seen = super().observe(now)
        refused, self._refused = tuple(self._refused), []
        notices = (Notice("credentials_refused", self.said, (), "cloud"),)
        return replace(seen, launches=refused, notices=notices, departures=dict.fromkeys(seen.departures, self.said))


def test_what_a_provider_repeats_of_a_credential_goes_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In errors of launches, of ticks and of inventories, in notices and in reasons: neither an answer, a table nor the history file has
    it; all else of the sentence is there."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED["AWS_SECRET_ACCESS_KEY"])
    engine, cloud = Telling(), Rented()
    cloud.failure = RuntimeError(Telling.said)
    clouds = CloudProviderManager([cloud])
    app = create_standalone("127.0.0.1", "/drm-dashboard/")
    with closing(HistoryStore(tmp_path)) as store:
        manager: Any = DynamicResourceManager(engine, bounds=Bounds(1, 4), cloud=clouds, store=store, now=1000.0)
        state = DRMState(manager)
        mount(app, state, "/drm-dashboard/", api_prefix="")
        client = app.test_client()
        manager.register_worker("w", capacity=Resources(cpu=1, memory=2**30))
        for _ in range(4):
            manager.submit(resources=Resources(cpu=1))
        for second in range(40):
            manager.report("w" if second < 20 else "v", used={"cpu": 0.5})
            state.advance(1000.0 + second)
            if second == 19:
                manager.deregister_worker("w")
                manager.register_worker("v", capacity=Resources(cpu=1, memory=2**30))
        clouds.totals(now=1040.0)
        engine.fails = True
        state.advance(1041.0)
        texts = [client.get(path, buffered=True).text for path in PATHS] + [
            state.health.error,
            *(one.error for one in clouds.last_totals().problems),
        ]
        store.flush(20)
    everything = "".join(texts)
    assert everything.count("was refused") > 3 and "cloud.example" in state.health.error
    files = dict(written(tmp_path))
    assert any(b"was refused" in content for content in files.values())
    for secret in ("planted-password", "planted-key-0123", PLANTED["AWS_SECRET_ACCESS_KEY"]):
        assert secret not in everything
        assert [path for path, content in files.items() if secret.encode() in content] == []
