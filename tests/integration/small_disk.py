"""A small disk of its own for a test, which only root can make."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs at a path, of some MiB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Until nothing fits any more."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (65_536, 4_096, 1):
                try:
                    while ballast.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Space again."""
        self._ballast.unlink()

    def remount(self, option: str) -> None:
        """ro or rw."""
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.path)], check=True, capture_output=True)


@contextmanager
def small_disk(path: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """Skips the test, and says so, where this is not root or no file system may be mounted."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", str(path)]
    mount = subprocess.run(command, capture_output=True, text=True)
    if mount.returncode:
        why = f"a disk of its own needs root and the right to mount (uid {os.geteuid()}): {mount.stderr.strip()}"
        pytest.skip(f"NOT TESTED: {why}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
