"""The demo: a real workload on a real pool of this machine for some seconds, then every figure of it as a file.

`python -m tests.run_drm_visualization_integration_test --interactive --dashboard --output-dir PATH --duration SECONDS`
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from drm.signals import End, end_on_signals

# Worker processes import this module again: what is heavy is imported where it is used.
if TYPE_CHECKING:
    from drm.visualization import DRMVisualization

OUTPUT_DIR, DURATION_SECONDS = "./visualization_output", 30.0
TICK_SECONDS = 0.5
WRONG_ARGUMENT = 2


class OneLineParser(argparse.ArgumentParser):
    """Says in one line what is wrong, and ends with status 2."""

    def error(self, message: str) -> NoReturn:
        """Ends the program."""
        self.exit(WRONG_ARGUMENT, f"{self.prog}: {message}; --help lists the options\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo, and returns the exit status."""
    ended = end_on_signals()
    asked = _arguments(arguments)
    from drm.errors import DRMError

    try:
        return _run(asked, ended)
    except DRMError as error:
        print(f"demo: {' '.join(str(error).split())}", file=sys.stderr)
        return WRONG_ARGUMENT


def _run(asked: argparse.Namespace, ended: End) -> int:
    from drm import Bounds, DaskEngine, DRMState, DRMVisualization, DynamicResourceManager, Runner
    from drm.demo import Demo
    from drm.ledger_query import Query
    from drm.server import PortError

    with (
        DynamicResourceManager(DaskEngine.local(workers=1), "queue,target_seconds=10", Bounds(1, 4)) as manager,
        Runner(DRMState(manager), TICK_SECONDS),
        DRMVisualization(manager, output_dir=asked.output_dir, interactive=asked.interactive) as visualization,
        Demo(manager),
    ):
        if asked.dashboard:
            try:
                url = visualization.start_dashboard_server()
            except PortError:
                url = visualization.start_dashboard_server(0)
            print(f"demo: the dashboard is at {url}", flush=True)
        print(f"demo: a workload runs for {asked.duration:g} s (Ctrl-C ends it sooner)", flush=True)
        ended.wait(asked.duration)
        for path in _write(visualization):
            print(path)
        grown = len(manager.decisions(Query(action="scale_up", limit=1000)))
        tasks = manager.snapshot.tasks
        print(f"demo: {tasks.done} tasks done, {tasks.running} running, {tasks.queued} queued; the pool grew {grown} times", flush=True)
    return 0


def _write(visualization: DRMVisualization) -> list[str]:
    """Every figure; as PNGs they come with the dashboard, for which one browser draws them all."""
    if not visualization.interactive:
        return [visualization.create_resource_dashboard(), *map(str, sorted(visualization.output_dir.glob("*.png")))]
    return [
        visualization.create_resource_utilization_heatmap(),
        visualization.create_scaling_history_visualization(),
        visualization.create_resource_allocation_visualization(),
        visualization.create_resource_efficiency_visualization(),
        visualization.create_cloud_resource_visualization(),
        visualization.create_resource_dashboard(),
    ]


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OneLineParser(prog="demo", description="Runs a real workload on a real pool of this machine, and writes every figure of it.")
    parser.add_argument("--interactive", action="store_true", help="HTML pages instead of PNGs")
    parser.add_argument("--dashboard", action="store_true", help="serve the live dashboard meanwhile")
    parser.add_argument("--output-dir", type=_folder, default=OUTPUT_DIR, metavar="PATH", help=f"where the files go ({OUTPUT_DIR})")
    parser.add_argument("--duration", type=_seconds, default=DURATION_SECONDS, metavar="SECONDS", help="how long it runs (30)")
    return parser.parse_args(arguments)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and 0 < seconds <= 86_400):
        raise argparse.ArgumentTypeError(f"it must be a number of seconds, more than 0 and at most 86400, got {text!r}")
    return seconds


def _folder(text: str) -> Path:
    """A folder that can be written, which is known before the workload has run."""
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no folder that can be written ({error}): choose another") from None


if __name__ == "__main__":
    raise SystemExit(main())
