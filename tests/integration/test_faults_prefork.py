"""Several processes of one server, each of which imports the application: one of them manages the pool, and the others say so."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from drm.prefork import Turn, server_name
from tests.integration.waits import until

APPLICATION = """
import os
from flask import Flask
from drm import DRMState, DynamicResourceManager, Resources, Runner, mount

app = Flask("many")
manager = DynamicResourceManager()
manager.register_worker(f"of-process-{os.getpid()}", capacity=Resources(cpu=4, memory=8e9))
state = DRMState(manager)
mount(app, state)
runner = Runner(state, 0.1)
runner.start()

@app.get("/own")
def own():
    return "the host's"
"""


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """`gunicorn -w 4` over an application that makes a manager and a Runner where it is imported."""
    (tmp_path / "many.py").write_text(APPLICATION)
    told = tmp_path / "told"
    command = [sys.executable, "-m", "gunicorn", "-w", "4", "--threads", "2", "-b", "127.0.0.1:0", "many:app"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "XDG_RUNTIME_DIR": str(tmp_path)}
    with told.open("w") as errors:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=errors, stderr=errors, text=True)
        try:
            found = until(lambda: re.search(r"Listening at: (http://\S+)", told.read_text()), "gunicorn")
            yield server, found[1], told
        finally:
            server.terminate()
            server.wait(30)


def test_of_four_processes_one_manages_and_the_others_say_so(gunicorn: tuple[subprocess.Popen[str], str, Path]) -> None:
    """One pool ticks; the others answer 503 with the remedy on the page and in the API, log it once, and serve the host's own pages.
    When the one that manages ends, another takes over."""
    server, url, told = gunicorn
    path = url + "/drm-dashboard/api/v1/snapshot"

    def managers(asked: int) -> tuple[set[str], set[str]]:
        """Who manages, by the answers, and what the others say."""
        answers = [answer_of(path) for _ in range(asked)]
        found = {worker["id"] for status, text in answers if status == 200 for worker in json.loads(text)["workers"]}
        return found, {json.loads(text)["detail"] for status, text in answers if status == 503}

    until(lambda: len(psutil.Process(server.pid).children()) == 4 and told.read_text().count("manages the pool") == 3, "four processes")
    (first,), refusals = until(lambda: (found := managers(30))[0] and len(found[1]) > 1 and found, "one that manages, and others")
    assert all("another process of this gunicorn" in one and "gunicorn -w 1 --threads 8" in one for one in refusals)
    pages: set[int] = set()
    until(lambda: pages.add(answer_of(url + "/drm-dashboard/")[0]) or len(pages) > 1, "a page of each kind")  # type: ignore[func-returns-value]
    assert pages == {200, 503}
    assert {answer_of(url + "/own") for _ in range(10)} == {(200, "the host's")}
    os.kill(int(first.rpartition("-")[2]), signal.SIGKILL)
    then = until(lambda: (found := managers(10)[0]) and found != {first} and found, "another one that manages")
    assert len(then) == 1
    assert told.read_text().count("manages the pool from now on") == 1


def answer_of(url: str) -> tuple[int, str]:
    """Status and text, over a connection of its own."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_two_pools_of_one_process_share_its_turn(tmp_path: Path) -> None:
    """Under the same parent another process has to wait until both have let go; without such a parent nobody waits."""
    parent = psutil.Process()
    assert Turn(tmp_path).take() and not list(tmp_path.iterdir())
    one, other = (Turn(tmp_path, Pretending(parent.pid)) for _ in range(2))
    assert one.take() and other.take() and one.take()
    code = (
        "import sys, psutil; from pathlib import Path; from drm.prefork import Turn\n"
        "class P(psutil.Process):\n  def cmdline(self): return ['gunicorn: master [app]']\n"
        "turn = Turn(Path(sys.argv[1]), P(int(sys.argv[2])))\n"
        "print(turn.take(), turn.hindrance)"
    )

    def other_process() -> str:
        return subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), str(parent.pid)], capture_output=True, text=True, check=True
        ).stdout

    assert other_process().startswith("False another process of this gunicorn")
    one.give_back()
    one.give_back()
    assert other_process().startswith("False")
    other.give_back()
    assert other_process() == "True \n"


class Pretending(psutil.Process):
    """A process that is gunicorn by its command line."""

    def cmdline(self) -> list[str]:
        return ["/usr/bin/python3", "/usr/bin/gunicorn", "-w", "4"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["gunicorn: master [wsgi:app]"], "gunicorn"),
        (["/usr/bin/python3.11", "/usr/local/bin/gunicorn", "-w", "4"], "gunicorn"),
        (["python", "-m", "uvicorn", "x:app"], "uvicorn"),
        (["/usr/bin/uwsgi", "--ini"], "uwsgi"),
        (["/bin/bash", "gunicornish.sh"], ""),
        (["python", "app.py", "x", "gunicorn"], ""),
        ([], ""),
    ],
)
def test_a_server_is_known_by_its_command(command: list[str], name: str) -> None:
    """Under whatever name it was started."""
    parent = Pretending()
    parent.cmdline = lambda: command  # type: ignore[method-assign]
    assert server_name(parent) == name
