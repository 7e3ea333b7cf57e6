"""What is fetched as files: the data of each tab, and a copy of the history of a pool that goes on; over the wire, both ways."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from flask import Flask

from drm import asgi, export_api
from drm.errors import InvalidValueError
from drm.export_api import EXPORT_PATH, Asked, ExportParameters, read_export
from drm.history import copying
from drm.history.facts import facts, facts_of
from drm.history.levels import STEPS_SECONDS
from drm.history.schema import LEVEL_NAMES
from drm.http import create_blueprint
from drm.manager import DynamicResourceManager
from drm.server import create_standalone
from drm.state import DRMState
from drm.tables.saved import SAVED
from drm.tables.writing import FORMATS
from drm.windows import MOST_COLUMNS
from tests.integration.conftest import Wire
from tests.integration.recorded import STEP_SECONDS, Recorded, recording
from tests.integration.test_full_disk import MEGABYTE, Disk
from tests.unit.kept_pools import simulated
from tests.unit.page_pool import state_with_history

TOKEN = "correct-horse-battery"
GIVES_UP_AFTER = 40.0
ClientOf = Callable[..., Any]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """One of its own, since ticks are added here."""
    with recording(tmp_path_factory.mktemp("export") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def put(wire: Callable[[Flask], Wire]) -> ClientOf:
    """The API over a state on a server that is ours."""

    def served(state: Any, token: str | None = None) -> Wire:
        app = create_standalone("127.0.0.1", "/", token=token)
        app.register_blueprint(create_blueprint(state))
        return wire(app)

    return served


@pytest.fixture(scope="module")
def small(put: ClientOf) -> Wire:
    """Over a pool without a history."""
    return put(state_with_history())


@pytest.fixture(scope="module")
def kept(put: ClientOf, recorded: Recorded) -> Wire:
    """Over the recorded pool."""
    assert recorded.store.flush(30)
    return put(recorded.state)


def asked(tab: str, **more: str) -> dict[str, str]:
    return {"tab": tab, "range": "6h", **more}


@pytest.mark.parametrize(("tab", "table"), [(tab, one.name) for tab, saved in SAVED.items() for one in saved])
def test_each_table_of_each_tab_is_saved_in_each_format(kept: Wire, tmp_path: Path, tab: str, table: str) -> None:
    """As an attachment of its media type, whose rows say whose numbers they are; and the three hold as many rows."""
    rows = set()
    for form, media_type in FORMATS.items():
        answer = kept.test_client().get(EXPORT_PATH, query_string=asked(tab, table=table, format=form))
        assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, media_type, "no-store"), answer.text
        assert (
            answer.headers["Content-Disposition"].startswith('attachment; filename="drm-')
            and f'.{form}"' in answer.headers["Content-Disposition"]
        )
        path = tmp_path / f"saved.{form}"
        path.write_bytes(answer.data)
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT source FROM '{path}'").fetchall()
        rows.add(len(found))
        assert all(source.startswith("SIMULATED 24 workers") for (source,) in found)
    assert len(rows) == 1 and rows != {0}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"tab": "nothing"}, "tab must be one of overview, utilization, scaling, allocation, efficiency, cloud, got 'nothing'"),
        ({}, "tab must be one of"),
        ({"tab": "scaling", "table": "workers"}, "table of tab scaling must be one of series, decisions, got 'workers'"),
        ({"tab": "scaling", "format": "xlsx"}, "format must be one of csv, parquet, json, ndjson, got 'xlsx'"),
        ({"tab": "scaling", "range": "1y"}, "range must be one of 15m, 1h, 6h, 24h, 7d, 30d, or seconds from 10s to 2592000s"),
        ({"tab": "scaling", "range": "-5s"}, "got '-5s'"),
        ({"tab": "scaling", "at": "noon"}, "at must be a date and time"),
        ({"tab": "scaling", "at": "2999-01-01"}, "at must not lie in the future"),
        ({"tab": "scaling", "at": "nan"}, "got 'nan'"),
        ({"tab": "scaling", "columns": "0"}, f"columns must be a whole number from 1 to {MOST_COLUMNS}, got '0'"),
        ({"tab": "scaling", "columns": "²"}, "got '²'"),
        (
            {"tab": "utilization", "resource": "cpu,disk"},
            "some of cpu, memory, gpu, gpu_memory, separated by commas, got 'disk'",
        ),
        ({"tab": "scaling", "since": "1"}, "there is no parameter 'since' here; there is tab, table"),
    ],
)
def test_a_wrong_request_is_told_the_value_and_the_rule(small: Wire, query: dict[str, str], words: str) -> None:
    """400 with both, as JSON."""
    answer = small.test_client().get(EXPORT_PATH, query_string=query)
    assert answer.status_code == 400 and words in answer.json["detail"]


def test_what_is_asked_for_is_read_as_on_the_page() -> None:
    """Defaults are the page's; a time may be said in three ways."""

    def read(given: dict[str, str], now: float) -> Asked:
        return read_export(ExportParameters.of(given.items()), now)

    plain = read({"tab": "utilization"}, 1_000.0)
    assert (plain.saved.name, plain.form, plain.range_seconds, plain.at, plain.columns) == ("utilization", "csv", 900.0, None, None)
    assert read({"tab": "cloud", "at": ""}, 0.0).at is None
    assert [read({"tab": "cloud", "at": text}, 1_000.0).at for text in ("90", "1970-01-01T00:01:30", "910s")] == [90.0] * 3
    assert read({"tab": "cloud", "range": "1380s"}, 0.0).range_seconds == 1380.0
    with pytest.raises(InvalidValueError, match="got ''"):
        read({"tab": "utilization", "resource": "cpu,"}, 0.0)


def test_before_the_first_tick_a_table_is_empty_and_whole(put: ClientOf) -> None:
    """A header, and no row that was made up."""
    client = put(DRMState(DynamicResourceManager(now=0.0))).test_client()
    for tab, saved in SAVED.items():
        for one in saved:
            answer = client.get(EXPORT_PATH, query_string=asked(tab, table=one.name))
            rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
            assert answer.status_code == 200 and answer.text.startswith("source,"), answer.text
            assert not any(value for row in rows for name, value in row.items() if name not in ("source", "time_utc", "seconds"))


def test_looking_changes_nothing(small: Wire, kept: Wire, recorded: Recorded) -> None:
    """Neither a GET nor a HEAD makes a tick, a decision, or a file that stays; HEAD makes no copy at all."""
    before = recorded.state.snapshot.version, recorded.state.ledger.changes
    client = kept.test_client()
    assert client.get(EXPORT_PATH, query_string=asked("utilization")).status_code == 200
    assert client.head("/api/v1/backup").status_code == client.head(EXPORT_PATH, query_string=asked("cloud")).status_code == 200
    with recorded.store.copies.made():
        assert client.head("/api/v1/backup").status_code == 200, "no copy is made"
    assert (recorded.state.snapshot.version, recorded.state.ledger.changes) == before
    assert not list(recorded.folder.glob(f"{copying.PREFIX}*"))
    assert client.post("/api/v1/backup").status_code == 405


def test_a_third_export_at_the_same_time_has_to_wait(small: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with words; then there is room again."""
    begun, go_on = threading.Semaphore(0), threading.Event()
    real = export_api.write

    def slow(*arguments: Any) -> Any:
        begun.release()
        assert go_on.wait(20)
        return real(*arguments)

    monkeypatch.setattr(export_api, "write", slow)
    threads = [threading.Thread(target=lambda: small.test_client().get(EXPORT_PATH, query_string=asked("cloud"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=20)
    refused = small.test_client().get(EXPORT_PATH, query_string=asked("cloud"))
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5") and "2 exports are being made" in refused.json["detail"]
    assert small.test_client().get(EXPORT_PATH, query_string=asked("cloud")).status_code == 200


def test_too_many_rows_are_refused_with_what_helps(kept: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer parts of the range, as the error says, do fit."""
    monkeypatch.setattr("drm.tables.writing.MOST_ROWS", 1000)
    refused = kept.test_client().get(EXPORT_PATH, query_string=asked("utilization"))
    assert (
        refused.status_code == 400
        and "more than 1000 rows here: ask for a shorter range, or for fewer times in it" in refused.json["detail"]
    )
    assert kept.test_client().get(EXPORT_PATH, query_string=asked("utilization", columns="10")).status_code == 200


def test_no_room_on_the_disk_is_said(kept: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """507: of an export where the system says so, of a copy before it is begun."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(export_api, "write", full)
        answer = kept.test_client().get(EXPORT_PATH, query_string=asked("cloud"))
    assert answer.status_code == 507 and "no space left on device: make room" in answer.json["detail"]
    monkeypatch.setattr("drm.history.copying.ROOM", 10**12)
    answer = kept.test_client().get("/api/v1/backup")
    assert answer.status_code == 507 and "MiB are free: make room there" in answer.json["detail"]


def test_a_copy_that_does_not_fit_leaves_the_history_as_it_was(put: ClientOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real disk that fills up while it is made: 503 with the reason, nothing is left of it, and recording goes on."""
    # It would be refused beforehand.
    monkeypatch.setattr("drm.history.copying.ROOM", 0)
    with Disk(tmp_path / "disk", 64 * MEGABYTE) as disk:
        kept = simulated(disk.folder / "data")
        state = DRMState(kept.manager)
        for number in range(60):
            state.advance(kept.now + number * kept.step)
        kept.flush()
        disk.fill(3 * MEGABYTE)
        before = disk.files().keys()
        answer = put(state).test_client().get("/api/v1/backup")
        assert answer.status_code == 503 and "No space left on device" in answer.json["detail"]
        assert disk.files().keys() == before
        state.advance(kept.now + 60 * kept.step)
        kept.flush()
        assert kept.store.recording.state == "on" and kept.store.recording.complete_until == kept.now + 60 * kept.step
        disk.empty()
        assert put(state).test_client().get("/api/v1/backup").status_code == 200
        kept.end()


def rows_until(path: Path, moment: float) -> dict[str, tuple[Any, ...]]:
    """Count and hash of the rows of each table that nothing later can add to: what had ended by then, buckets that had closed."""
    steps = {f"{kind}_{name}": step for kind in ("samples", "fleet") for name, step in zip(LEVEL_NAMES, STEPS_SECONDS, strict=True)}
    with duckdb.connect(str(path), read_only=True) as history:
        return {
            name: history.execute(
                f"SELECT count(*), bit_xor(hash(r)) FROM {name} r WHERE {'finished_at' if name == 'tasks' else 'epoch'} < ?",
                [moment - steps.get(name, 0.0)],
            ).fetchall()[0]
            for name in (*steps, "events", "worker_states", "tasks", "costs")
        }


def copied(wire: Wire, path: Path) -> Path:
    """A copy that was fetched. The server is done with one a moment after its client."""
    until = time.monotonic() + GIVES_UP_AFTER
    while (answer := wire.test_client().get("/api/v1/backup")).status_code == 409:
        assert time.monotonic() < until
    assert answer.status_code == 200, answer.text
    path.write_bytes(answer.data)
    return path


def test_a_backup_is_whole_while_the_pool_goes_on(kept: Wire, recorded: Recorded, tmp_path: Path) -> None:
    """It opens, holds exactly what had been written, and no tick is half in it; the ticks meanwhile are written as well."""
    before, ticks = recorded.state.snapshot.time, 40
    assert recorded.store.flush(30)
    ready = threading.Event()

    def go_on() -> None:
        ready.wait(10)
        for number in range(1, ticks + 1):
            recorded.state.advance(before + number * STEP_SECONDS)

    thread = threading.Thread(target=go_on)
    thread.start()
    ready.set()
    copies = [copied(kept, tmp_path / f"{number}.duckdb") for number in range(3)]
    thread.join(60)
    assert recorded.state.health.ok and recorded.store.flush(30) and recorded.store.recording.state == "on"
    last = copied(kept, tmp_path / "last.duckdb")
    whole = rows_until(last, before)
    for copy in copies:
        assert rows_until(copy, before) == whole
    for copy in copies:
        with duckdb.connect(str(copy), read_only=True) as history:
            # `tail` says up to which tick a transaction went; what costs have is of that tick or an earlier one.
            (until,) = history.execute("SELECT max(epoch) FROM tail").fetchone() or (0,)
            assert until in [before + number * STEP_SECONDS for number in range(ticks + 1)]
            assert history.execute("SELECT max(epoch) FROM costs").fetchall() == [(until,)]
    with duckdb.connect(str(last), read_only=True) as history:
        assert history.execute("SELECT max(epoch) FROM tail").fetchall() == [(before + ticks * STEP_SECONDS,)]


def test_one_copy_at_a_time(kept: Wire, recorded: Recorded, tmp_path: Path) -> None:
    """409 with words while there is one; then the next."""
    with recorded.store.copies.made():
        answer = kept.test_client().get("/api/v1/backup")
    assert answer.status_code == 409 and "try again" in answer.json["detail"]
    assert copied(kept, tmp_path / "copy.duckdb").stat().st_size > 100_000


@pytest.mark.parametrize("stays", [False, True])
def test_a_client_that_goes_away_leaves_nothing_behind(
    kept: Wire, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stays: bool
) -> None:
    """The copy is gone from the folder, and another one can be made, after a client that read a part; also while one reads no more."""
    monkeypatch.setattr(asgi, "COLLECTED_BYTES", 256 * 1024)
    monkeypatch.setattr(asgi, "SEND_SECONDS", 1.0)
    with socket.create_connection(("127.0.0.1", kept.server.port), timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /api/v1/backup HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 200")
        if stays:
            copied(kept, tmp_path / "another.duckdb")
    copied(kept, tmp_path / "another.duckdb")
    # `os.walk`: the folder of the last copy may go meanwhile.
    assert not [name for folder, _, names in os.walk(recorded.folder) if copying.PREFIX in folder for name in names]


def test_a_program_without_history_says_so(small: Wire) -> None:
    """404 with what to do."""
    for path in ("/api/v1/history", "/api/v1/backup"):
        answer = small.test_client().get(path)
        assert answer.status_code == 404 and "start the program without --no-history" in answer.json["detail"]


def test_the_facts_of_the_history(kept: Wire, recorded: Recorded) -> None:
    """As the file says them: rows by table, times, the gap."""
    assert recorded.store.flush(30)
    told = facts_of(kept.test_client().get("/api/v1/history").json)
    assert told == facts(recorded.store.file)
    assert (told.source, told.first) == ("simulated", recorded.ticks[0][0].time)
    assert [(gap.since, gap.until) for gap in told.gaps] == [(gap.since, gap.until) for gap in recorded.store.gaps]
    assert told.rows["costs"] > 1000 and told.bytes > 100_000


def until_free(wire: Wire, path: str, headers: dict[str, str]) -> int:
    until = time.monotonic() + GIVES_UP_AFTER
    while (status := wire.test_client().get(path, headers=headers).status_code) == 409:
        assert time.monotonic() < until
    return int(status)


def test_who_may_have_a_copy(put: ClientOf, recorded: Recorded) -> None:
    """Not a page of another site; with a token, who shows it; without one, this machine only."""
    open_app, locked = put(recorded.state), put(recorded.state, TOKEN)
    for path in ("/api/v1/backup", f"{EXPORT_PATH}?tab=cloud"):
        refused = open_app.test_client().get(path, headers={"Sec-Fetch-Site": "cross-site"})
        assert refused.status_code == 403 and "another site" in refused.json["detail"]
        assert until_free(open_app, path, {"Sec-Fetch-Site": "same-origin"}) == 200
        assert locked.test_client().get(path).status_code == 401
        assert until_free(locked, path, {"Authorization": f"Bearer {TOKEN}"}) == 200
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    refused = open_app.app.test_client().get("/api/v1/backup", environ_overrides=elsewhere)
    assert refused.status_code == 403 and "start with --token" in refused.json["detail"]
    with open_app.app.test_client().get(f"{EXPORT_PATH}?tab=cloud", environ_overrides=elsewhere) as shown:
        assert shown.status_code == 200, "what a page shows is as open as the page"
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with locked.app.test_client().get("/api/v1/backup", environ_overrides=elsewhere, headers=bearer) as given:
        assert given.status_code == 200


def test_a_large_answer_arrives_whole(kept: Wire, monkeypatch: pytest.MonkeyPatch, recorded: Recorded) -> None:
    """Also where it is sent while it is read, to a client that takes its time."""
    monkeypatch.setattr(asgi, "COLLECTED_BYTES", 64 * 1024)
    connection = http.client.HTTPConnection("127.0.0.1", kept.server.port, timeout=30)
    connection.request("GET", "/api/v1/backup")
    answer = connection.getresponse()
    content = b""
    while part := answer.read(100_000):
        content += part
        threading.Event().wait(0.002)
    connection.close()
    assert len(content) == int(answer.headers["Content-Length"]) > 1_000_000
    assert kept.test_client().get("/api/v1/history").status_code == 200


@pytest.fixture(autouse=True)
def nothing_in_the_way(recorded: Recorded) -> Iterator[None]:
    """The lock of the copies is free again after each test."""
    yield
    until = time.monotonic() + GIVES_UP_AFTER
    while not recorded.store.copies._making.acquire(timeout=0.1):
        assert time.monotonic() < until
    recorded.store.copies._making.release()


def test_json_is_strict(kept: Wire) -> None:
    """Unknown numbers are null."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    rows = json.loads(kept.test_client().get(EXPORT_PATH, query_string=asked("overview", format="json")).text, parse_constant=refuse)
    assert None in rows[0].values() or None in rows[-1].values()
