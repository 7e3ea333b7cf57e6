"""The wheel: one top-level name, everything inside, and a program that runs from anywhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import psutil
import pytest

from tests.test_drm_dashboard_integration import run_the_sample

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], check=True, capture_output=True
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment that holds the wheel, and sees the dependencies of this one, but not this checkout."""
    home = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    borrowed = home / "borrowed"
    borrowed.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "drm" not in entry.name:
            (borrowed / entry.name).symlink_to(entry)
    (packages / "borrowed.pth").write_text(f"{borrowed}\n")
    script = home / "bin" / "drm"
    script.write_text(f"#!{home / 'bin' / 'python'}\nfrom drm.cli import main\nraise SystemExit(main())\n")
    script.chmod(0o755)
    return home / "bin"


def test_the_wheel_has_one_top_level_name(wheel: Path) -> None:
    """drm, with layouts, callbacks, assets and their licence inside; neither tests nor app.py."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"drm"}
    for inside in (
        "layouts/shell.py",
        "callbacks/shell.py",
        "assets/drm/drm.css",
        "assets/bootstrap/LICENSE",
        "py.typed",
        "figures/theme.py",
    ):
        assert f"drm/{inside}" in names
    metadata = next(name for name in names if name.endswith("entry_points.txt"))
    assert "drm = drm.cli:main" in zipfile.ZipFile(wheel).read(metadata).decode()


def test_the_installed_package_writes_pages(installed: Path, tmp_path: Path) -> None:
    """Plotly and the stylesheet come from inside the wheel."""
    code = "from drm import DRMVisualization\nwith DRMVisualization(output_dir='out') as one: print(one.create_resource_dashboard())"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [str(installed / "python"), "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path, env=environment
    )
    assert run.stdout.strip() == str(Path("out") / "index.html")
    assert "--drm-card" in (tmp_path / "out" / "index.html").read_text()
    assert (tmp_path / "out" / "plotly.min.js").read_bytes() == (ROOT / "assets" / "plotly" / "plotly-cartesian.min.js").read_bytes()


def test_the_installed_package_runs_the_guides_monitoring_dashboard(installed: Path, tmp_path: Path) -> None:
    """In an empty folder, with nothing of this checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("DRM_")}
    run_the_sample(str(installed / "python"), tmp_path, environment, signal.SIGTERM)


def test_the_installed_program_serves_the_same_page(installed: Path, tmp_path: Path) -> None:
    """From a folder with decoys of our folders: page, assets and API answer; SIGTERM ends it with status 0 and no process left."""
    for decoy in ("layouts", "callbacks", "drm_decoy"):
        (tmp_path / decoy).mkdir()
        (tmp_path / decoy / "__init__.py").write_text("raise RuntimeError('the decoy was imported')\n")
    (tmp_path / "app.py").write_text("raise RuntimeError('the decoy was run')\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("DRM_")}
    program = subprocess.Popen(
        [str(installed / "drm"), "--no-mock", "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    )
    try:
        assert program.stdout is not None
        line = program.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http://"))
        page = urllib.request.urlopen(url, timeout=20).read().decode()
        assert "drm dashboard" in page
        stylesheet = page.split("assets/drm/drm.css")[1].split('"')[0]
        served = urllib.request.urlopen(f"{url}assets/drm/drm.css{stylesheet}", timeout=20).read()
        assert served == (ROOT / "assets" / "drm" / "drm.css").read_bytes()
        layout = urllib.request.urlopen(f"{url}_dash-layout", timeout=20).read()
        assert b"Overview" in layout
        where = subprocess.run(
            [str(installed / "python"), "-c", "import drm, drm.layouts; print(drm.__file__, *drm.layouts.__path__)"],
            capture_output=True,
            text=True,
            check=True,
            cwd=installed,
            env=environment,
        ).stdout
        assert str(ROOT) not in where
        children = psutil.Process(program.pid).children(recursive=True)
    finally:
        program.send_signal(signal.SIGTERM)
        status = program.wait(25)
        program.stdout.close()
    assert status == 0
    assert psutil.wait_procs(children, timeout=10)[1] == []
    shutil.rmtree(tmp_path)
