"""`drm export`: a table of the history of a time as a file."""

from __future__ import annotations

from drm.commands.asked import Export
from drm.commands.place import opened
from drm.files import replaced_atomically
from drm.history.selections import COLUMNS, selection
from drm.tables.table import Kind
from drm.tables.writing import copy, quoted


def run(asked: Export) -> int:
    """Writes the file, whole or not at all, and says how many rows it has."""
    columns: dict[str, Kind] = {"source": "text", **COLUMNS[asked.table]}
    with opened(asked.place, asked.to.parent) as file, replaced_atomically(asked.to) as temporary:
        rows = selection(file, asked.table, asked.since, asked.until, asked.step)
        named = ", ".join(quoted(name) for name in COLUMNS[asked.table])
        query = f"SELECT upper((SELECT value FROM meta WHERE name = 'source')) AS source, * FROM ({rows}) AS found({named})"
        with file.cursor() as cursor:
            written = copy(cursor, query, columns, temporary, asked.form)
    print(f"drm: {written} rows of {asked.table} are in {asked.to}")
    return 0
