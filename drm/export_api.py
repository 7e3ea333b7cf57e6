"""What programs and the button "Save data" fetch as files: the data of a tab, the history's facts, and a copy of the whole history.

A file is made on disk, is gone from there as soon as it is open, and is read as it is sent: what a client that goes away leaves behind is
nothing. GET only; nothing of the state is written.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from flask import Response, current_app, request

from drm.answers import Told
from drm.figures.notes import Note
from drm.files import ExportError, stamped
from drm.guards import trust_of
from drm.hosting import is_loopback
from drm.model import RESOURCES
from drm.parameters import NAME, RANGE, Parameters, one_of, some_of, whole_number, written
from drm.problems import ProblemError
from drm.routes import NO_STORE, Call, Route, wants_rows
from drm.state import DRMState
from drm.tables.saved import SAVED, Saved, Wanted
from drm.tables.writing import MEDIA_TYPES, Format, write
from drm.tabs import DEFAULT_RANGE
from drm.times import read_time
from drm.windows import MOST_COLUMNS

if TYPE_CHECKING:
    from drm.history.store import HistoryStore

EXPORT_PATH, HISTORY_PATH, BACKUP_PATH = "/api/v1/export", "/api/v1/history", "/api/v1/backup"
EXPORTS_AT_ONCE = 2
CHUNK_BYTES = 256 * 1024
DATABASE = "application/vnd.duckdb"


def _facts() -> Any:
    # It brings DuckDB along, which only a pool with a history needs.
    from drm.history.facts import Facts

    return Facts


HistoryAnswer = Annotated[Any, Told(_facts)]


class ExportParameters(Parameters):
    """Which table, of which time, and how."""

    tab: Annotated[str, one_of(SAVED)]
    """The tab whose data is meant."""
    table: Annotated[str | None, NAME] = None
    """One of the tab's tables; without it the first one."""
    format: Annotated[Any, one_of(MEDIA_TYPES)] = None
    """Without it csv, or ndjson where the request accepts it rather."""
    range: Annotated[float, RANGE] = written(DEFAULT_RANGE)
    """How long before the moment."""
    at: Annotated[str | None, NAME] = None
    """A moment of the past: epoch seconds, a date and time as in 2026-01-05T08:00, or how long ago as in 90m; else the present."""
    columns: Annotated[int | None, whole_number(1, MOST_COLUMNS)] = None
    """In how many parts a range is told; without it as many as on the screen."""
    resource: Annotated[tuple[str, ...], some_of(RESOURCES)] = ()
    """Of `utilization`; without it all that the pool has."""


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


def export_routes(state: DRMState) -> tuple[Route[Any, Any], ...]:
    """The routes over a state."""
    exporting = threading.BoundedSemaphore(EXPORTS_AT_ONCE)

    def export(call: Call[ExportParameters, Any]) -> Response:
        if not exporting.acquire(blocking=False):
            raise ProblemError("busy", f"{EXPORTS_AT_ONCE} exports are being made: try again in a moment")
        try:
            _refuse_other_site()
            return _export(state, read_export(call.query, state.end(), "ndjson" if wants_rows() else "csv"))
        finally:
            exporting.release()

    def history(_: Any) -> Any:
        from drm.history.facts import facts, facts_json

        return facts_json(facts(_store(state).file))

    def backup(_: Any) -> Response:
        _refuse_other_site()
        _refuse_stranger()
        return _backup(_store(state), stamped("drm-history", state.end(), ".duckdb"))

    file_problems = ("forbidden", "other-origin", "no-room")
    return (
        Route(
            EXPORT_PATH,
            "A table of a tab as a file",
            export,
            query=ExportParameters,
            media_types=tuple(MEDIA_TYPES.values()),
            problems=(*file_problems, "busy"),
        ),
        Route(
            HISTORY_PATH,
            "What is kept in the history's file",
            history,
            answer=HistoryAnswer,
            problems=("nothing-kept", "history-unavailable"),
        ),
        Route(
            BACKUP_PATH,
            "A copy of the history's file",
            backup,
            media_types=(DATABASE,),
            problems=(*file_problems, "nothing-kept", "copy-busy", "history-unavailable"),
        ),
    )


def read_export(asked: ExportParameters, now: float, otherwise: Format = "csv") -> Asked:
    """What is asked for, in the format `otherwise` where none is named. InvalidValueError with the name, the value and the rule."""
    tables = {one.name: one for one in SAVED[asked.tab]}
    named = next(iter(tables)) if asked.table is None else one_of(tables).read(f"table of tab {asked.tab}", asked.table)
    return Asked(
        tab=asked.tab,
        saved=tables[named],
        form=asked.format or otherwise,
        range_seconds=asked.range,
        at=read_time("at", asked.at, now) if asked.at else None,
        columns=asked.columns,
        resources=asked.resource,
    )


def _export(state: DRMState, asked: Asked) -> Response:
    view = state.at(asked.at)
    if request.method == "HEAD":
        return Response(iter(()), mimetype=MEDIA_TYPES[asked.form])
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
        return _download(file, stamped(named, view.end(), f".{asked.form}"), MEDIA_TYPES[asked.form], stack)


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
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(size)}
    answer = Response(iter(partial(file.read, CHUNK_BYTES), b""), mimetype=media_type, headers=headers)
    answer.call_on_close(stack.pop_all().close)
    return answer


def _store(state: DRMState) -> HistoryStore:
    if state.manager.store is None:
        raise ProblemError(
            "nothing-kept", "no history is kept: start the program without --no-history, and a simulated pool with --data-dir"
        )
    return state.manager.store


def _refuse_other_site() -> None:
    """Another site's page could not read the answer, and could keep this machine busy with making it."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise ProblemError("other-origin", "this request comes from a page of another site: open the address itself")


def _refuse_stranger() -> None:
    """A copy holds more than a page shows. In a host application the host's own rules decide."""
    trust = trust_of(current_app)
    if trust is not None and not trust.has_door and not is_loopback(request.remote_addr or ""):
        raise ProblemError(
            "forbidden", "a copy of the whole history goes to other machines only where a token is asked for: start with --token"
        )


@contextmanager
def _told_of(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"the {what} cannot be made: {(error.strerror or str(error)).lower()}: make room on this machine") from error
