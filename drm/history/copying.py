"""Whole copies of a history file: a consistent one while the program goes on, and of a file that nobody has open."""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drm.errors import CopyBusyError, NoRoomError
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.folder import FILE
from drm.history.reading import growing_decision
from drm.history.rows import decision_columns

logger = logging.getLogger(__name__)

PREFIX = ".copy-"
ROOM = 3
"""So many times the size of a file and its log are free before a copy of it is begun: DuckDB writes a log of the copy as well."""


class Copies:
    """Of the file of a program that runs; for any thread."""

    def __init__(self, file: HistoryFile) -> None:
        self._file = file
        self._making = threading.Lock()

    @contextmanager
    def made(self) -> Iterator[Path]:
        """A copy beside the file, of all that is written at one moment; it is deleted at the end.

        CopyBusyError while there is another one, NoRoomError where there is too little room, HistoryFileError where the file cannot be
        read now.
        """
        if not self._making.acquire(blocking=False):
            raise CopyBusyError("a copy of the history is being made or fetched: try again when that is done")
        try:
            folder = self._file.path.parent
            # What an earlier run left behind when it was killed.
            for left in folder.glob(f"{PREFIX}*"):
                shutil.rmtree(left, ignore_errors=True)
            require_room(self._file.path, folder)
            with private_folder(folder) as inside:
                path = inside / FILE
                copy(self._file, path)
                _finish(path)
                yield path
        finally:
            self._making.release()


def copy(file: HistoryFile, path: Path) -> None:
    """Copies all of an open file to a new one, which is whole once this is over. HistoryFileError where it cannot be read or written."""
    name, place = f"copy_{secrets.token_hex(6)}", str(path).replace("'", "''")
    execute = file.read
    database = execute("SELECT current_database()")[0][0].replace('"', '""')
    execute(f"ATTACH '{place}' AS {name} (READ_WRITE)")
    try:
        execute(f'COPY FROM DATABASE "{database}" TO {name}')
        execute(f"CHECKPOINT {name}")
    finally:
        try:
            execute(f"DETACH {name}")
        except HistoryFileError as error:
            logger.debug("detaching %s: %s", path, error)
    path.chmod(0o600)


def _finish(path: Path) -> None:
    """The ledger's last row grows in `tail`, and stands among the others at times only: as it would be at the end of a run."""
    copied = HistoryFile(path)
    copied.open()
    try:
        growing = growing_decision(copied)
        if growing is not None:
            copied.write([("decision_rows", decision_columns([growing]))])
            copied.checkpoint()
    finally:
        copied.close()


@contextmanager
def private_folder(folder: Path) -> Iterator[Path]:
    """A folder in another one that only this user may look into, deleted with all in it at the end."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder) as inside:
        yield Path(inside)


def require_room(path: Path, folder: Path) -> None:
    """NoRoomError where a copy of the file at a path would hardly fit into a folder."""
    sizes = [one.stat().st_size for one in (path, log_of(path)) if one.exists()]
    needed, free = ROOM * sum(sizes), shutil.disk_usage(folder).free
    if free < needed:
        raise NoRoomError(
            f"a copy of {path} needs up to {needed // 2**20 + 1} MiB in {folder} while it is made, and {free // 2**20} MiB are free: "
            "make room there"
        )


def log_of(path: Path) -> Path:
    """DuckDB's log beside a file."""
    return path.with_name(path.name + ".wal")
