"""A table on its way to a file: typed columns, and their values block by block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drm.files import csv_text

Kind = Literal["text", "number", "integer", "boolean", "time"]
"""A time is epoch seconds here, and ISO 8601 or a timestamp in a file."""

Values = Sequence[Any] | npt.NDArray[Any]
Block = Mapping[str, Values]
"""Values by column, of one length; None or NaN is blank."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Read once: `blocks` may be made as they are asked for."""

    name: str
    source: str
    """Whose numbers these are, as on the page's badge; the first column of every file."""
    columns: Mapping[str, Kind]
    """In their order. Units are in the names."""
    blocks: Iterable[Block]


def moment(time: float) -> str | None:
    """Epoch seconds as ISO 8601, UTC."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds") if math.isfinite(time) else None


def csv_bytes(table: Table) -> bytes:
    """A small table as CSV."""
    rows: list[Sequence[object]] = []
    for block in table.blocks:
        columns = [_cells(block[name], kind) for name, kind in table.columns.items()]
        rows += [(table.source, *cells) for cells in zip(*columns, strict=True)]
    return csv_text(("source", *table.columns), rows)


def _cells(values: Values, kind: Kind) -> list[Any]:
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return [None if one is None else moment(one) for one in listed] if kind == "time" else listed
