"""`drm agent` as a process against a program as a process: reports arrive, the server goes and comes back, a wrong token, what it takes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.test_cli import Program
from tests.integration.waits import until

ROOT = Path(__file__).parents[2]
TOKEN = "correct-horse-battery"
MOST_BYTES = 40_000_000
WITHIN = 60.0
EXTERNAL = ("--engine", "external", "--no-history", "--interval", "0.5")


class Agent:
    """`python -m drm agent` with arguments; leaving `with` ends it."""

    def __init__(self, folder: Path, url: str, *arguments: str, token: str = TOKEN) -> None:
        self._log = (folder / f"agent-{time.monotonic_ns()}").open("w+")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DRM_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drm", "agent", "--url", url, "--interval", "1", *arguments],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT), "DRM_TOKEN": token},
        )

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    @property
    def lines(self) -> list[str]:
        self._log.seek(0)
        return self._log.read().splitlines()


def workers(url: str) -> dict[str, Any]:
    """By id, as the program tells it; none where it does not answer."""
    request = urllib.request.Request(f"{url}/api/v1/snapshot", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return {one["id"]: one for one in json.load(answer)["workers"]}
    except OSError:
        return {}


@pytest.fixture
def port() -> str:
    """One that is free now, and that a program may take twice."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_an_agent_reports_through_the_end_of_a_server_and_its_own(tmp_path: Path, port: str) -> None:
    """It keeps what nobody takes, and sends it to the next server; the next agent goes on at once where this one has left."""
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        first = stack.enter_context(Program(tmp_path, *EXTERNAL, "--port", port, DRM_TOKEN=TOKEN)).until_url()
        agent = stack.enter_context(Agent(tmp_path, url, "--id", "node 1/a", "--label", "rack=b7"))
        one = until(lambda: workers(url).get("node 1/a"), "it joins")
        assert one["capacity"]["cpu"] > 0
        until(lambda: workers(url)["node 1/a"]["used"]["cpu"] is not None, "it measures")
        until(lambda: any("reports are taken" in line for line in agent.lines), "it says so")

        first.process.kill()
        first.process.wait()
        until(lambda: any("does not answer" in line for line in agent.lines), "it notices")
        again = stack.enter_context(Program(tmp_path, *EXTERNAL, "--port", port, DRM_TOKEN=TOKEN)).until_url()
        until(lambda: any("kept samples went" in line for line in agent.lines), "it sends what it kept")
        until(lambda: workers(url).get("node 1/a", {}).get("state") == "running", "the worker is there again")

        process = psutil.Process(agent.process.pid)
        assert process.memory_info().rss < MOST_BYTES and len(process.threads()) == 1 and process.children() == []
        assert sum("does not answer" in line for line in agent.lines) == 1

        agent.process.terminate()
        assert agent.process.wait(5) == 0
        successor = stack.enter_context(Agent(tmp_path, url, "--id", "node 1/a"))
        until(lambda: any("reports are taken" in line for line in successor.lines), "no word of a conflict")
        assert not any("WARNING" in line for line in successor.lines)
        rival = stack.enter_context(Agent(tmp_path, url, "--id", "node 1/a"))
        until(lambda: any("409" in line for line in rival.lines), "the second is refused")
        rival.process.send_signal(signal.SIGINT)
        assert rival.process.wait(5) == 0
        assert not any("Traceback" in line for one in (agent, successor, rival) for line in one.lines)
        again.process.terminate()
        assert again.process.wait(20) == 0


def test_a_wrong_token_is_said_once(tmp_path: Path, port: str) -> None:
    """And the agent does not hammer at the door; the token stands in no line."""
    url = f"http://127.0.0.1:{port}"
    with Program(tmp_path, *EXTERNAL, "--port", port, DRM_TOKEN=TOKEN) as program, Agent(tmp_path, url, token="a-wrong-one") as agent:
        program.until_url()
        until(lambda: any("401" in line for line in agent.lines), "it is refused")
        time.sleep(3)
        assert sum("401" in line for line in agent.lines) == 1 and not any("a-wrong-one" in line for line in agent.lines)
        assert workers(url) == {}
        agent.process.terminate()
        assert agent.process.wait(5) == 0
