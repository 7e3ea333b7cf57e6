"""DRMVisualizationIntegration: fresh figures in a folder at a steady pace, and the state that a monitoring server shows."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from drm.errors import InvalidValueError
from drm.export import write_html
from drm.exports import EXPORTS, Export, Scope, draw, recorded_seconds
from drm.figures.notes import Note
from drm.files import file_path, prune, stamped
from drm.manager import DynamicResourceManager
from drm.runner import seconds_to_next
from drm.sampler import Sampler
from drm.state import DRMState
from drm.still import still
from drm.visualization import positive

KEPT = 10
MOST_SECONDS = 30 * 86_400.0
STOP_SECONDS = 10.0

logger = logging.getLogger(__name__)


class DRMVisualizationIntegration:
    """Writes every figure into `output_dir` every `update_interval` seconds, in a thread named `drm-exports`, keeping the newest 10.

    The names bear the time, as in `scaling_history-20260105T080000000000Z.html`. Where the manager's state has no Runner it gets one, which
    ticks at the manager's own interval. May be started again after a stop.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str] = "drm_visualizations",
        update_interval: float = 60,
        resource_manager: DynamicResourceManager | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(resource_manager, DynamicResourceManager):
            raise InvalidValueError(
                f"resource_manager must be a DynamicResourceManager, got {resource_manager!r}: DynamicResourceManager() makes one"
            )
        self.output_dir = file_path(output_dir)
        self.update_interval = positive("update_interval", update_interval, "seconds")
        self.state = DRMState(resource_manager)
        self.written = 0
        """Files, since it was made."""
        self.failures = 0
        """Figures that could not be drawn or written, since it was made."""
        self._clock = clock
        self._sampler = Sampler(self.state, resource_manager.interval_seconds)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._thread is not None

    def start(self) -> None:
        """Begins to write, at once; while it runs this does nothing."""
        if self._thread is not None:
            return
        self._sampler.start()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="drm-exports", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the figure under way; the files stay. May be called twice."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_SECONDS)
        self._sampler.stop()

    def write(self) -> None:
        """Writes each figure as of now. One that fails is logged and counted, and the next one is written."""
        state = still(self.state)
        seconds = recorded_seconds(state, MOST_SECONDS)
        scope, note = Scope(state, seconds), Note(state.snapshot.source, seconds, state.snapshot.time)
        for export in EXPORTS:
            if self._stopping.is_set():
                return
            try:
                self._write_one(export, scope, note)
                self.written += 1
            except Exception:
                self.failures += 1
                logger.exception("the figure %s was not written, %d failed so far; the next one is", export.stem, self.failures)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _write_one(self, export: Export, scope: Scope, note: Note) -> None:
        write_html(self.output_dir / stamped(export.stem, self._clock(), ".html"), draw(export, scope), note)
        prune(self.output_dir, export.stem, ".html", KEPT)

    def _run(self) -> None:
        self._sampler.first_look()
        began = time.monotonic()
        wait = 0.0
        while not self._stopping.wait(wait):
            self.write()
            wait = seconds_to_next(time.monotonic() - began, self.update_interval)
