"""The code in the documentation runs as it stands, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]

AT_THE_END = """
import threading, psutil
left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
assert not left, left
assert not psutil.Process().children(recursive=True)
"""


def blocks() -> list[tuple[str, str]]:
    """(where it stands, code) of each Python block in README and docs."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        (f"{page.name}:{number}", code)
        for page in pages
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL), start=1)
    ]


@pytest.mark.parametrize(("where", "code"), blocks(), ids=[where for where, _ in blocks()])
def test_a_block_runs_as_it_stands(where: str, code: str, tmp_path: Path) -> None:
    """Each block is a program: it ends well, with no thread and no process left."""
    script = tmp_path / "program.py"
    script.write_text(code + AT_THE_END)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    expected = {"README.md:1": "328350 100", "README.md:2": "running node-1", "README.md:3": "200", "cloud.md:1": "2 0.192 0.192"}
    expected |= {"clouds.md:1": "m5.large 2.0 0.114 20"}
    expected |= {"embed.md:1": "401 200", "embed.md:3": "401 200", "embed.md:5": "True", "history.md:1": "node-1"}
    expected |= {"recommendations.md:1": "109.5 USD medium", "api.md:1": "there is no 'txt' here; there is text"}
    assert expected.get(where, "") in run.stdout


def test_the_flags_of_the_readme_are_those_of_the_program() -> None:
    """The table of settings names every flag, and no other."""
    from drm.settings import Settings

    table = (ROOT / "README.md").read_text().partition("## Settings")[2].partition("## Measured")[0]
    # A switch that is on unless it is switched off stands there as what switches it off.
    named = {name.removeprefix("no-") for name in re.findall(r"`--([a-z-]+)", table)}
    flags = {name.replace("_", "-") for name in Settings.model_fields}
    assert named == flags
