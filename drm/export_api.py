"""What programs and the button "Save data" fetch as files: the data of a tab, the history's facts, and a copy of the whole history.

A file is made on disk, is gone from there as soon as it is open, and is read as it is sent: what a client that goes away leaves behind is
nothing. GET only; nothing of the state is written.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from flask import Blueprint, Response, current_app, request

from drm.errors import CopyBusyError, DRMError, HistoryError, InvalidValueError, NoRoomError
from drm.figures.notes import Note
from drm.files import ExportError, stamped
from drm.guards import trust_of
from drm.hosting import is_loopback
from drm.model import NAME_LIMIT, RESOURCES
from drm.state import DRMState
from drm.tables.saved import SAVED, Saved, Wanted
from drm.tables.writing import FORMATS, Format, write
from drm.tabs import DEFAULT_RANGE, LONGEST_SECONDS, RANGES, SHORTEST_SECONDS, range_seconds
from drm.times import read_time
from drm.windows import MOST_COLUMNS

if TYPE_CHECKING:
    from drm.history.store import HistoryStore

EXPORT_PATH, HISTORY_PATH, BACKUP_PATH = PATHS = ("/api/v1/export", "/api/v1/history", "/api/v1/backup")
PARAMETERS = ("tab", "table", "format", "range", "at", "columns", "resource")
EXPORTS_AT_ONCE = 2
CHUNK_BYTES = 256 * 1024
DATABASE = "application/vnd.duckdb"
NOT_KEPT = {"Cache-Control": "no-store"}


class NoHistoryError(DRMError):
    """There is no history to answer from."""


class RefusedError(DRMError):
    """Who asks may not have it."""


class BusyError(DRMError):
    """Others have asked first."""


STATUS = (
    (InvalidValueError, 400),
    (RefusedError, 403),
    (NoHistoryError, 404),
    (CopyBusyError, 409),
    (NoRoomError, 507),
    (ExportError, 507),
    (BusyError, 503),
    (HistoryError, 503),
)
"""Of an answer, by error."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for an export asks for."""

    tab: str
    saved: Saved
    form: Format
    range_seconds: float
    at: float | None
    columns: int | None
    resources: tuple[str, ...]


def add_routes(blueprint: Blueprint, state: DRMState) -> None:
    """Adds `PATHS` to the blueprint of the API."""
    exporting = threading.BoundedSemaphore(EXPORTS_AT_ONCE)

    @blueprint.get(EXPORT_PATH)
    def export() -> Response:
        if not exporting.acquire(blocking=False):
            return _refused(BusyError(f"{EXPORTS_AT_ONCE} exports are being made: try again in a moment"))
        try:
            _refuse_other_site()
            return _export(state, read_export(request.args, state.end()))
        except DRMError as error:
            return _refused(error)
        finally:
            exporting.release()

    @blueprint.get(HISTORY_PATH)
    def history() -> Response:
        try:
            store = _store(state)
            from drm.history.facts import facts, facts_json

            return Response(json.dumps(facts_json(facts(store.file))), mimetype="application/json", headers=NOT_KEPT)
        except DRMError as error:
            return _refused(error)

    @blueprint.get(BACKUP_PATH)
    def backup() -> Response:
        try:
            _refuse_other_site()
            _refuse_stranger()
            return _backup(_store(state), stamped("drm-history", state.end(), ".duckdb"))
        except DRMError as error:
            return _refused(error)


def read_export(arguments: Mapping[str, str], now: float) -> Asked:
    """What is asked for. InvalidValueError with the name, the value and the rule."""
    for name in arguments:
        if name not in PARAMETERS:
            raise InvalidValueError(f"there is no {name[:NAME_LIMIT]!r} to export by; there is {', '.join(PARAMETERS)}")
    tab = _one_of("tab", arguments.get("tab", ""), SAVED)
    tables = {one.name: one for one in SAVED[tab]}
    form: Any = _one_of("format", arguments.get("format", "csv"), FORMATS)
    resources = arguments["resource"].split(",") if "resource" in arguments else ()
    return Asked(
        tab=tab,
        saved=tables[_one_of(f"table of tab {tab}", arguments.get("table", SAVED[tab][0].name), tables)],
        form=form,
        range_seconds=read_range(arguments.get("range", DEFAULT_RANGE)),
        at=read_time("at", arguments["at"], now) if arguments.get("at") else None,
        columns=_columns(arguments["columns"]) if "columns" in arguments else None,
        resources=tuple(_one_of("resource", name, RESOURCES) for name in resources),
    )


def _export(state: DRMState, asked: Asked) -> Response:
    view = state.at(asked.at)
    if request.method == "HEAD":
        return Response(iter(()), mimetype=FORMATS[asked.form])
    wanted = Wanted(
        view=view,
        windows=view if asked.at is not None or not math.isfinite(state.snapshot.time) else state.at(state.end()),
        source=Note(view.snapshot.source, asked.range_seconds, view.end()).badge,
        range_seconds=asked.range_seconds,
        columns=asked.columns,
        resources=asked.resources,
    )
    with _told_of("export"), ExitStack() as stack:
        with tempfile.TemporaryDirectory(prefix="drm-") as folder:
            path = Path(folder) / f"export.{asked.form}"
            write(asked.saved.build(wanted), path, asked.form)
            file = stack.enter_context(path.open("rb"))
        named = "-".join(dict.fromkeys(("drm", asked.tab, asked.saved.name)))
        return _download(file, stamped(named, view.end(), f".{asked.form}"), FORMATS[asked.form], stack)


def _backup(store: HistoryStore, name: str) -> Response:
    if request.method == "HEAD":
        return Response(iter(()), mimetype=DATABASE)
    with _told_of("copy"), ExitStack() as stack:
        path = stack.enter_context(store.copies.made())
        file = stack.enter_context(path.open("rb"))
        path.unlink()
        return _download(file, name, DATABASE, stack)


def _download(file: BinaryIO, name: str, media_type: str, stack: ExitStack) -> Response:
    """A file that has no name any more, so that the disk forgets it once it is closed. `stack` is left when the answer has ended, however
    it did."""
    size = os.fstat(file.fileno()).st_size
    headers = {**NOT_KEPT, "Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(size)}
    answer = Response(iter(partial(file.read, CHUNK_BYTES), b""), mimetype=media_type, headers=headers)
    answer.call_on_close(stack.pop_all().close)
    return answer


def _store(state: DRMState) -> HistoryStore:
    if state.manager.store is None:
        raise NoHistoryError("this program keeps no history: start it without --no-history, and a simulated pool with --data-dir")
    return state.manager.store


def _refuse_other_site() -> None:
    """Another site's page could not read the answer, and could keep this machine busy with making it."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise RefusedError("this request comes from a page of another site: open the address itself")


def _refuse_stranger() -> None:
    """A copy holds more than a page shows. In a host application the host's own rules decide."""
    trust = trust_of(current_app)
    if trust is not None and not trust.has_door and not is_loopback(request.remote_addr or ""):
        raise RefusedError("a copy of the whole history goes to other machines only where a token is asked for: start with --token")


def _one_of(name: str, value: str, known: Iterable[str]) -> str:
    if value not in known:
        raise InvalidValueError(f"{name} must be one of {', '.join(known)}, got {value[:NAME_LIMIT]!r}")
    return value


def read_range(text: str) -> float:
    seconds = range_seconds(text)
    if seconds is None:
        raise InvalidValueError(
            f"range must be one of {', '.join(RANGES)}, or seconds from {SHORTEST_SECONDS:g}s to {LONGEST_SECONDS:.0f}s as in 1380s, "
            f"got {text[:NAME_LIMIT]!r}"
        )
    return seconds


def _columns(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_COLUMNS):
        raise InvalidValueError(f"columns must be a whole number from 1 to {MOST_COLUMNS}, got {text[:NAME_LIMIT]!r}")
    return int(text)


@contextmanager
def _told_of(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"the {what} cannot be made: {(error.strerror or str(error)).lower()}: make room on this machine") from error


def _refused(error: DRMError) -> Response:
    status = next((code for kind, code in STATUS if isinstance(error, kind)), 503)
    answer = Response(json.dumps({"error": str(error)}), status, mimetype="application/json", headers=NOT_KEPT)
    if status in (409, 503):
        answer.headers["Retry-After"] = "5"
    return answer
