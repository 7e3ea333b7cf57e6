"""What there is to know of a history file without looking into its rows."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drm.history import schema
from drm.history.copying import log_of
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.gaps import Gap, gaps
from drm.history.reading import last_epoch


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that was put aside."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Times are epoch seconds; None where nothing was kept."""

    path: str
    bytes: int
    log_bytes: int
    """Of what is not merged into the file yet."""
    source: str | None
    """`live`, `external` or `simulated`."""
    schema: int
    first: float | None
    last: float | None
    rows: dict[str, int]
    """By table."""
    gaps: tuple[Gap, ...]
    damaged: tuple[Damaged, ...]
    """Files beside it that were put aside because they were damaged."""


def size_bytes(file: HistoryFile) -> int:
    """What the history takes of the disk, with its log."""
    return _size(file.path) + file.log_bytes


def facts(file: HistoryFile) -> Facts:
    """Of an open file. HistoryFileError where it cannot be read."""
    told = dict(file.read("SELECT name, value FROM meta"))
    tables = ("events", "worker_states", "decision_rows", "fleet_1h")
    firsts = " UNION ALL ".join(f"SELECT min(epoch) AS first FROM {name}" for name in tables)
    last = last_epoch(file)
    counted = ", ".join(f"(SELECT count(*) FROM {name})" for name in schema.TABLES)
    return Facts(
        path=str(file.path),
        bytes=_size(file.path),
        log_bytes=_size(log_of(file.path)),
        source=told.get("source"),
        schema=int(told["schema_version"]),
        first=file.read(f"SELECT min(first) FROM ({firsts})")[0][0],
        last=last if math.isfinite(last) else None,
        rows=dict(zip(schema.TABLES, file.read(f"SELECT {counted}")[0], strict=True)),
        gaps=gaps(file),
        damaged=tuple(Damaged(one.name, _size(one)) for one in sorted(file.path.parent.glob(f"{file.path.name}*.damaged-*"))),
    )


def facts_json(found: Facts) -> dict[str, Any]:
    """For JSON, and for `facts_of`."""
    return asdict(found)


def facts_of(told: dict[str, Any]) -> Facts:
    """What `facts_json` gave."""
    told_gaps = tuple(Gap(**one) for one in told["gaps"])
    return Facts(**{**told, "gaps": told_gaps, "damaged": tuple(Damaged(**one) for one in told["damaged"])})


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def memory_bytes(file: HistoryFile) -> float:
    """What DuckDB holds in memory, of the file and of what is not in it yet; NaN where it cannot be asked now."""
    try:
        return float(file.read("SELECT sum(memory_usage_bytes) FROM duckdb_memory()")[0][0])
    except HistoryFileError:
        return math.nan
