"""The guide's commands tell by their exit status whether what they test holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PLANTED_FIGURE = """
import drm.files
write = drm.files.write_atomically
drm.files.write_atomically = lambda contents: write({path: content.replace(b"EXTERNAL", b"LIVE") for path, content in contents.items()})
"""
PLANTED_POOL = """
import drm.pool_api
told = drm.pool_api.snapshot_json
full = lambda worker: {**worker, "used": worker["capacity"]}
drm.pool_api.snapshot_json = lambda snapshot: {**told(snapshot), "workers": [full(worker) for worker in told(snapshot)["workers"]]}
"""
FIGURES = ("tests.test_dynamic_resource_management_visualization", "test_every_figure_is_written_where_it_is_asked_for", 5)
DASHBOARD = ("tests.test_drm_dashboard_integration", "test_the_integration_may_come_after or test_the_dashboard_has_every_tab", 2)
SHOWN = ("tests.test_drm_dashboard_integration", "test_the_dashboard_shows_the_managers_pool", 1)


@pytest.mark.parametrize(
    ("command", "planted", "status"),
    [(FIGURES, "", 0), (FIGURES, PLANTED_FIGURE, 1), (DASHBOARD, "", 0), (SHOWN, PLANTED_POOL, 1)],
)
def test_the_status_is_not_zero_where_a_failure_was_planted(
    tmp_path: Path, command: tuple[str, str, int], planted: str, status: int
) -> None:
    """A page that names another source than its own is noticed, and so is a dashboard that tells what a worker has as what it uses."""
    module, chosen, number = command
    (tmp_path / "sitecustomize.py").write_text(planted)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PYTEST_ADDOPTS": f"-k '{chosen}'"}
    run = subprocess.run(
        [sys.executable, "-m", module],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert run.returncode == status, run.stdout[-2000:]
    assert f"{number} {'failed' if planted else 'passed'}" in run.stdout
