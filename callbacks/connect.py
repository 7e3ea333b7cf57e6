"""Whether a pool that reports itself has a worker yet, and under which ids two programs report."""

from __future__ import annotations

from dash import Dash, Input, Output

from drm import ids
from drm.callbacks.in_browser import in_browser
from drm.callbacks.ticks import read_tick
from drm.figures.units import plain
from drm.state import DRMState

MOST_NAMED = 5


def register(app: Dash, state: DRMState) -> None:
    """Adds the callbacks; only for a pool that reports itself."""
    app.clientside_callback(
        in_browser("connect"), Output(ids.CONNECT_COMMAND, "children"), Output(ids.CONNECT_NOTE, "children"), Input(ids.FEED, "data")
    )

    @app.callback(
        Output(ids.CONNECT, "hidden"),
        Output(ids.CONTESTED, "children"),
        Input(ids.tick(ids.SHELL_KEY), "data"),
        prevent_initial_call=True,
    )
    def show(tick: object) -> tuple[bool, str]:
        asked = read_tick(tick)
        snapshot = state.snapshot
        is_new = not snapshot.worker_ids and snapshot.version > 0 and asked.at is None
        return not is_new, contested_text(state.manager.contested_workers())


def contested_text(worker_ids: tuple[str, ...]) -> str:
    """What is to be said of ids under which two programs report; empty where there are none."""
    if not worker_ids:
        return ""
    named = ", ".join(plain(one, 60) for one in worker_ids[:MOST_NAMED])
    more = f" and {len(worker_ids) - MOST_NAMED} more" if len(worker_ids) > MOST_NAMED else ""
    return f"Two programs report as {named}{more}: the second one is refused. Give each host an id of its own (drm agent --id)."
