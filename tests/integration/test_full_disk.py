"""A disk that is really full: a small file system of its own, with figures written before there was no more room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from drm.files import ExportError
from drm.integration import DRMVisualizationIntegration
from drm.runner import Runner
from drm.visualization import DRMVisualization
from tests.unit.page_pool import START, state_with_history

MEGABYTE = 2**20


class Disk:
    """A file system in memory, mounted on a folder; leaving `with` unmounts it."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size
        self._filler = folder / "filler"

    def __enter__(self) -> Disk:
        if os.geteuid() != 0:
            pytest.skip("only root may mount a file system: run the tests as root to fill a real disk")
        self.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={self._size}", "tmpfs", str(self.folder)]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            pytest.skip(f"no file system can be mounted here, so that no real disk was filled: {mounted.stderr.strip()}")
        return self

    def __exit__(self, *_: object) -> None:
        # Lazily, so that a file which somebody forgot to close does not keep it mounted.
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
        assert not os.path.ismount(self.folder)

    def fill(self, but: int) -> None:
        """Leaves so many bytes."""
        disk = os.statvfs(self.folder)
        with self._filler.open("wb", buffering=0) as filler:
            for _ in range(disk.f_bavail):
                filler.write(bytes(disk.f_frsize))
            with pytest.raises(OSError, match="No space left on device"):
                filler.write(b"x")
            filler.truncate(filler.tell() - but)

    def empty(self) -> None:
        """Takes the filler away."""
        self._filler.unlink()

    def files(self) -> dict[str, bytes]:
        """What lies on it, hidden files too."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and path != self._filler)
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Of 4 MB, which hold Plotly and the figures of the pool."""
    with Disk(tmp_path / "disk", 4 * MEGABYTE) as disk:
        yield disk


@pytest.fixture
def visualization(disk: Disk) -> Iterator[DRMVisualization]:
    """Over two minutes of two workers, whose Runner is somebody else's; its folder is on the disk."""
    state = state_with_history()
    Runner(state)
    with DRMVisualization(state.manager, output_dir=disk.folder / "figures") as made:
        yield made


@pytest.mark.parametrize("room", [0, 8192])
@pytest.mark.parametrize("method", ["create_scaling_history_visualization", "create_resource_dashboard"])
def test_an_export_to_a_full_disk_leaves_the_earlier_one_whole(disk: Disk, visualization: DRMVisualization, method: str, room: int) -> None:
    """With no room, or with room for a part: an error that names the folder and the remedy, every file as it was, and no temporary one."""
    getattr(visualization, method)()
    earlier = disk.files()
    visualization.state.advance(START + 130)
    disk.fill(but=room)
    for _ in range(3):
        with pytest.raises(ExportError, match="no space left on device; free some space there, or choose another folder") as told:
            getattr(visualization, method)()
        assert str(disk.folder / "figures") in str(told.value)
        assert disk.files() == earlier
    disk.empty()
    getattr(visualization, method)()
    later = disk.files()
    assert later.keys() == earlier.keys() and later != earlier


def test_a_disk_too_small_for_plotly_gets_no_part_of_it(tmp_path: Path) -> None:
    """The first export of all: nothing is there, and nothing is there afterwards."""
    state = state_with_history()
    Runner(state)
    with Disk(tmp_path / "disk", MEGABYTE) as disk, DRMVisualization(state.manager, output_dir=disk.folder / "figures") as visualization:
        with pytest.raises(ExportError, match=r"figures/plotly\.min\.js cannot be written: no space left on device; free some space"):
            visualization.create_resource_utilization_heatmap()
        assert disk.files() == {}


def test_figures_that_are_written_all_the_time_outlive_a_full_disk(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """Each failure is counted and logged with the remedy, the older figures stay, and once there is room the next ones are written."""
    state = state_with_history()
    times = iter(range(int(START), int(START) + 1000))
    integration = DRMVisualizationIntegration(disk.folder / "figures", 60, state.manager, clock=lambda: float(next(times)))
    integration.write()
    earlier, written = disk.files(), integration.written
    assert integration.failures == 0 and written == 5
    disk.fill(but=0)
    integration.write()
    assert (integration.written, integration.failures) == (written, 5)
    assert disk.files() == earlier
    assert "free some space there, or choose another folder" in caplog.text
    disk.empty()
    integration.write()
    assert (integration.written, integration.failures) == (2 * written, 5)
    assert earlier.items() < disk.files().items()
