"""MonitoringDashboard: an ordinary monitoring server, with the DRM dashboard in it once an integration is set."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from flask import Flask, Response

from drm.errors import DRMError, InvalidValueError
from drm.figures.units import count
from drm.files import REMEDIES, file_path
from drm.hosting import TOKEN_VARIABLE, environment_hosts, environment_token, port_number, refuse_strangers
from drm.pages import About, create_pages
from drm.signals import End, ended_by_signals
from drm.state import DRMState

URL_PREFIX = "/drm-dashboard/"
NO_INTEGRATION = "No DRM integration is set."
HOW_TO_SET_ONE = (
    "Before run() or start(): dashboard.drm_visualization_integration = DRMVisualizationIntegration(output_dir, update_interval, manager)."
)
PATHS = (
    ("/healthz", "whether this server is up"),
    ("/readyz", "whether the last tick is fresh"),
    ("/metrics", "for Prometheus"),
    ("/api/v1/snapshot", "the pool as of the last tick"),
    ("/api/v1/decisions", "every scaling decision, newest first"),
    ("/api/v1/explain", "what the policy would do now, and why not more"),
    ("/metrics", "for Prometheus"),
)


class DashboardFolderError(DRMError):
    """The folder of the pages is not there and cannot be made."""


@runtime_checkable
class Integration(Protocol):
    """What a MonitoringDashboard needs of an integration; DRMVisualizationIntegration is one."""

    @property
    def state(self) -> DRMState:
        """What the dashboard shows."""

    @property
    def running(self) -> bool:
        """Whether somebody has started it."""

    def start(self) -> None:
        """Begins its work; harmless while it runs."""

    def stop(self) -> None:
        """Ends it; may be started again."""


class MonitoringDashboard:
    """Serves an index of the pages in `dashboard_dir` at `/`, and the dashboard of `drm_visualization_integration` at `/drm-dashboard`.

    `host`: any but loopback needs the variable DRM_TOKEN, which a browser or program then has to show; DRM_TRUSTED_HOSTS
    names further hosts by which browsers may call it. `port` 0 takes a free one.
    `dashboard_dir` is made where it is missing. An integration that nobody has started is started and stopped with the server.
    """

    def __init__(self, host: str = "localhost", port: int = 8080, dashboard_dir: str | os.PathLike[str] = "dashboards") -> None:
        if not isinstance(host, str) or not host.strip():
            raise InvalidValueError(f"host must be a name or an address of this machine, as in 'localhost', got {host!r}")
        self.host = host
        self.port = port_number("port", port)
        """Where it listens; once it is started, the one that it got."""
        self.dashboard_dir = file_path(dashboard_dir)
        self._asked_port = self.port
        self._integration: Integration | None = None
        self._lock = threading.Lock()
        self._running: ExitStack | None = None
        self._url = ""
        self._ended = End()

    @property
    def drm_visualization_integration(self) -> Integration | None:
        """Whose state `/drm-dashboard` shows; may be set until the server is started, and again after it was stopped."""
        return self._integration

    @drm_visualization_integration.setter
    def drm_visualization_integration(self, integration: Integration | None) -> None:
        if not isinstance(integration, Integration | None):
            raise InvalidValueError(
                f"drm_visualization_integration must be a DRMVisualizationIntegration, or None, got {integration!r}: "
                "DRMVisualizationIntegration(output_dir, update_interval, manager) makes one"
            )
        if self.running:
            raise DRMError("drm_visualization_integration cannot change while the server runs: stop() it, set the integration, start() it")
        self._integration = integration

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._running is not None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the index; empty before the first start."""
        return self._url

    def start(self) -> str:
        """Serves from now on, in threads of its own, and returns the URL of the index; that of the running server if there is one.

        PortError where the address is taken, HostError where strangers would reach it without a token, DashboardFolderError where
        `dashboard_dir` cannot be a folder.
        """
        with self._lock:
            if self._running is None:
                with ExitStack() as stack:
                    self._begin(stack)
                    self._running = stack.pop_all()
            return self._url

    def stop(self) -> None:
        """Frees the port within 2 s, and stops the integration if it was started here; `run` returns. May be called twice."""
        with self._lock:
            running, self._running = self._running, None
            if running is not None:
                running.close()
            ended, self._ended = self._ended, End()
            ended.set()

    def run(self) -> None:
        """Serves until SIGINT or SIGTERM (heard in the main thread) or until somebody calls `stop`; then everything is as before."""
        ended = self._ended
        with ended_by_signals(ended):
            try:
                print(f"drm: the monitoring dashboard is at {self.start()} (Ctrl-C ends it)", flush=True)
                ended.wait()
            finally:
                self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _begin(self, stack: ExitStack) -> None:
        token, further_hosts = environment_token(), environment_hosts()
        remedies = f"set the variable {TOKEN_VARIABLE} (`openssl rand -hex 16` makes one), or listen on host 'localhost'"
        refuse_strangers(self.host, token, insecure=False, named="host", remedies=remedies)
        folder = _made(self.dashboard_dir)
        from drm.server import Server, create_standalone
        from drm.sessions import Sessions

        server = stack.enter_context(Server(self.host, self._asked_port))
        rules: dict[str, Any] = {"token": token, "further_hosts": further_hosts, "sessions": Sessions(token) if token else None}
        flask_app = create_standalone(self.host, None, **rules)
        integration = self._integration
        if integration is None:
            _without_dashboard(flask_app)
        else:
            from drm.dashboard import mount
            from drm.serving import LiveDashboard

            # The one that stays when the server ends: an integration of somebody else.
            if not integration.running:
                integration.start()
                stack.callback(integration.stop)
            live = stack.enter_context(LiveDashboard(integration.state, self.host, **rules))
            mount(flask_app, integration.state, URL_PREFIX, api_prefix="", live=live.open if live.possible else None)
        present = {rule.rule for rule in flask_app.url_map.iter_rules()}
        paths = tuple((path, meaning) for path, meaning in PATHS if path in present)
        flask_app.register_blueprint(create_pages(folder, lambda: _about(integration, paths)))
        # Entered last of all, so that it ends first: the port is free before the integration has written its last figure.
        server.start(flask_app)
        stack.callback(server.stop)
        self.port, self._url = server.port, f"{server.url}/"


def _about(integration: Integration | None, paths: tuple[tuple[str, str], ...]) -> About:
    """What the index says at this moment."""
    if integration is None:
        return About(NO_INTEGRATION, HOW_TO_SET_ONE, paths=paths)
    from drm.http import why_not_ready

    snapshot = integration.state.snapshot
    reason = why_not_ready(integration.state, time.monotonic())
    state = f"Not ready: {reason}." if reason else "Ready."
    workers, tasks = count(len(snapshot.worker_ids), "worker"), count(snapshot.tasks.running or 0, "running task")
    shown = f"{snapshot.source.kind.upper()} {snapshot.source.label}, {workers}, {tasks}"
    return About(state, shown, URL_PREFIX, paths)


def _without_dashboard(flask_app: Flask) -> None:
    """What stands where the integration would be, so that whoever looks for it is told what is missing."""

    @flask_app.get("/healthz")
    def healthz() -> Response:
        return Response('{"status": "up"}', mimetype="application/json")

    @flask_app.get(URL_PREFIX)
    def nothing_there() -> Response:
        return Response(f"{NO_INTEGRATION} {HOW_TO_SET_ONE}\n", 404, mimetype="text/plain")


def _made(folder: Path) -> Path:
    """The folder, absolute, made where it was missing."""
    try:
        os.makedirs(folder, exist_ok=True)
        os.scandir(folder).close()
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "choose another folder")
        reason = (error.strerror or str(error)).lower()
        raise DashboardFolderError(f"dashboard_dir {str(folder)!r} cannot be used: {reason}; {remedy}") from error
    return folder.absolute()
