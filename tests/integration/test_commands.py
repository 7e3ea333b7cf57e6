"""`drm export` and `drm history`: over a folder that a killed program left, and over one that a program holds."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from drm.cli import main
from drm.errors import HistoryError
from drm.history.folder import HOLDER, HistoryFolder
from drm.history.schema import TABLES, VERSION
from drm.manager import DynamicResourceManager
from drm.server import Server
from drm.serving import serve
from drm.state import DRMState
from tests.integration.test_cli import ROOT, Program
from tests.unit.kept_pools import START, Kept, simulated

TICKS, TOKEN = 150, "correct-horse-battery"
Ran = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed program leaves: a file, a log beside it, and tasks that have not ended."""
    folder = tmp_path_factory.mktemp("killed")
    kept = simulated(folder / "alive", seed=3)
    kept.run(TICKS)
    return kept.kill(folder / "killed")


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    """A copy of that to be changed."""
    return Path(shutil.copytree(killed, tmp_path / "data"))


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Ran:
    """Runs a command: exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        status = main([str(one) for one in arguments])
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def rows(path: Path) -> dict[str, int]:
    """By table."""
    with duckdb.connect(str(path), read_only=True) as history:
        return {name: history.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in TABLES}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("drm.")}


def test_info_says_what_there_is_and_touches_nothing(folder: Path, ran: Ran) -> None:
    """Sizes with the log, source, times, rows by table; gaps and damaged files, if there are some."""
    (folder / "history.duckdb.damaged-20260101T000000Z").write_bytes(b"x" * 2048)
    before = bytes_of(folder)
    status, told, _ = ran("history", "info", "--data-dir", folder)
    assert status == 0 and bytes_of(folder) == before
    assert "in its log" in told and "source        simulated" in told and "from          2026-01-05 08:00:00 UTC" in told
    assert "damaged-20260101T000000Z, 2 KiB" in told and "gaps          none" in told
    for name, count in rows(folder / "history.duckdb").items():
        assert f"{name:14} {count:>12,}".replace(",", " ") in told
    assert HistoryFolder(folder).holder() == {}, "the folder is free again"


def test_check_reads_everything(folder: Path, ran: Ran) -> None:
    """A line for each table and rule; nothing is changed."""
    before = bytes_of(folder)
    status, told, _ = ran("history", "check", "--data-dir", folder)
    assert status == 0 and bytes_of(folder) == before
    assert told.count("sound") > len(TABLES) and "damaged" not in told


def test_check_finds_flipped_bytes_and_deletes_nothing(folder: Path, ran: Ran) -> None:
    """Exit status 1, the table's name, and the file as it was."""
    assert ran("history", "vacuum", "--data-dir", folder)[0] == 0
    file = folder / "history.duckdb"
    content = bytearray(file.read_bytes())
    # Each block of 256 KiB has a checksum; the first ones are the header's.
    for at in range(3 * 4096 + 1000, len(content), 256 * 1024):
        content[at] ^= 0xFF
    file.write_bytes(content)
    status, told, error = ran("history", "check", "--data-dir", folder)
    assert status == 1 and "damaged" in told and not error
    assert file.read_bytes() == bytes(content) and not list(folder.glob("*.damaged-*"))


def test_check_finds_what_does_not_fit_together(folder: Path, ran: Ran) -> None:
    """Rows that no drm writes: a mean above its maximum, a sample twice, a document that is none."""
    with duckdb.connect(str(folder / "history.duckdb")) as history:
        history.execute("UPDATE samples_1m SET used_cpu = 9, used_cpu_max = 3 WHERE epoch = (SELECT min(epoch) FROM samples_1m)")
        history.execute("INSERT INTO fleet_1m SELECT * FROM fleet_1m LIMIT 1")
        history.execute("UPDATE decision_rows SET document = '{' WHERE id = 1")
    status, told, _ = ran("history", "check", "--data-dir", folder)
    assert status == 1
    for rule in (
        "no mean of a bucket is above its maximum",
        "each series has one value in a bucket",
        "each decision's document can be read",
    ):
        assert f"damaged       {rule}" in told
    assert "sound         each worker has one sample in a bucket" in told


def test_a_file_that_is_none_is_damaged(folder: Path, ran: Ran) -> None:
    """Its header is not DuckDB's; the words say what the program will do."""
    (folder / "history.duckdb").write_bytes(b"no database" * 1000)
    status, told, _ = ran("history", "check", "--data-dir", folder)
    assert status == 1 and "damaged: " in told and "deletes nothing" in told
    status, _, error = ran("history", "info", "--data-dir", folder)
    assert status == 2 and error.startswith("drm: ") and error.count("\n") == 1


def test_vacuum_writes_the_same_rows_anew(folder: Path, ran: Ran) -> None:
    """Smaller, without a log, and a program goes on from it."""
    before = rows(folder / "history.duckdb")
    status, told, _ = ran("history", "vacuum", "--data-dir", folder)
    assert status == 0 and " had " in told and " has " in told
    assert rows(folder / "history.duckdb") == before
    assert sorted(bytes_of(folder)) == ["history.duckdb"]
    assert (folder / "history.duckdb").stat().st_mode & 0o777 == 0o600
    again = simulated(folder, START + 2 * TICKS * 60.0)
    again.run(3)
    assert len(again.manager.decisions()) > 3 and again.store.recording.state == "on"
    again.end()


def test_a_copy_is_the_same_and_is_never_written_over_another(folder: Path, tmp_path: Path, ran: Ran) -> None:
    """All rows, readable by its owner only; a second one under the same name is refused."""
    to = tmp_path / "copy.duckdb"
    status, told, _ = ran("history", "copy", to, "--data-dir", folder)
    assert status == 0 and f"are copied to {to}" in told and to.stat().st_mode & 0o777 == 0o600
    assert rows(to) == rows(folder / "history.duckdb")
    content = to.read_bytes()
    status, _, error = ran("history", "copy", to, "--data-dir", folder)
    assert status == 2 and "is there already: name another file" in error and to.read_bytes() == content
    assert ran("history", "info", "--file", to)[0] == ran("history", "check", "--file", to)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.duckdb", "data"]


def test_an_export_takes_the_place_of_an_older_one_whole_or_not_at_all(
    folder: Path, tmp_path: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it fails, what stood there stays, and nothing is left beside it."""
    to = tmp_path / "decisions.csv"
    asked = ("export", "--since", "2026-01-01", "--to", to, "--data-dir", folder)
    assert ran(*asked)[0] == 0
    old = to.read_bytes()

    def full(_: Any, __: Any, ___: Any, path: Path, ____: Any) -> int:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drm.commands.export.copy", full)
    status, _, error = ran(*asked)
    assert status == 2 and "no space left on device; free some space there" in error
    assert to.read_bytes() == old and sorted(path.name for path in tmp_path.iterdir()) == ["data", "decisions.csv"]


def test_a_time_range_is_kept_to(folder: Path, tmp_path: Path, ran: Ran) -> None:
    """Rows that touch it, and no others; a later one has none, and is a file all the same."""
    to = tmp_path / "costs.json"
    asked = ("export", "--table", "costs", "--to", to, "--data-dir", folder)
    assert ran(*asked, "--since", "2026-01-05T08:30", "--until", "2026-01-05T10:00:00+01:00")[0] == 0
    times = {row["time_utc"] for row in json.loads(to.read_text())}
    assert min(times) == "2026-01-05T08:30:00.000+00:00" and max(times) == "2026-01-05T09:00:00.000+00:00" and len(times) == 31
    assert "drm: 0 rows of costs" in ran(*asked, "--since", "2027-01-01")[1]
    assert json.loads(to.read_text()) == []


WRONG: list[tuple[list[str], str]] = [
    (["export"], "the following arguments are required: --since, --to"),
    (["export", "--since", "yesterday", "--to", "a.csv"], "--since must be a date and time"),
    (["export", "--since", "1d", "--until", "2d", "--to", "a.csv"], "--until must not lie before --since"),
    (["export", "--since", "1d", "--to", "a.xlsx"], "--to must end in .csv, .parquet, .json, got 'a.xlsx'"),
    (["export", "--since", "1d", "--to", "no-such-folder/a.csv"], "there is no folder"),
    (["export", "--since", "1d", "--to", "."], "is a folder; name a file in it"),
    (["export", "--since", "1d", "--to", "a.csv", "--table", "workers"], "--table must be one of decisions, tasks, samples"),
    (["export", "--since", "1d", "--to", "a.csv", "--step", "5s"], "--step must be one of 5s, 1m, 10m, 1h, of --table samples or fleet"),
    (["export", "--since", "1d", "--to", "a.csv", "--table", "fleet", "--step", "2s"], "got '2s'"),
    (["history"], "the following arguments are required: action"),
    (["history", "show"], "invalid choice: 'show'"),
    (["history", "copy"], "needs the file to be made"),
    (["history", "info", "more"], "others take none"),
    (["history", "info", "--file", "no-such-file"], "there is no such file"),
    (["history", "info", "--data-dir", "no-such-folder"], "there is no history in"),
    (["history", "info", "--data-dir", "file"], "is a file, and history is in a folder"),
    (["history", "vacuum", "--file", "file"], "vacuum is of a data folder"),
    (["history", "info", "--file", "file"], "not a valid DuckDB database"),
    (["history", "info", "--cluster", "nowhere"], "it must be the address of a scheduler"),
    (["history", "info", "--bogus"], "unrecognized arguments: --bogus; `drm history --help`"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_what_is_asked_for_wrongly_is_one_line(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    """With the value and what would be right; exit status 2, and no file is made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine" * 5000)
    status, told, error = ran(*arguments)
    assert (status, told) == (2, "") and error.startswith("drm: ") and error.count("\n") == 1 and words in error, error
    assert os.listdir(tmp_path) == ["file"]


def test_the_folder_is_found_as_the_program_finds_it(folder: Path, ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variable, by the file of settings, also where history is turned off there; a simulated pool has to be named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRM_HISTORY", "false")
    monkeypatch.setenv("DRM_DATA_DIR", str(folder))
    assert f"file          {folder}" in ran("history", "info")[1]
    monkeypatch.delenv("DRM_DATA_DIR")
    (tmp_path / "drm.toml").write_text(f'data-dir = "{folder}"\nhistory = false\n')
    assert f"file          {folder}" in ran("history", "info")[1]
    (tmp_path / "drm.toml").write_text("simulate = 10\n")
    assert "a simulated pool keeps its history only in a folder that is named" in ran("history", "info")[2]
    (tmp_path / "drm.toml").unlink()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    assert f"there is no history in {tmp_path / 'home' / 'drm' / 'local'}" in ran("history", "info")[2]


def test_a_newer_schema_is_left_alone(folder: Path, ran: Ran) -> None:
    """Both versions are named, and what to do."""
    with duckdb.connect(str(folder / "history.duckdb")) as history:
        history.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    before = bytes_of(folder)
    for command in (("info",), ("check",), ("vacuum",)):
        status, _, error = ran("history", *command, "--data-dir", folder)
        assert status == 2 and f"has schema 99, and this drm knows {VERSION}: use the drm that wrote it" in error
    assert bytes_of(folder) == before


def test_a_folder_that_cannot_be_written_can_be_read(folder: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a backup that is mounted to be read only."""

    def refuse(_: HistoryFolder) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(HistoryFolder, "hold", refuse)
    assert ran("history", "info", "--data-dir", folder)[0] == ran("history", "check", "--data-dir", folder)[0] == 0


def test_ctrl_c_ends_a_command(folder: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one line and exit status 2."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("drm.commands.history.facts", interrupted)
    assert ran("history", "info", "--data-dir", folder) == (2, "", "drm: interrupted; nothing was changed\n")
    assert HistoryFolder(folder).holder() == {}


@pytest.fixture(scope="module")
def alive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A program that keeps a history, without a server of its own yet."""
    kept = simulated(tmp_path_factory.mktemp("alive") / "data", seed=4)
    kept.run(TICKS)
    kept.flush()
    yield kept
    kept.end()


@pytest.fixture
def served(alive: Kept) -> Iterator[Server]:
    """Its API, as it says beside its history."""
    server = serve(DRMState(alive.manager), "127.0.0.1", 0)
    alive.store.tell({"url": server.url})
    yield server
    server.stop()
    alive.store.tell({})


def test_a_program_that_runs_is_asked(alive: Kept, served: Server, tmp_path: Path, ran: Ran) -> None:
    """Info, copy, export and check say of its history what it holds; vacuum has to wait for its end."""
    where = ("--data-dir", alive.folder)
    copied = tmp_path / "copy.duckdb"
    assert ran("history", "copy", copied, *where)[0] == 0
    told = ran("history", "info", *where)[1]
    for name, count in rows(copied).items():
        # The ledger's row that grows stands in the copy as one of its own.
        counts = (count, count - 1) if name == "decision_rows" else (count,)
        assert any(f"{name:14} {one:>12,}".replace(",", " ") in told for one in counts), name
    assert f"file          {alive.store.file.path}" in told
    assert ran("export", "--since", "2026-01-01", "--table", "tasks", "--to", tmp_path / "tasks.parquet", *where)[0] == 0
    with duckdb.connect() as connection:
        exported = connection.execute(f"SELECT count(*) FROM '{tmp_path / 'tasks.parquet'}'").fetchall()[0][0]
    assert exported == rows(copied)["attempts"] + rows(copied)["open_tasks"] > 50
    status, told, _ = ran("history", "check", *where)
    assert status == 0 and "A program has it open: this is a copy that it made" in told
    status, _, error = ran("history", "vacuum", *where)
    assert status == 2 and f"is kept by process {os.getpid()} ({served.url}): end it first" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.duckdb", "tasks.parquet"]


def test_a_program_with_a_token_is_shown_it(alive: Kept, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the variable; without it the error says which one."""
    server = serve(DRMState(alive.manager), "127.0.0.1", 0, token=TOKEN)
    try:
        alive.store.tell({"url": server.url})
        monkeypatch.delenv("DRM_TOKEN", raising=False)
        status, _, error = ran("history", "info", "--data-dir", alive.folder)
        assert status == 2 and "answers 401: it asks for a token; set the variable DRM_TOKEN" in error
        monkeypatch.setenv("DRM_TOKEN", TOKEN)
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert ran("history", "info", "--data-dir", alive.folder)[0] == 0
    finally:
        server.stop()
        alive.store.tell({})


def test_what_a_program_refuses_is_told_in_its_words(alive: Kept, ran: Ran) -> None:
    """The detail of its problem, of another program that took the address and keeps no history."""
    server = serve(DRMState(DynamicResourceManager(now=0.0)), "127.0.0.1", 0)
    try:
        alive.store.tell({"url": server.url})
        status, _, error = ran("history", "info", "--data-dir", alive.folder)
        assert status == 2 and "answers 404: no history is kept: start the program without --no-history" in error
    finally:
        server.stop()
        alive.store.tell({})


def test_a_program_that_cannot_be_asked_is_named(alive: Kept, ran: Ran, tmp_path: Path) -> None:
    """One that says no address, one that does not answer, and somebody else at its address."""
    asked = ("history", "copy", tmp_path / "copy.duckdb", "--data-dir", alive.folder)
    assert "which says no address: it is starting, or is another drm command" in ran(*asked)[2]
    server = Server("127.0.0.1", 0)
    server.stop()
    alive.store.tell({"url": server.url})
    status, _, error = ran(*asked)
    assert status == 2 and f"({server.url}), which does not answer ([Errno 111] Connection refused): try again" in error

    class Other(http.server.BaseHTTPRequestHandler):
        """Answers everything shortly."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "500")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        alive.store.tell({"url": f"http://127.0.0.1:{other.server_address[1]}"})
        answers = [ran(*command) for command in (asked, ("history", "info", "--data-dir", alive.folder))]
        other.shutdown()
        thread.join()
    assert [(status, "whose answer broke off" in error, error.count("\n")) for status, _, error in answers] == [(2, True, 1)] * 2
    alive.store.tell({})
    assert not list(tmp_path.iterdir())


def test_a_command_keeps_a_program_from_starting_meanwhile(folder: Path) -> None:
    """The program says who has the folder, and a reader that found it free leaves it free."""
    held = HistoryFolder(folder)
    held.hold()
    told = json.loads((folder / HOLDER).read_text())
    assert told["pid"] == os.getpid()
    with pytest.raises(HistoryError, match=f"kept by process {os.getpid()}"):
        HistoryFolder(folder).hold()
    held.release()


def test_the_real_program_gives_a_copy_of_its_history(tmp_path: Path) -> None:
    """Two processes: one that keeps a simulated pool's history, and a command that fetches it, while it goes on."""
    data = tmp_path / "data"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DRM_TOKEN": TOKEN}
    with Program(
        tmp_path, "--port", "0", "--simulate", "20", "--speed", "60", "--interval", "0.2", "--data-dir", str(data), DRM_TOKEN=TOKEN
    ) as program:
        program.until_url()
        seen = {"Authorization": f"Bearer {TOKEN}"}
        pause = threading.Event()
        for _ in range(300):
            if json.loads(program.read("/api/v1/history", **seen)[1])["rows"]["costs"]:
                break
            pause.wait(0.1)
        command = [sys.executable, "-m", "drm", "history", "copy", "--data-dir", str(data), str(tmp_path / "copy.duckdb")]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path, check=False)
        assert run.returncode == 0, run.stderr
        assert rows(tmp_path / "copy.duckdb")["costs"] > 0
        assert program.end(signal.SIGTERM) == 0
    run = subprocess.run(
        [*command[:4], "info", *command[5:7]], capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path, check=False
    )
    assert run.returncode == 0 and "source        simulated" in run.stdout, run.stderr
