"""A history file as it stands: opened to be read, never made, mended or written."""

from __future__ import annotations

from pathlib import Path

import duckdb

from drm.history import schema
from drm.history.file import MEMORY_LIMIT, THREADS, HistoryFile, HistoryFileError


class StillFile(HistoryFile):
    """Its owner must not have it open. What a killed program left in its log is read with it."""

    def __init__(self, path: Path, spill: Path | None = None) -> None:
        super().__init__(path)
        self._spill = spill
        """Where a long query may put what has no room in memory."""

    def open(self) -> None:
        """HistoryFileError where it is none, is damaged, or another program has it open."""
        with self._translated():
            if not self.path.is_file():
                raise HistoryFileError("unusable", f"{self.path}: there is no such file")
            config: dict[str, str | bool | int | float | list[str]] = {
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "memory_limit": MEMORY_LIMIT,
                "threads": str(THREADS),
                "temp_directory": str(self._spill or ""),
            }
            self._connection = duckdb.connect(str(self.path), read_only=True, config=config)
        try:
            self._check_version()
        except BaseException:
            self.close()
            raise

    def _check_version(self) -> None:
        if not self.read("SELECT 1 FROM information_schema.tables WHERE table_name = 'meta'"):
            raise HistoryFileError("newer", f"{self.path} is a DuckDB file, but no history of drm: name the folder of one with --data-dir")
        version = int(self.read("SELECT value FROM meta WHERE name = 'schema_version'")[0][0])
        if version != schema.VERSION:
            raise HistoryFileError(
                "newer", f"{self.path} has schema {version}, and this drm knows {schema.VERSION}: use the drm that wrote it"
            )
