"""The monitoring server on real sockets: its index, the files of its folder, whom it lets in, and that nothing of it stays."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from drm import DRMError, DRMState, DynamicResourceManager, InvalidValueError, MonitoringDashboard, PortError, Resources, Runner
from drm.hosting import HostError
from drm.monitoring import DashboardFolderError
from drm.pages import list_pages, page_path
from drm.signals import End, ended_by_signals

TOKEN = "a-token-of-the-tests"


class Plain:
    """The least that an integration is: a state with a Runner of its own, and no figures."""

    def __init__(self, manager: DynamicResourceManager) -> None:
        self.state = DRMState(manager)
        self.runner: Runner | None = None
        self.starts = self.stops = 0

    @property
    def running(self) -> bool:
        """Whether it ticks."""
        return self.runner is not None

    def start(self) -> None:
        """Ticks."""
        self.starts += 1
        self.runner = Runner(self.state, 0.1)
        self.runner.start()

    def stop(self) -> None:
        """Ends that."""
        self.stops += 1
        if self.runner is not None:
            self.runner.stop()
        self.runner = None


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread, no socket, no process and no handler of a signal more than before, whatever a test does."""
    monkeypatch.delenv("DRM_TOKEN", raising=False)
    process = psutil.Process()
    before, processes, sockets, handlers = (
        threads(),
        process.children(),
        len(process.net_connections()),
        [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)],
    )
    yield
    deadline = time.monotonic() + 5
    while threads() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert {thread.name for thread in threads() - before} == set()
    assert len(process.net_connections()) == sockets
    assert process.children() == processes
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.fixture
def integration() -> Plain:
    """Over a pool of one worker."""
    manager = DynamicResourceManager()
    manager.register_worker("node-<1>", capacity=Resources(cpu=8, memory=32e9))
    return Plain(manager)


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[MonitoringDashboard]:
    """On a free port; stopped at the end."""
    dashboard = MonitoringDashboard("localhost", 0, tmp_path / "dashboards")
    yield dashboard
    dashboard.stop()


def ask(url: str, path: str = "", method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of an answer."""
    target = url.rstrip("/") + path if path else url
    request = urllib.request.Request(target, method=method, headers={key.replace("_", "-"): one for key, one in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode(), dict(refusal.headers)


# The dashboard in it


def test_without_an_integration_the_index_says_how_to_set_one(dashboard: MonitoringDashboard) -> None:
    """It is a monitoring server all the same: up, with its pages; /drm-dashboard says what is missing."""
    url = dashboard.start()
    status, index, _ = ask(url)
    assert status == 200
    assert "No DRM integration is set." in index and "drm_visualization_integration = DRMVisualizationIntegration(" in index
    assert 'href="/drm-dashboard/"' not in index and "/api/v1" not in index
    assert ask(url, "/healthz")[:2] == (200, '{"status": "up"}')
    assert ask(url, "/drm-dashboard")[0] == 404
    assert "No DRM integration is set." in ask(url, "/drm-dashboard/")[1]


def test_with_an_integration_the_dashboard_is_there(dashboard: MonitoringDashboard, integration: Plain) -> None:
    """With the final slash and without; the index leads to it and to what programs read, and says how the controller does."""
    dashboard.drm_visualization_integration = integration
    url = dashboard.start()
    for path in ("/drm-dashboard", "/drm-dashboard/"):
        status, page, _ = ask(url, path)
        assert status == 200 and "drm dashboard" in page
    assert "node-<1>" in ask(url, "/api/v1/snapshot")[1]
    until(lambda: ask(url, "/readyz")[0] == 200)
    index = ask(url)[1]
    assert "Ready." in index and "1 worker, 0 running tasks" in index
    for link in ("/drm-dashboard/", "/healthz", "/readyz", "/api/v1/snapshot", "/api/v1/decisions", "/api/v1/explain"):
        assert f'href="{link}"' in index
        assert ask(url, link)[0] == 200
    assert 'href="/metrics"' not in index or ask(url, "/metrics")[0] == 200


def test_an_integration_is_stopped_by_whoever_started_it(dashboard: MonitoringDashboard, integration: Plain) -> None:
    """Ours to start is ours to stop; one that runs already goes on after the server's end."""
    dashboard.drm_visualization_integration = integration
    dashboard.start()
    dashboard.stop()
    assert (integration.starts, integration.stops, integration.running) == (1, 1, False)
    integration.start()
    dashboard.start()
    dashboard.stop()
    assert (integration.starts, integration.stops, integration.running) == (2, 1, True)
    integration.stop()


def test_the_integration_may_be_changed_between_two_runs_only(dashboard: MonitoringDashboard, integration: Plain) -> None:
    """While the server runs the error says what to do; something else than an integration is refused at once."""
    dashboard.start()
    with pytest.raises(DRMError, match=r"cannot change while the server runs: stop\(\) it"):
        dashboard.drm_visualization_integration = integration
    dashboard.stop()
    dashboard.drm_visualization_integration = integration
    assert "drm dashboard" in ask(dashboard.start(), "/drm-dashboard/")[1]
    dashboard.stop()
    dashboard.drm_visualization_integration = None
    for wrong in ("integration", integration.state, DynamicResourceManager):
        with pytest.raises(InvalidValueError, match="must be a DRMVisualizationIntegration, or None, got"):
            dashboard.drm_visualization_integration = wrong  # type: ignore[assignment]


# Start and stop


def until(condition: Any) -> None:
    """Waits for it to be true."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_start_and_stop_may_be_called_twice(dashboard: MonitoringDashboard) -> None:
    """Start gives the URL of the server that runs; after stop, within 2 s, the port is free, with a connection open too."""
    assert not dashboard.running
    url = dashboard.start()
    assert dashboard.start() == url == dashboard.url == f"http://localhost:{dashboard.port}/"
    assert dashboard.running
    kept = http.client.HTTPConnection("localhost", dashboard.port, timeout=5)
    kept.request("GET", "/healthz")
    assert kept.getresponse().read()
    began = time.monotonic()
    dashboard.stop()
    dashboard.stop()
    assert time.monotonic() - began < 2
    kept.close()
    with socket.create_server(("127.0.0.1", dashboard.port)):
        assert not dashboard.running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_serves_until_a_signal(
    dashboard: MonitoringDashboard, integration: Plain, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the main thread; it returns, with the handlers of before and nothing running."""
    dashboard.drm_visualization_integration = integration
    answers: list[int] = []

    def visit() -> None:
        until(lambda: dashboard.running)
        answers.append(ask(dashboard.url)[0])
        os.kill(os.getpid(), number)

    visitor = threading.Thread(target=visit)
    visitor.start()
    dashboard.run()
    visitor.join(10)
    assert answers == [200]
    assert not dashboard.running and not integration.running
    assert capsys.readouterr().out == f"drm: the monitoring dashboard is at {dashboard.url} (Ctrl-C ends it)\n"


def test_run_in_another_thread_serves_until_stop(dashboard: MonitoringDashboard) -> None:
    """Handlers belong to the main thread: there are none; stop ends it."""
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    running = threading.Thread(target=dashboard.run)
    running.start()
    until(lambda: dashboard.running)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert ask(dashboard.url)[0] == 200
    dashboard.stop()
    running.join(5)
    assert not running.is_alive()


def test_a_run_that_cannot_start_leaves_the_handlers_as_they_were(dashboard: MonitoringDashboard) -> None:
    """The error comes out, and a handler that was there is there again."""
    mine = lambda *_: None  # noqa: E731
    before = signal.signal(signal.SIGTERM, mine)
    try:
        dashboard.dashboard_dir.parent.joinpath("dashboards").write_text("a file")
        with pytest.raises(DashboardFolderError):
            dashboard.run()
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_handler_that_python_did_not_install_becomes_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be put back: signal.signal takes no None."""
    seen: list[Any] = []

    def record(_: int, handler: Any) -> None:
        seen.append(handler)

    monkeypatch.setattr(signal, "signal", record)
    with ended_by_signals(End()):
        pass
    assert seen[2:] == [signal.SIG_DFL, signal.SIG_DFL]


def test_ten_rounds_leave_nothing(dashboard: MonitoringDashboard, integration: Plain) -> None:
    """No thread, socket or process more than before; a hundred are in the soak."""
    dashboard.drm_visualization_integration = integration
    for _ in range(10):
        assert ask(dashboard.start(), "/healthz")[0] == 200
        dashboard.stop()


def test_the_live_dashboard_opens_on_request_and_ends_with_the_server(dashboard: MonitoringDashboard, integration: Plain) -> None:
    """A POST from our own page starts the pushed server and leads to it; one from elsewhere does not; stop ends both."""
    dashboard.drm_visualization_integration = integration
    url = dashboard.start()
    assert ask(url, "/drm-dashboard/live", Origin="http://evil.example", method="POST")[0] == 403
    status, page, _ = ask(url, "/drm-dashboard/live", Origin=url.rstrip("/"), method="POST")
    assert status == 200
    live = page.split('href="http')[1].split('"')[0]
    assert "drm dashboard" in ask(f"http{live}")[1]
    dashboard.stop()
    with pytest.raises(OSError, match="refused"):
        ask(f"http{live}")


# Whom it lets in, and what it refuses


def test_another_host_than_loopback_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says both ways; with DRM_TOKEN it serves, and every page but the health check is behind it."""
    dashboard = MonitoringDashboard("0.0.0.0", 0, tmp_path)
    with pytest.raises(HostError, match=r"'0\.0\.0\.0' is reached from other machines.*DRM_TOKEN.*or listen on host 'localhost'"):
        dashboard.start()
    monkeypatch.setenv("DRM_TOKEN", TOKEN)
    (tmp_path / "page.html").write_text("the page")
    with dashboard:
        for path in ("/", "/pages/page.html", "/drm-dashboard/"):
            assert ask(dashboard.url, path)[0] == 401
        assert ask(dashboard.url, "/healthz")[0] == 200
        assert ask(dashboard.url, "/pages/page.html", Authorization=f"Bearer {TOKEN}")[:2] == (200, "the page")
    monkeypatch.setenv("DRM_TOKEN", "")
    with pytest.raises(InvalidValueError, match="DRM_TOKEN must be ASCII characters without spaces, and not empty"):
        dashboard.start()


def test_a_name_behind_which_a_proxy_stands_is_trusted_on_purpose(dashboard: MonitoringDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """DRM_TRUSTED_HOSTS says which; all others are refused."""
    monkeypatch.setenv("DRM_TRUSTED_HOSTS", "monitor.example, other.example")
    url = dashboard.start()
    assert [ask(url, Host=name)[0] for name in ("monitor.example", "other.example:80", "evil.example")] == [200, 200, 400]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2"])
def test_loopback_needs_none(host: str, tmp_path: Path) -> None:
    """By name and by address; a foreign Host header is refused all the same."""
    with MonitoringDashboard(host, 0, tmp_path) as dashboard:
        assert ask(dashboard.url)[0] == 200
        assert ask(dashboard.url, Host="evil.example")[0] == 400


def test_a_port_in_use_is_named_with_the_remedy(dashboard: MonitoringDashboard, tmp_path: Path, integration: Plain) -> None:
    """And nothing was started for it."""
    dashboard.start()
    second = MonitoringDashboard("localhost", dashboard.port, tmp_path)
    second.drm_visualization_integration = integration
    with pytest.raises(
        PortError, match=f"port {dashboard.port} on localhost cannot be listened on: address already in use; choose another"
    ):
        second.start()
    assert not second.running and integration.starts == 0


@pytest.mark.parametrize("port", [-1, 65536, "8080", 80.5, None, True])
def test_a_port_that_is_none_is_refused_at_once(port: Any) -> None:
    """With the value and the rule."""
    with pytest.raises(InvalidValueError, match=r"port must be a whole number from 0 to 65535 \(0 takes a free port\), got "):
        MonitoringDashboard("localhost", port)


@pytest.mark.parametrize(
    ("host", "error", "said"),
    [("", InvalidValueError, "host must be"), (None, InvalidValueError, "host must be"), ("no.such.host.invalid", HostError, "invalid")],
)
def test_a_host_that_is_none_is_refused(host: Any, error: type[Exception], said: str, tmp_path: Path) -> None:
    """With the value, before anything is started."""
    with pytest.raises(error, match=said):
        MonitoringDashboard(host, 0, tmp_path).start()


def test_a_folder_that_cannot_be_is_named_with_the_remedy(tmp_path: Path) -> None:
    """A file, a folder below a file, a name that is none; what stands there stays, and the port was not taken."""
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DashboardFolderError, match=f"dashboard_dir '{path}' cannot be used: .*choose another folder"):
            MonitoringDashboard("localhost", 0, path).start()
    for wrong in ("", "a\0b", 7):
        with pytest.raises(InvalidValueError, match="a path must be a text"):
            MonitoringDashboard("localhost", 0, wrong)  # type: ignore[arg-type]
    assert (tmp_path / "file").read_text() == "mine"


# The files of the folder


def test_files_are_listed_newest_first_and_answered_in_a_sandbox(dashboard: MonitoringDashboard) -> None:
    """Names are escaped; a file's scripts run in an origin that is nobody's; a page written later appears without a restart."""
    url = dashboard.start()
    assert "There is no page in it yet" in ask(url)[1]
    folder = dashboard.dashboard_dir
    (folder / "week 1").mkdir()
    for age, name in enumerate(("<script>alert(1)</script>.html".replace("/", "∕"), "week 1/ünïcode 🙂.html", "data.csv", "plotly.min.js")):
        (folder / name).write_text(f"file {age}")
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))
    _, index, headers = ask(url)
    assert index.index("&lt;script&gt;") < index.index("ünïcode 🙂.html") < index.index("data.csv")
    assert "<script" not in index and "plotly.min.js" not in index
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    links = [part.split('"')[0] for part in index.split('href="/pages/')[1:]]
    assert [ask(url, f"/pages/{link}")[1] for link in links] == ["file 0", "file 1", "file 2"]
    status, text, headers = ask(url, "/pages/plotly.min.js")
    assert (status, text) == (200, "file 3")
    assert (
        headers["Content-Security-Policy"].startswith("sandbox allow-scripts ")
        and "allow-same-origin" not in headers["Content-Security-Policy"]
    )
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_outside_of_the_folder_is_answered(dashboard: MonitoringDashboard, tmp_path: Path) -> None:
    """No path upward in any spelling, no absolute one, no link to elsewhere, nothing hidden, no folder."""
    url = dashboard.start()
    folder = dashboard.dashboard_dir
    secret = tmp_path / "secret.html"
    secret.write_text("the secret")
    (folder / "link.html").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / ".hidden.html").write_text("hidden")
    (folder / ".git").mkdir()
    (folder / ".git" / "page.html").write_text("hidden")
    (folder / "seen.html").symlink_to(".hidden.html")
    os.mkfifo(folder / "fifo.html")
    asked = [
        "../secret.html",
        "%2e%2e/secret.html",
        "..%2fsecret.html",
        "%252e%252e/secret.html",
        "..\\secret.html",
        str(secret),
        f"/{secret}",
    ]
    asked += ["link.html", "up/secret.html", ".hidden.html", ".git/page.html", "seen.html", "fifo.html", "", ".", "%00", "x" * 5000, "up"]
    for path in asked:
        connection = http.client.HTTPConnection("localhost", dashboard.port, timeout=5)
        connection.request("GET", f"/pages/{path}")
        answer = connection.getresponse()
        assert answer.status in (301, 308, 404), path
        assert b"secret" not in answer.read().replace(b"secret.html", b"") or answer.status != 200
        connection.close()
    assert list_pages(folder) == []
    assert ask(url)[0] == 200


def test_a_folder_that_goes_away_is_told_on_the_index(dashboard: MonitoringDashboard) -> None:
    """The server goes on, and so does the folder when it is back."""
    url = dashboard.start()
    dashboard.dashboard_dir.rmdir()
    assert "This folder cannot be read: no such file or directory." in ask(url)[1]
    dashboard.dashboard_dir.mkdir()
    assert "There is no page in it yet" in ask(url)[1]


def test_names_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    """A name that is not UTF-8 could not stand in an address; it breaks neither the list nor the page."""
    with open(os.path.join(os.fsencode(tmp_path), b"\xff.html"), "w") as file:
        file.write("x")
    (tmp_path / "line\nbreak.html").write_text("x")
    (tmp_path / "good.html").write_text("x")
    assert [page.name for page in list_pages(tmp_path)] == ["good.html"]
    assert page_path(tmp_path, "good.html") == (tmp_path / "good.html").resolve()
