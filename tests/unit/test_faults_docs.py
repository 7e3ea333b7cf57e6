"""The page on bad days names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_fault_names_a_test_that_is_there() -> None:
    """Each row of docs/faults.md has a test at least, and each named file and function exists."""
    rows = [line for line in (ROOT / "docs" / "faults.md").read_text().splitlines() if line.startswith("| ") and "| test |" not in line]
    assert len(rows) > 25
    for row in rows:
        named = re.findall(r"`((?:tests/[\w/]+\.py)?)(?:::(\w+))?`", row.split("|")[-2])
        assert named, row
        file = ""
        for path, function in named:
            file = path or file
            assert not function or f"def {function}(" in (ROOT / file).read_text(), f"{file}::{function}"
