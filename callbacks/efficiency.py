"""Efficiency: draws the pool, its tasks and its workers when one of their windows is new."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State
from dash.exceptions import PreventUpdate

from drm import ids
from drm.analysis.efficiency import of_names, of_shapes, present
from drm.callbacks.cards import number_card
from drm.callbacks.ticks import draw_in_browser, read_tick, view_at
from drm.errors import InvalidValueError
from drm.figures import efficiency, efficiency_tasks, efficiency_workers
from drm.figures.units import LABELS
from drm.model import RESOURCES
from drm.state import DRMState

KEY, WORKERS, TASKS = "efficiency", ids.EFFICIENCY_WORKERS_KEY, ids.EFFICIENCY_TASKS_KEY
EMPTY: dict[str, Any] = {"data": [], "layout": {}}
NOTHING = {
    KEY: "Nothing is recorded of this range yet: what is allocated and used shows from the first tick with a worker on.",
    TASKS: "No run of a task that ended in this range was measured for {resource}: submit tasks, or choose a longer range.",
    WORKERS: "No worker had any {resource} allocated in this range: one shows once a task or a reservation holds some of it.",
}


def register(app: Dash, state: DRMState) -> None:
    """Adds the tab's callbacks."""
    for key in (KEY, WORKERS, TASKS):
        draw_in_browser(app, key)

    @app.callback(
        output={
            "drawn": Output(ids.drawn(KEY), "data"),
            "options": Output(ids.EFFICIENCY_RESOURCE, "options"),
            "figures": {key: Output(ids.wire(key), "data") for key in (KEY, WORKERS, TASKS)},
            "empty": {key: Output(ids.empty(key), "children") for key in (KEY, WORKERS, TASKS)},
            "notes": {key: Output(ids.card(key, "note"), "children") for key in (KEY, WORKERS, TASKS)},
            "cards": Output(ids.EFFICIENCY_CARDS, "content"),
        },
        inputs={
            "tick": Input(ids.tick(KEY), "data"),
            "resource": Input(ids.EFFICIENCY_RESOURCE, "value"),
            "by": Input(ids.EFFICIENCY_BY, "value"),
            "drawn": State(ids.drawn(KEY), "data"),
        },
        running=[(Output(ids.busy(KEY), "data"), True, False)],
        prevent_initial_call=True,
    )
    def render(tick: object, resource: str, by: str, drawn: str | None) -> dict[str, Any]:
        if tick is None:
            raise PreventUpdate
        asked = read_tick(tick)
        view = view_at(state, asked.at)
        snapshot = view.snapshot
        now, seconds, scheme = snapshot.time, asked.range_seconds, asked.scheme
        if by not in ("name", "shape"):
            raise InvalidValueError(f"tasks are shown by name or by shape, got {by!r}")
        window, usage = view.fleet(seconds), view.task_usage(seconds)
        names = present(window) or ["cpu", "memory"]
        # A pool of GPUs only has no CPU to show, which is what a fresh page asks for.
        resource = resource if resource in names else names[0]
        means = view.worker_means(seconds, resource)
        etag = f"{window.etag} {usage.version} {seconds} {scheme} {resource} {by} {view.moment}"
        if etag == drawn:
            raise PreventUpdate
        uses = (of_shapes if by == "shape" else of_names)(usage, now - seconds, now)
        capacities = dict(zip(snapshot.worker_ids, snapshot.capacity[:, RESOURCES.index(resource)].tolist(), strict=True))
        figures = {
            KEY: efficiency.build(window, resource, scheme, seconds),
            TASKS: efficiency_tasks.build(uses, resource, by, scheme, seconds),
            WORKERS: efficiency_workers.build(means, capacities, resource, scheme, seconds),
        }
        return {
            "drawn": etag,
            "options": [{"label": LABELS[name], "value": name} for name in names],
            "figures": {key: figure or EMPTY for key, figure in figures.items()},
            "empty": {key: "" if figures[key] else words.format(resource=LABELS[resource]) for key, words in NOTHING.items()},
            "notes": {
                KEY: efficiency.BEYOND if figures[KEY] else "",
                TASKS: efficiency_tasks.words(uses, resource) if figures[TASKS] else "",
                WORKERS: efficiency_workers.words(means) if figures[WORKERS] else "",
            },
            "cards": [
                number_card(f"{KEY}-{name}", f"{LABELS[name]} efficiency", text)
                for name in RESOURCES
                if (text := efficiency.card_text(window, name))
            ],
        }
