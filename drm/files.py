"""Files appear whole or not at all: a temporary file in the same folder, then one rename. Those that belong together appear together."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from drm.errors import DRMError, InvalidValueError

ANOTHER_FOLDER = "choose a folder that you may write to"
REMEDIES = {
    errno.ENOSPC: "free some space there, or choose another folder",
    errno.EDQUOT: "free some space there, or choose another folder",
    errno.EACCES: ANOTHER_FOLDER,
    errno.EPERM: ANOTHER_FOLDER,
    errno.EROFS: ANOTHER_FOLDER,
    errno.EEXIST: "a file stands where the folder should be: choose another folder",
    errno.ENOTDIR: "a file stands where the folder should be: choose another folder",
    errno.EISDIR: "it is a folder: name a file in it",
    errno.ENAMETOOLONG: "choose a shorter name",
}

STAMP = "%Y%m%dT%H%M%S%f"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula."""
CONTROLS = dict.fromkeys([*range(32), 127], " ")


class ExportError(DRMError):
    """A file could not be written; what stood there before is as it was."""


def write_atomically(contents: Mapping[Path, bytes]) -> None:
    """Writes the files, and the folders that they are in; where there is no room for one of them, all stay as they are.

    ExportError names the path that could not be written, the reason and the remedy.
    """
    temporary: dict[Path, Path] = {}
    path = Path()
    try:
        try:
            for path, content in contents.items():
                os.makedirs(path.parent, exist_ok=True)
                temporary[path] = path.parent / f".drm-{secrets.token_hex(6)}.tmp"
                _write_new(temporary[path], content)
            for path, written in temporary.items():
                os.replace(written, path)
        finally:
            for written in temporary.values():
                written.unlink(missing_ok=True)
    except OSError as error:
        raise _told(path, error) from error


@contextmanager
def replaced_atomically(path: Path) -> Iterator[Path]:
    """A path in the same folder, whose file takes the place of `path` once this is over, unless it failed; for what is written by others.
    ExportError as above."""
    temporary = path.parent / f".drm-{secrets.token_hex(6)}.tmp"
    try:
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _told(path, error) from error


def _told(path: Path, error: OSError) -> ExportError:
    remedy = REMEDIES.get(error.errno or 0, "choose another place")
    return ExportError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}; {remedy}")


def file_path(given: str | os.PathLike[str]) -> Path:
    """A path from outside; InvalidValueError where it cannot be one."""
    text = os.fspath(given) if isinstance(given, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidValueError(f"a path must be a text that names a file or folder, got {given!r}")
    return Path(text).expanduser()


def stamped(stem: str, now: float, suffix: str) -> str:
    """The name of a file that is one of many: `STEM-20260105T080000000000Z.html`, whose order is that of the time (UTC)."""
    return f"{stem}-{datetime.fromtimestamp(now, UTC):{STAMP}}Z{suffix}"


def prune(folder: Path, stem: str, suffix: str, keep: int) -> None:
    """Leaves the newest `keep` of the files that `stamped` named so; other files are somebody else's."""
    pattern = re.compile(re.escape(stem) + r"-\d{8}T\d{12}Z" + re.escape(suffix))
    for name in sorted((name for name in os.listdir(folder) if pattern.fullmatch(name)), reverse=True)[keep:]:
        (folder / name).unlink(missing_ok=True)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as CSV (RFC 4180, UTF-8). What is unknown is blank; a text that a spreadsheet would take for a formula gets an apostrophe.
    Control characters are blanks: a row is a line."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([_cell(name) for name in header])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if not isinstance(value, str):
        return value
    return f"'{without_controls(value)}" if value.startswith(FORMULA) else without_controls(value)


def without_controls(text: str) -> str:
    """The text with a blank for each control character of ASCII."""
    return text.translate(CONTROLS)


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
