"""What a command was asked to do. A wrong value is refused with the flag, the value and the rule, before anything is opened."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from drm.errors import InvalidValueError
from drm.history.schema import LEVEL_NAMES
from drm.history.selections import COLUMNS
from drm.settings import Settings
from drm.tables.writing import FORMATS, Format
from drm.times import RULE, read_time

Action = Literal["info", "check", "vacuum", "copy"]
ACTIONS: dict[Action, str] = {
    "info": "what the history holds: times, rows, gaps, damaged files",
    "check": "read all of it, and say what is damaged (exit status 1)",
    "vacuum": "write it anew, without the room that old rows took",
    "copy": "a consistent copy, also while the program runs",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Whose history is meant: that of a folder, or a file by itself."""

    folder: Path
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """`drm export`."""

    place: Place
    table: str
    since: float
    until: float
    step: str | None
    to: Path
    form: Format


@dataclass(frozen=True, slots=True)
class History:
    """`drm history`."""

    place: Place
    action: Action
    to: Path | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidValueError(f"{message}; `{self.prog} --help` lists what there is")


def read(arguments: Sequence[str]) -> Export | History:
    """InvalidValueError where something is missing, unknown or wrong."""
    return _export(arguments[1:]) if arguments[0] == "export" else _history(arguments[1:])


def _export(arguments: Sequence[str]) -> Export:
    parser = _parser("export", "Writes a table of the history of a time into a file, also while the program runs.")
    parser.add_argument("--since", metavar="TIME", required=True, help=RULE)
    parser.add_argument("--until", metavar="TIME", help="the same; everything that is kept if not given")
    parser.add_argument("--to", metavar="FILE", required=True, help=f"its ending says what it is: {_endings()}")
    parser.add_argument("--table", metavar="NAME", default="decisions", help=f"{', '.join(COLUMNS)}; decisions if not given")
    parser.add_argument(
        "--step", metavar="STEP", help=f"of samples and fleet: {', '.join(LEVEL_NAMES)}; the finest of each time if not given"
    )
    given = parser.parse_args(list(arguments))
    now = time.time()
    since = read_time("--since", given.since, now)
    until = math.inf if given.until is None else read_time("--until", given.until, now)
    if until < since:
        raise InvalidValueError(f"--until must not lie before --since, got {given.until!r} and {given.since!r}")
    if given.table not in COLUMNS:
        raise InvalidValueError(f"--table must be one of {', '.join(COLUMNS)}, got {given.table!r}")
    if given.step is not None and (given.step not in LEVEL_NAMES or given.table not in ("samples", "fleet")):
        raise InvalidValueError(f"--step must be one of {', '.join(LEVEL_NAMES)}, of --table samples or fleet, got {given.step!r}")
    to = _target(given.to, "--to")
    form: Any = to.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise InvalidValueError(f"--to must end in {_endings()}, got {given.to!r}")
    return Export(_place(given), given.table, since, until, given.step, to, form)


def _history(arguments: Sequence[str]) -> History:
    parser = _parser("history", "Looks after the history that is kept.")
    parser.add_argument("action", choices=get_args(Action), help="; ".join(f"{name}: {words}" for name, words in ACTIONS.items()))
    parser.add_argument("to", metavar="TO", nargs="?", help="of copy: the file to be made")
    given = parser.parse_intermixed_args(list(arguments))
    if (given.action == "copy") != (given.to is not None):
        raise InvalidValueError(
            "`drm history copy` needs the file to be made, as in drm history copy history-copy.duckdb; others take none"
        )
    if given.action == "vacuum" and given.file is not None:
        raise InvalidValueError(f"vacuum is of a data folder, and --file {given.file!r} is a file by itself: leave --file out")
    return History(_place(given), given.action, None if given.to is None else _target(given.to, "TO"))


def _parser(name: str, description: str) -> _Parser:
    parser = _Parser(prog=f"drm {name}", description=description, allow_abbrev=False)
    parser.add_argument("--data-dir", metavar="PATH", help="the folder in which the program keeps history; as for the program if not given")
    parser.add_argument("--cluster", metavar="ADDRESS", help="the history of the pool on this scheduler, as for the program")
    parser.add_argument("--engine", metavar="ENGINE", help="external: the history of the pool that reports itself, as for the program")
    parser.add_argument("--config", metavar="FILE", help="a file of settings instead of drm.toml in the working directory")
    parser.add_argument("--file", metavar="FILE", help="a copy by itself instead of a data folder; nobody else may have it open")
    return parser


def _place(given: argparse.Namespace) -> Place:
    flags = [
        f"--{name.replace('_', '-')}={getattr(given, name)}" for name in ("data_dir", "cluster", "engine", "config") if getattr(given, name)
    ]
    if given.file is not None:
        path = Path(given.file).expanduser().absolute()
        if not path.is_file():
            raise InvalidValueError(f"--file {given.file!r}: there is no such file; name a history.duckdb or a copy of one")
        return Place(path.parent, path)
    folder = Settings.from_command_line(["--history", *flags]).history_folder
    if folder is None:
        raise InvalidValueError("a simulated pool keeps its history only in a folder that is named: name it with --data-dir")
    if folder.expanduser().is_file():
        raise InvalidValueError(f"--data-dir {str(folder)!r} is a file, and history is in a folder; a copy by itself is named with --file")
    return Place(folder.expanduser().absolute())


def _target(text: str, name: str) -> Path:
    path = Path(text).expanduser().absolute()
    if not path.parent.is_dir():
        raise InvalidValueError(f"{name} {text!r}: there is no folder {path.parent}; make it, or name another")
    if path.is_dir():
        raise InvalidValueError(f"{name} {text!r} is a folder; name a file in it")
    return path


def _endings() -> str:
    return ", ".join(f".{name}" for name in FORMATS)
