"""Tables as CSV, Parquet and JSON. DuckDB writes them, off the interpreter's lock, so that a large one does not hold up a tick."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from drm.errors import InvalidValueError
from drm.files import FORMULA, ExportError, without_controls
from drm.tables.table import Block, Kind, Table, Values

if TYPE_CHECKING:
    import duckdb

Format = Literal["csv", "parquet", "json", "ndjson"]
FORMATS: Mapping[Format, str] = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "json": "application/json"}
"""By the ending of a file; media types."""
MEDIA_TYPES: Mapping[Format, str] = {**FORMATS, "ndjson": "application/x-ndjson"}
"""Of all that can be written: ndjson, a row a line, is for programs that read it as it comes."""

MOST_ROWS = 2_000_000
MEMORY = "256MB"
"""Beyond that the rows are on disk."""

TYPES: Mapping[Kind, str] = {"text": "VARCHAR", "number": "DOUBLE", "integer": "BIGINT", "boolean": "BOOLEAN", "time": "DOUBLE"}
OPTIONS: Mapping[Format, str] = {
    "csv": "FORMAT csv, HEADER true",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "json": "FORMAT json, ARRAY true",
    "ndjson": "FORMAT json, ARRAY false",
}
ISO = "%Y-%m-%dT%H:%M:%S.%g+00:00"


class TooManyRowsError(InvalidValueError):
    """More than a table may have."""


def write(table: Table, path: Path, form: Format) -> int:
    """Writes the file, and returns how many rows it has. TooManyRowsError beyond `MOST_ROWS`; ExportError where it cannot be written."""
    import duckdb

    with told_of(path), tempfile.TemporaryDirectory(prefix="drm-", dir=path.parent) as folder:
        config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": MEMORY, "threads": "1", "temp_directory": folder}
        with duckdb.connect(":memory:", config=config) as connection:
            # Texts stay texts, whatever they look like.
            connection.execute("SET pandas_analyze_sample = 0")
            names = _distinct(["source", *table.columns])
            kinds: dict[str, Kind] = dict(zip(names, ("text", *table.columns.values()), strict=True))
            connection.execute(f"CREATE TABLE saved ({', '.join(f'{quoted(name)} {TYPES[kinds[name]]}' for name in names[1:])})")
            for block in _bounded(table):
                _insert(connection, table, block)
            return copy(connection, f"SELECT {literal(table.source)} AS source, * FROM saved", kinds, path, form)


def copy(connection: duckdb.DuckDBPyConnection, query: str, columns: Mapping[str, Kind], path: Path, form: Format) -> int:
    """Writes what a query answers, of which these are the columns, and returns how many rows; ExportError where it cannot be written."""
    shown = ", ".join(f"{_written(quoted(name), kind, form)} AS {quoted(name)}" for name, kind in columns.items())
    with told_of(path):
        written = connection.execute(f"COPY (SELECT {shown} FROM ({query})) TO {literal(str(path))} ({OPTIONS[form]})").fetchall()
    return int(written[0][0])


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """DuckDB's errors, and the system's, as ours."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise ExportError(f"{path} cannot be written: {' '.join(str(error).split())[:300]}") from error


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def _written(name: str, kind: Kind, form: Format) -> str:
    if kind == "time":
        # A timestamp with a zone is a moment; as text it would follow the clock of this machine.
        return f"to_timestamp({name})" if form == "parquet" else f"strftime(make_timestamp(CAST(round({name} * 1e6) AS BIGINT)), '{ISO}')"
    if kind == "text":
        clean = f"regexp_replace({name}, '[\\x00-\\x1f\\x7f]', ' ', 'g')"
        signs = ", ".join(literal(sign) for sign in FORMULA)
        return f"CASE WHEN left({name}, 1) IN ({signs}) THEN concat('''', {clean}) ELSE nullif({clean}, '') END" if form == "csv" else clean
    return name


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of which no two differ in upper and lower case only, which SQL does not tell apart, and which are lines: some hold those of
    providers."""
    seen: dict[str, int] = {}
    distinct = []
    for name in map(without_controls, names):
        seen[name.lower()] = seen.get(name.lower(), 0) + 1
        distinct.append(name if seen[name.lower()] == 1 else f"{name} ({seen[name.lower()]})")
    return distinct


def _bounded(table: Table) -> Iterator[Block]:
    rows = 0
    for block in table.blocks:
        rows += len(next(iter(block.values()), ()))
        if rows > MOST_ROWS:
            raise TooManyRowsError(
                f"{table.name} has more than {MOST_ROWS} rows here: ask for a shorter range, or for fewer times in it, as in columns=100"
            )
        yield block


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, block: Block) -> None:
    frame = {f"c{index}": _column(block[name], kind) for index, (name, kind) in enumerate(table.columns.items())}
    if len(next(iter(frame.values()), ())):
        connection.register("frame", frame)
        connection.execute("INSERT INTO saved SELECT * FROM frame")
        connection.unregister("frame")


def _column(values: Values, kind: Kind) -> Any:
    """An array for DuckDB; what is blank is masked."""
    if kind == "text":
        return np.array([None if one is None else str(one) for one in values] or [], object)
    given = values if isinstance(values, np.ndarray) else np.array([np.nan if one is None else one for one in values], np.float64)
    known = np.isfinite(given)
    as_type = {"integer": np.int64, "boolean": np.bool_}.get(kind, np.float64)
    return np.ma.masked_array(np.where(known, given, 0).astype(as_type), mask=~known)
