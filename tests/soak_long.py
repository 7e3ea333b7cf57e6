"""What `make test` looks at for a short time, for long (`make soak`): a whole simulated day, many places of damage, each call of DuckDB."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.test_cli import Program, watch_the_demo

ROOT = Path(__file__).resolve().parents[1]
LONG = {
    "test_simulated_day.py": {"DRM_SOAK_TICKS": "1440"},
    "test_history_faults.py::test_damage_is_put_aside_and_told": {"DRM_SOAK_FLIPS": "50"},
    "test_history_faults.py::test_each_call_that_fails_is_got_over": {"DRM_FAILING_CALLS_EVERY": "1"},
}


@pytest.mark.timeout(0)
@pytest.mark.parametrize("tests", LONG)
def test_what_holds_for_a_short_time_holds_for_long(tests: str) -> None:
    """The same tests, with more of what they try; a variable that is set already stays as it is."""
    command = [sys.executable, "-m", "pytest", "-q", "--timeout", "3600", f"tests/integration/{tests}"]
    assert subprocess.run(command, cwd=ROOT, env=LONG[tests] | os.environ, check=False).returncode == 0


@pytest.mark.timeout(0)
def test_the_demo_grows_and_shrinks_within_90_seconds(tmp_path: Path) -> None:
    """A scale-up, a scale-down, real results, and workers that are busy to different degrees."""
    with ExitStack() as stack:
        watch_the_demo(lambda *arguments: stack.enter_context(Program(tmp_path, *arguments)), {"scale_up", "scale_down"})
