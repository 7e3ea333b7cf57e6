"""DRMVisualization: figures of a manager as files, and a server of the live dashboard. Writing HTML loads neither Dash nor distributed."""

from __future__ import annotations

import logging
import math
import os
import threading
import webbrowser
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from drm.cloud.manager import CloudProviderManager
from drm.errors import DRMError, InvalidValueError
from drm.export import write_html, write_png
from drm.exports import Scope, draw, export_of, recorded_seconds
from drm.figures.notes import Note
from drm.files import file_path
from drm.hosting import environment_token, port_number
from drm.manager import DynamicResourceManager
from drm.report import write_report
from drm.sampler import Sampler
from drm.signals import End, ended_by_signals
from drm.state import DRMState
from drm.still import still

if TYPE_CHECKING:
    from drm.server import Server

OUTPUT_FOLDER = "visualizations"
HOST, URL_PREFIX = "127.0.0.1", "/drm-dashboard/"
DAY_SECONDS = 86_400.0
HTML, PNG = ".html", ".png"

logger = logging.getLogger(__name__)


class DRMVisualization:
    """Writes what a manager holds to files, and serves its dashboard.

    `dynamic_resource_manager`: what is shown (None: a manager of its own over an external pool, closed by `cleanup`).
    `cloud_provider_manager`: takes the place of the manager's own `cloud`; its providers are asked each time a file is written.
    `resource_optimizer`: what the figures of efficiency draw on, if there is one.
    `output_dir`: where files go that are given no path (None: `visualizations`). `dashboard_port`: of the server; 0 takes a free one.
    `data_retention_days`: how far back figures go at most. `update_interval`: seconds between two samples, taken in a thread of its own
    unless the manager's state has a Runner. `interactive`: HTML pages, otherwise PNGs. `cleanup()`, or leaving `with`, ends all it began.
    """

    def __init__(
        self,
        dynamic_resource_manager: DynamicResourceManager | None = None,
        cloud_provider_manager: CloudProviderManager | None = None,
        resource_optimizer: Any = None,
        output_dir: str | os.PathLike[str] | None = None,
        dashboard_port: int = 8889,
        data_retention_days: float = 30,
        update_interval: float = 300,
        interactive: bool = True,
    ) -> None:
        if not isinstance(dynamic_resource_manager, DynamicResourceManager | None):
            raise InvalidValueError(
                f"dynamic_resource_manager must be a DynamicResourceManager, or None for a new one, got {dynamic_resource_manager!r}"
            )
        if not isinstance(cloud_provider_manager, CloudProviderManager | None):
            raise InvalidValueError(
                f"cloud_provider_manager must be a CloudProviderManager([provider, ...]), or None, got {cloud_provider_manager!r}"
            )
        self.output_dir = file_path(OUTPUT_FOLDER if output_dir is None else output_dir)
        self.dashboard_port = port_number("dashboard_port", dashboard_port)
        self.data_retention_days = positive("data_retention_days", data_retention_days, "days")
        self.update_interval = positive("update_interval", update_interval, "seconds")
        self.interactive = bool(interactive)
        self._optimizer = resource_optimizer
        self._own_manager = DynamicResourceManager() if dynamic_resource_manager is None else None
        self.state = DRMState(dynamic_resource_manager or self._own_manager)  # type: ignore[arg-type]  # one of the two is there
        if cloud_provider_manager is not None:
            self.state.manager.cloud = cloud_provider_manager
        self._sampler = Sampler(self.state, self.update_interval)
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._stopped = End()
        self._ended = False
        self._sampler.start()

    def create_resource_utilization_heatmap(self, output_path: str | os.PathLike[str] | None = None, show_plot: bool = False) -> str:
        """Utilization of each worker over time, a panel for each resource that was measured; returns the path written."""
        return self._write("utilization", output_path, show_plot)

    def create_scaling_history_visualization(self, output_path: str | os.PathLike[str] | None = None, show_plot: bool = False) -> str:
        """Size, demand and scaling decisions over time; returns the path written."""
        return self._write("scaling", output_path, show_plot)

    def create_resource_allocation_visualization(self, output_path: str | os.PathLike[str] | None = None, show_plot: bool = False) -> str:
        """What is allocated on each worker; returns the path written."""
        return self._write("allocation", output_path, show_plot)

    def create_resource_efficiency_visualization(self, output_path: str | os.PathLike[str] | None = None, show_plot: bool = False) -> str:
        """How much of what is allocated is used; returns the path written."""
        return self._write("efficiency", output_path, show_plot)

    def create_cloud_resource_visualization(self, output_path: str | os.PathLike[str] | None = None, show_plot: bool = False) -> str:
        """Instances and spend by provider; returns the path written."""
        return self._write("cloud", output_path, show_plot)

    def create_resource_dashboard(self, output_dir: str | os.PathLike[str] | None = None) -> str:
        """index.html with all figures, the summary and the ledger, and the data as CSV beside it; returns the page's path."""
        folder = self.output_dir if output_dir is None else file_path(output_dir)
        scope, note = self._now()
        return str(write_report(folder, scope, note, interactive=self.interactive))

    def start_dashboard_server(self, port: int | None = None, background: bool = True) -> str:
        """Serves the live dashboard on this machine, and returns its URL; where it runs already, that of the running one.

        `background=False` returns when SIGTERM or SIGINT came (heard in the main thread), or somebody called `stop_dashboard_server`.
        With the variable DRM_TOKEN, a browser or program has to show that token. PortError where the port is taken.
        """
        with self._lock:
            if self._ended:
                raise DRMError("this DRMVisualization was cleaned up: make a new one")
            if self._server is None:
                self._server = _serve(self.state, self.dashboard_port if port is None else port_number("port", port))
                self._stopped = End()
            elif port not in (None, 0, self._server.port):
                raise DRMError(f"the dashboard is served at {self._server.url} already, not on port {port}: stop_dashboard_server() first")
            url, stopped = self._server.url + URL_PREFIX, self._stopped
        if not background:
            with ended_by_signals(stopped):
                stopped.wait()
            self.stop_dashboard_server()
        return url

    def stop_dashboard_server(self) -> None:
        """Ends the server within 2 s and frees its port; may be called twice."""
        with self._lock:
            server, self._server = self._server, None
            if server is not None:
                server.stop()
            self._stopped.set()

    def cleanup(self) -> None:
        """Ends the server, the sampling, and the manager if it is its own; the files stay. May be called twice."""
        self._ended = True
        self.stop_dashboard_server()
        self._sampler.stop()
        if self._own_manager is not None:
            self._own_manager.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cleanup()

    def _write(self, key: str, output_path: str | os.PathLike[str] | None, show_plot: bool) -> str:
        export = export_of(key)
        path = self.output_dir / export.stem if output_path is None else file_path(output_path)
        if not path.suffix:
            path = path.with_name(path.name + (HTML if self.interactive else PNG))
        if path.suffix.lower() not in (HTML, PNG):
            raise InvalidValueError(f"output_path must end in {HTML} or {PNG}, got {str(path)!r}")
        scope, note = self._now()
        if path.suffix.lower() == HTML:
            write_html(path, draw(export, scope), note)
        else:
            write_png(path, draw(export, scope), note)
        if show_plot and not webbrowser.open(path.resolve().as_uri()):
            logger.warning("show_plot: no browser was found to open %s", path)
        return str(path)

    def _now(self) -> tuple[Scope, Note]:
        """What there is to draw at this moment, and what is said of it."""
        self._sampler.first_look()
        # Whoever writes a file may wait, so this is when providers are asked.
        if math.isfinite(now := self.state.snapshot.time):
            self.state.cloud.ask(now)
        state = still(self.state)
        seconds = recorded_seconds(state, self.data_retention_days * DAY_SECONDS)
        return Scope(state, seconds, self._optimizer), Note(state.snapshot.source, seconds, state.snapshot.time)


def positive(name: str, value: float, unit: str) -> float:
    """The value, once it is known to be a positive number; InvalidValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
        raise InvalidValueError(f"{name} must be a positive number of {unit}, got {value!r}")
    return float(value)


def _serve(state: DRMState, port: int) -> Server:
    """A server of this machine's own for the state's dashboard: pushed where the extra is installed, otherwise polled."""
    from drm.push_server import PushUnavailableError
    from drm.serving import serve

    try:
        return serve(state, HOST, port, push=True, token=environment_token(), url_prefix=URL_PREFIX)
    except PushUnavailableError as error:
        logger.info("%s", error)
        return serve(state, HOST, port, push=False, token=environment_token(), url_prefix=URL_PREFIX)
