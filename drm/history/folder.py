"""The folder of a history: made, checked, and held by one program at a time."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from drm.errors import HeldError, HistoryError

FILE = "history.duckdb"
LOCK, HOLDER = "drm.lock", "drm.holder.json"
GO_ON = "name another folder with --data-dir, or keep none with --no-history"


class HistoryFolder:
    """A folder that this program holds from `hold` to `release`.

    HistoryError, with the remedy, where it is a file, belongs to another user, or another program holds it. One that cannot be made or
    written may be mended while the program runs, and is no error here: `problem` says what is wrong.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().absolute()
        self.file = self.path / FILE
        self._lock: FileLock | None = None

    def hold(self) -> None:
        """Makes the folder if need be, and holds it; may be called again where it could not be written before."""
        if self._lock is not None:
            return
        self._check()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self.path / LOCK, timeout=0, mode=0o600)
            lock.acquire()
        except Timeout:
            raise HeldError(f"the history in {self.path} is kept by {self._holder()}: {GO_ON}") from None
        except (FileExistsError, NotADirectoryError):
            raise HistoryError(f"{self.path} cannot be a folder, because a part of it is a file: {GO_ON}") from None
        self._lock = lock
        self.tell({})

    def tell(self, facts: dict[str, Any]) -> None:
        """Writes who holds the folder, for those who are refused and for `drm history`: pid, since when, and these facts, such as `url`."""
        if self._lock is not None:
            told = {"pid": os.getpid(), "since": time.time(), **facts}
            (self.path / HOLDER).write_text(json.dumps(told), encoding="utf-8")
            (self.path / HOLDER).chmod(0o600)

    def release(self) -> None:
        """Lets go of the folder; may be called twice."""
        if self._lock is not None:
            (self.path / HOLDER).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def holder(self) -> dict[str, Any]:
        """What the program that holds the folder told; empty where nobody does."""
        try:
            told = json.loads((self.path / HOLDER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _holder(self) -> str:
        told = self.holder()
        url = f" ({told['url']})" if told.get("url") else ""
        return f"process {told['pid']}{url}" if told.get("pid") else "another process"

    def _check(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise HistoryError(f"{self.path} is a file, and history needs a folder: {GO_ON}")
        if self.path.is_dir() and self.path.stat().st_uid != os.geteuid():
            raise HistoryError(f"{self.path} belongs to user {self.path.stat().st_uid}, this program runs as {os.geteuid()}: {GO_ON}")


def put_aside(path: Path, why: str, now: float) -> Path:
    """Renames a file to one that says why and when, and that is not there yet; returns that."""
    name = f"{path.name}.{why}-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    aside, number = path.with_name(name), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{name}-{number}")
    return path.rename(aside)
