"""`drm history`: what is kept, whether it is sound, the room it takes, and a copy of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from drm.commands import DAMAGED
from drm.commands.asked import History, Place
from drm.commands.place import held, opened
from drm.errors import HistoryError, InvalidValueError
from drm.figures.units import amount, count, duration, plain
from drm.history.checking import check
from drm.history.copying import copy, log_of, private_folder, require_room
from drm.history.facts import Facts, facts
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.folder import FILE
from drm.history.schema import TABLES
from drm.history.still_file import StillFile

WIDTH = 14
GAPS_SHOWN = 20


def run(asked: History) -> int:
    """Does what was asked, and returns the exit status."""
    if asked.action == "info":
        print("\n".join(_lines(_facts(asked.place))))
    elif asked.action == "check":
        return _check(asked.place)
    elif asked.action == "vacuum":
        _vacuum(asked.place)
    elif asked.to is not None:
        _copy(asked.place, asked.to)
    return 0


def _facts(place: Place) -> Facts:
    with held(place) as running:
        if running is not None:
            return running.facts()
        with _still(place) as file:
            return facts(file)


def _check(place: Place) -> int:
    """Prints what was found, a line for each table and rule."""
    print(f"{place.file or place.folder / FILE}")
    try:
        with opened(place, Path(tempfile.gettempdir())) as file:
            if file.path not in (place.file, place.folder / FILE):
                print("A program has it open: this is a copy that it made, for which it has read everything.")
            found = list(check(file))
    except HistoryFileError as error:
        if error.trouble != "damaged":
            raise
        print(f"damaged: {error}")
        print("The program puts a damaged log, then a damaged file, aside under a name with the date when it starts, and deletes nothing.")
        return DAMAGED
    for one in found:
        is_table = one.what in TABLES
        print(
            f"{'damaged' if one.problem else 'sound':{WIDTH}}{one.what}"
            + (f", {count(one.rows, 'row')}" if is_table and not one.problem else "")
        )
        if one.problem:
            print(f"{'':{WIDTH}}{one.problem}")
    return DAMAGED if any(one.problem for one in found) else 0


def _vacuum(place: Place) -> None:
    """Writes the file anew beside the old one, which it takes the place of once it holds the same."""
    path = place.folder / FILE
    with held(place) as running:
        if running is not None:
            raise HistoryError(f"{running.who}: end it first, as nobody may have the file open while it is written anew")
        before = _size(path)
        require_room(path, place.folder)
        with _still(place) as file:
            had = facts(file).rows
        # What the log holds has to be in the file: the log of the old file must not be read into the new one.
        merged = HistoryFile(path)
        merged.open()
        merged.checkpoint()
        merged.close()
        if log_of(path).exists():
            raise HistoryError(f"{log_of(path)} could not be merged into {path}: look at it with `drm history check`")
        with private_folder(place.folder) as inside:
            with _still(place) as file:
                copy(file, inside / FILE)
            with _still(Place(inside)) as file:
                has = facts(file).rows
            if has != had:
                raise HistoryError(f"the new file holds {has}, the old one {had}: {path} is as it was; look at it with `drm history check`")
            os.replace(inside / FILE, path)
    print(f"drm: {path} had {amount('memory', before)}, and has {amount('memory', _size(path))}")


def _copy(place: Place, to: Path) -> None:
    if to.exists():
        raise InvalidValueError(f"TO {str(to)!r} is there already: name another file, or take that one away")
    with held(place) as running, private_folder(to.parent) as inside:
        new = inside / FILE
        if running is not None:
            running.fetch_copy(new)
        else:
            with _still(place) as file:
                require_room(file.path, to.parent)
                copy(file, new)
        with _still(Place(inside)) as file:
            rows = sum(facts(file).rows.values())
        os.replace(new, to)
    print(f"drm: {count(rows, 'row')} are copied to {to} ({amount('memory', _size(to))})")


@contextmanager
def _still(place: Place) -> Iterator[StillFile]:
    file = StillFile(place.file or place.folder / FILE)
    try:
        file.open()
        yield file
    finally:
        file.close()


def _size(path: Path) -> int:
    """With its log."""
    return sum(one.stat().st_size for one in (path, log_of(path)) if one.exists())


def _lines(found: Facts) -> list[str]:
    log = f", and {amount('memory', found.log_bytes)} in its log" if found.log_bytes else ""
    lines = [
        ("file", found.path),
        ("size", amount("memory", found.bytes) + log),
        ("source", found.source or "nothing is kept yet"),
        ("schema", str(found.schema)),
        ("from", _moment(found.first)),
        ("until", _moment(found.last)),
        *(
            ("rows" if index == 0 else "", f"{name:{WIDTH}} {rows:>12,}".replace(",", " "))
            for index, (name, rows) in enumerate(found.rows.items())
        ),
        ("gaps", str(len(found.gaps)) if found.gaps else "none"),
        *(("", f"{_moment(one.since)}, {duration(one.until - one.since)}: {plain(one.reason, 200)}") for one in found.gaps[-GAPS_SHOWN:]),
        ("damaged files", str(len(found.damaged)) if found.damaged else "none"),
        *(("", f"{one.name}, {amount('memory', one.bytes)}") for one in found.damaged),
    ]
    return [f"{name:{WIDTH}}{text}" for name, text in lines]


def _moment(at: float | None) -> str:
    return "nothing is kept yet" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
