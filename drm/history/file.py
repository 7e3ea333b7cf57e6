"""The history file: one DuckDB database, opened, mended where that is possible, written in transactions, and read from any thread."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import duckdb

from drm.errors import HistoryError
from drm.history import schema
from drm.history.folder import GO_ON, put_aside
from drm.history.rows import Columns

logger = logging.getLogger(__name__)

MEMORY_LIMIT = "512MB"
THREADS = 2
DAMAGED = ("not a valid DuckDB database", "checksum", "orrupt", "replaying WAL", "serializ", "not read enough bytes")
"""What DuckDB's messages say of a file whose bytes are not what it wrote."""
HELD_BY = re.compile(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
LOG_BEGINS = b"\x64\x00\x62"
"""A log that begins otherwise DuckDB takes for none, and writes over it."""
REFUSED = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, UnicodeError)
INVALID = (duckdb.FatalException, duckdb.InternalException, duckdb.ProgrammingError)

Trouble = Literal["damaged", "busy", "older", "newer", "unusable", "invalid", "refused", "starved"]
"""refused: the file is well, and these rows it does not take. invalid: it has to be opened again, and is damaged if that does not help.
starved: the process lacks memory or descriptors; it has to be opened again, and is as well as it was."""


class HistoryFileError(HistoryError):
    """Why the file cannot be used now."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


class HistoryFile:
    """One file at a path. `write` and `checkpoint` are for one thread; `read` is for any."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._writer: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.RLock()
        self._cursors = 0
        """How many of them are open."""
        self.set_aside: list[str] = []
        """Names of files that were put aside when this one was opened."""
        self._is_damaged = False
        self._log_is_private = False

    @property
    def is_open(self) -> bool:
        """Whether it can be read and written."""
        return self._connection is not None

    @property
    def wal(self) -> Path:
        """DuckDB's log beside the file."""
        return self.path.with_name(self.path.name + ".wal")

    @property
    def log_bytes(self) -> int:
        """How much stands in the log only; 0 where there is none."""
        try:
            return self.wal.stat().st_size
        except OSError:
            return 0

    def open(self) -> None:
        """Opens the file, or makes it. A damaged log, then a damaged file, is put aside under a name with the date, and so is one of an
        older schema; nothing is deleted.

        HistoryFileError where another process has it, where a newer program wrote it, or where it cannot be read or written.
        """
        self.set_aside = []
        if self._is_damaged:
            return self.start_anew()
        try:
            self._check_log()
            self._open()
        except HistoryFileError as error:
            if error.trouble == "older":
                return self.start_anew("old-schema")
            if error.trouble != "damaged":
                raise
            logger.warning("%s", error)
            if not self._put_aside(self.wal, "damaged"):
                return self.start_anew()
            try:
                self._open()
            except HistoryFileError as still:
                if still.trouble != "damaged":
                    raise
                self.start_anew()
        return None

    def start_anew(self, why: str = "damaged") -> None:
        """Puts the file and its log aside under names with the date, and begins an empty one."""
        self.close()
        with self._translated():
            self._put_aside(self.wal, why)
            self._put_aside(self.path, why)
        self._is_damaged = False
        logger.warning("the history file %s is kept as %s, and a new one begins", self.path, ", ".join(self.set_aside))
        self._open()

    def note_damage(self) -> None:
        """It will be put aside when it is opened again."""
        self._is_damaged = True

    def write(self, rows: Sequence[tuple[str, Columns]], before: Sequence[tuple[str, list[Any] | dict[str, Any]]] = ()) -> None:
        """One transaction: statements with their values first, then rows, by table. HistoryFileError where it fails: nothing is written."""
        with self._translated():
            writer = self._writing()
            writer.execute("BEGIN")
            try:
                for statement, values in before:
                    writer.execute(statement, values)
                for table, columns in rows:
                    _insert(writer, table, columns)
                writer.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):
                    writer.execute("ROLLBACK")
                raise
            if not self._log_is_private and self.wal.exists():
                self.wal.chmod(0o600)
                self._log_is_private = True

    def checkpoint(self) -> None:
        """Moves what the log holds into the file."""
        with self._translated():
            self._writing().execute("CHECKPOINT")
            # The next write makes a new log.
            self._log_is_private = False

    def read(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a query answers."""
        with self._translated(), self.cursor() as cursor:
            return cursor.execute(query, values).fetchall()

    def columns(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> dict[str, Any]:
        """The same as arrays by column; masked where NULL stands among numbers."""
        with self._translated(), self.cursor() as cursor:
            return cursor.execute(query, values).fetchnumpy()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of one's own for one thread."""
        with self._lock:
            if self._connection is None:
                raise HistoryFileError("unusable", f"the history file {self.path} is not open")
            cursor = self._connection.cursor()
            self._cursors += 1
        try:
            yield cursor
        finally:
            with self._lock:
                cursor.close()
                self._cursors -= 1

    def renew(self) -> bool:
        """Closes the file and opens it again, unless somebody reads it now; whether it did. HistoryFileError where it cannot be opened.

        DuckDB holds more for each commit than it tells of, and gives it back when the last connection is closed (docs/history.md). For the
        thread that writes, best right after a checkpoint.
        """
        with self._lock:
            if self._cursors:
                return False
            self._open()
            return True

    def interrupt(self) -> None:
        """Ends the statement that is being carried out, from another thread; what it has not committed is not written."""
        writer = self._writer
        if writer is not None:
            # It may have been closed meanwhile.
            with suppress(duckdb.Error):
                writer.interrupt()

    def close(self) -> None:
        """Lets go of the file as it stands; may be called twice."""
        with self._lock:
            for connection in (self._writer, self._connection):
                if connection is not None:
                    try:
                        connection.close()
                    except duckdb.Error as error:
                        logger.debug("closing %s: %s", self.path, error)
            self._writer = self._connection = None

    def _open(self) -> None:
        self.close()
        self._log_is_private = False
        with self._translated():
            try:
                self._connection = duckdb.connect(
                    str(self.path),
                    config={
                        "autoinstall_known_extensions": "false",
                        "autoload_known_extensions": "false",
                        "memory_limit": MEMORY_LIMIT,
                        "threads": str(THREADS),
                        "temp_directory": "",
                    },
                )
                # On a full disk an automatic checkpoint makes the whole instance unusable.
                self._connection.execute("SET wal_autocheckpoint = '1TB'")
                # Closing never takes longer than it must: the log is as safe as the file.
                self._connection.execute("PRAGMA disable_checkpoint_on_shutdown")
                # A copy may be made beside the file; nothing else of the machine is reached by SQL.
                self._connection.execute("SET allowed_directories = ?", [[str(self.path.parent)]])
                self._connection.execute("SET enable_external_access = false")
                self._check_schema(self._connection)
                self._writer = self._connection.cursor()
                self._connection.execute("SET lock_configuration = true")
                self.path.chmod(0o600)
            except BaseException:
                self.close()
                raise

    def _check_schema(self, connection: duckdb.DuckDBPyConnection) -> None:
        found = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
        if not found:
            connection.execute("BEGIN")
            for statement in schema.statements():
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(schema.VERSION)])
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")
            return
        if ("meta",) not in found:
            raise HistoryFileError("newer", f"{self.path} is a DuckDB file, but no history of drm: move it away, or use another --data-dir")
        version = int(connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchall()[0][0])
        if version > schema.VERSION:
            raise HistoryFileError(
                "newer",
                f"{self.path} has schema {version}, and this drm knows {schema.VERSION} and older: use the drm that wrote it, "
                "or another --data-dir",
            )
        if version < schema.VERSION:
            raise HistoryFileError("older", f"{self.path} has schema {version}, from before the first released one, {schema.VERSION}")

    def _check_log(self) -> None:
        with self._translated():
            if self.wal.exists():
                with self.wal.open("rb") as log:
                    begin = log.read(len(LOG_BEGINS))
                if not LOG_BEGINS.startswith(begin):
                    raise HistoryFileError("damaged", f"{self.wal} is not a log of DuckDB: it begins with {begin!r}")

    def _writing(self) -> duckdb.DuckDBPyConnection:
        if self._writer is None:
            raise HistoryFileError("unusable", f"the history file {self.path} is not open")
        return self._writer

    def _put_aside(self, path: Path, why: str) -> bool:
        if not path.exists():
            return False
        self.set_aside.append(put_aside(path, why, time.time()).name)
        return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """DuckDB's and the system's errors as ours."""
        try:
            yield
        except (duckdb.Error, OSError, ValueError, RuntimeError, MemoryError) as error:
            text = " ".join(str(error).split())[:300]
            trouble = _trouble_in(error, text)
            told = f" is open in {_holder_in(text)}: close it there, or {GO_ON}" if trouble == "busy" else f": {text}"
            raise HistoryFileError(trouble, f"{self.path}{told}") from error


def _trouble_in(error: Exception, text: str) -> Trouble:
    if isinstance(error, duckdb.Error):
        if "set lock" in text:
            return "busy"
        if any(word in text for word in DAMAGED):
            return "damaged"
    if isinstance(error, REFUSED):
        return "refused"
    return "invalid" if isinstance(error, INVALID) else "unusable"


def _holder_in(text: str) -> str:
    found = HELD_BY.search(text)
    return f"another program, {Path(found['program']).name} (process {found['pid']})" if found else "another program"


def _insert(writer: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> None:
    names = list(columns)
    if not names or not len(columns[names[0]]):
        return
    listed = ", ".join(names)
    # Table and column names are those of the schema, never of the data.
    if isinstance(columns[names[0]], list):
        values = ", ".join("unnest(?)" for _ in names)
        writer.execute(f"INSERT INTO {table} ({listed}) SELECT {values}", list(columns.values()))
    else:
        writer.register("frame", columns)
        try:
            writer.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM frame")
        finally:
            writer.unregister("frame")
