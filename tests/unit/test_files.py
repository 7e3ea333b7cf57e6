"""Files: whole or not at all, errors that name value and remedy, CSV that no spreadsheet takes for formulas, the newest of many."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drm import files
from drm.errors import InvalidValueError
from drm.files import ExportError, csv_text, file_path, prune, stamped, write_atomically

CALLS = ("makedirs", "open", "write", "fsync", "close", "replace")


class FailingOs:
    """The module `os`, whose n-th call of those that writing makes fails as on a full disk."""

    def __init__(self, fail_at: int) -> None:
        self.calls = 0
        self._fail_at = fail_at

    def __getattr__(self, name: str) -> Any:
        real: Callable[..., Any] = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self._fail_at:
                if name == "close":
                    real(*arguments)
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **named)

        return call


def _fails(path: Path) -> bool:
    """Whether writing fails, with an error that names place, reason and remedy."""
    try:
        write_atomically({path: b"new"})
    except ExportError as error:
        told = str(error)
        return "no space left" in told and "free some space" in told and str(path) in told
    return False


def test_whichever_call_fails_the_old_file_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first, second, ... call fails until none does: what stood there is as it was, and nothing is left beside it."""
    path = tmp_path / "figure.html"
    path.write_bytes(b"old")
    for fail_at in range(1, 100):
        failing = FailingOs(fail_at)
        with monkeypatch.context() as patched:
            patched.setattr(files, "os", failing)
            if not _fails(path):
                break
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["figure.html"]
    assert fail_at == len(CALLS) + 1
    assert path.read_bytes() == b"new"


def test_files_that_belong_together_are_all_new_or_all_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever call of writing two of three fails: every file is as it was, one that was not there is not there, and nothing is left."""
    paths = [tmp_path / name for name in ("a", "b", "new")]
    for path in paths[:2]:
        path.write_bytes(b"old")
    until_renamed = 3 * (len(CALLS) - 1)
    for fail_at in range(1, until_renamed + 1):
        with monkeypatch.context() as patched:
            patched.setattr(files, "os", FailingOs(fail_at))
            with pytest.raises(ExportError, match="free some space"):
                write_atomically(dict.fromkeys(paths, b"new"))
        assert sorted(os.listdir(tmp_path)) == ["a", "b"]
        assert [path.read_bytes() for path in paths[:2]] == [b"old"] * 2
    write_atomically(dict.fromkeys(paths, b"new"))
    assert [path.read_bytes() for path in paths] == [b"new"] * 3


def test_a_write_that_is_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take fewer bytes than it was given."""
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda descriptor, rest: real(descriptor, rest[:3]))
    write_atomically({tmp_path / "a": b"0123456789"})
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_the_file_may_be_read_by_whom_the_user_lets(tmp_path: Path) -> None:
    """Its mode is that of any new file, not that of a temporary one."""
    before = os.umask(0o022)
    try:
        write_atomically({tmp_path / "deep" / "down" / "a": b"x"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "deep" / "down" / "a").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("place", "remedy"),
    [("file/a.html", "a file stands where the folder should be"), ("folder", "name a file in it"), ("x" * 300, "shorter name")],
)
def test_a_place_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path, place: str, remedy: str) -> None:
    """A file where a folder should be, a folder where a file should be, a name beyond the limit."""
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportError, match=remedy) as told:
        write_atomically({tmp_path / place: b"x"})
    assert str(tmp_path / place) in str(told.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """No permission, or a file system that is only for reading."""

    def refuse(*_: Any, **__: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(ExportError, match="choose a folder that you may write to"):
        write_atomically({tmp_path / "a": b"x"})


@pytest.mark.parametrize("given", ["", "a\0b", 7, None])
def test_what_is_no_path_is_refused(given: Any) -> None:
    """With the value."""
    with pytest.raises(InvalidValueError, match="a path must be a text"):
        file_path(given)


def test_csv_cells_are_texts_and_never_formulas() -> None:
    """A text that begins with = + - @ or a tab gets an apostrophe, and is one line; a number stays one; what is unknown is blank."""
    hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]
    text = csv_text(("name", "value"), [*((one, -1.5) for one in hostile), ('a, "b"\nc', math.nan), ("fine", None), ("\ud800", math.inf)])
    rows = list(csv.reader(io.StringIO(text.decode(), newline="")))
    assert rows[1:7] == [[f"'{one}".replace("\t", " ").replace("\r", " "), "-1.5"] for one in hostile]
    assert rows[7:] == [['a, "b" c', ""], ["fine", ""], ["?", ""]]


def test_names_are_in_the_order_of_time_and_only_the_oldest_go(tmp_path: Path) -> None:
    """Of many files of one figure the newest are kept; files of others that look alike stay."""
    names = [stamped("scaling", 1_800_000_000 + number / 1000, ".html") for number in range(5)]
    assert names == sorted(names)
    others = ["scaling.html", "scaling-old.html", stamped("scaling-x", 1.0, ".html"), stamped("scaling", 1.0, ".png")]
    for name in (*names, *others):
        (tmp_path / name).touch()
    prune(tmp_path, "scaling", ".html", 2)
    assert sorted(os.listdir(tmp_path)) == sorted([*names[-2:], *others])
