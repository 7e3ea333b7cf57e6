"""Which worker the buttons in its detail are for, and in which state it is: none of a moment of the past."""

from __future__ import annotations

from dash import Dash, Input, Output

from drm import ids
from drm.callbacks.ticks import read_tick, view_at
from drm.model import WORKER_STATES
from drm.state import DRMState

WORKER, STATE = "data-drm-worker", "data-drm-state"


def register(app: Dash, state: DRMState) -> None:
    """Adds the callback; only where the program allows actions."""

    @app.callback(
        Output(ids.WORKER_ACTIONS, WORKER),
        Output(ids.WORKER_ACTIONS, STATE),
        Input(ids.tick(ids.DETAIL_KEY), "data"),
        prevent_initial_call=True,
    )
    def show(tick: object) -> tuple[str, str]:
        asked = read_tick(tick)
        view = view_at(state, asked.at)
        ids_now = view.snapshot.worker_ids
        if view.moment is not None or asked.worker_id not in ids_now:
            return asked.worker_id, ""
        return asked.worker_id, WORKER_STATES[int(view.snapshot.states[ids_now.index(asked.worker_id)])]
