"""Overview: what is there and what the controller last did, in words; pool size and demand over time."""

from __future__ import annotations

from typing import Any

import numpy as np

from drm.decision import ScalingDecision
from drm.figures.theme import Figure, axis, layout, palette, time_axis
from drm.figures.units import LABELS, amount, count, duration, percent, plain, scale_of
from drm.history.window import SeriesWindow
from drm.model import RESOURCES, WORKER_STATES, FloatArray
from drm.snapshot import Snapshot

ROW_PIXELS = 150

ACTIONS = {"scale_up": "Grew", "scale_down": "Shrank"}


def workers_text(snapshot: Snapshot) -> dict[str, str]:
    """The card of the pool: how many, in which states, between which bounds."""
    states = [f"{number} {state}" for state in WORKER_STATES if (number := snapshot.count(state))]
    wanted = f"; {snapshot.desired} wanted" if snapshot.desired != snapshot.current else ""
    return {
        "value": str(snapshot.current),
        "note": ", ".join(states) or "none has joined yet",
        "more": f"bounds {snapshot.bounds.min} to {snapshot.bounds.max}{wanted}",
        "warning": "Oversubscribed: the workers' capacity is more than this machine has." if snapshot.oversubscribed else "",
    }


def tasks_text(snapshot: Snapshot) -> dict[str, str]:
    """The card of the tasks: how many run and wait, and what became of the others."""
    tasks = snapshot.tasks
    ended = [f"{number:,} {name}".replace(",", " ") for name in ("done", "failed", "lost", "cancelled") if (number := getattr(tasks, name))]
    warnings = []
    if tasks.infeasible:
        warnings.append(f"{count(tasks.infeasible, 'task')} can never start: {snapshot.infeasible_reason}.")
    if tasks.foreign:
        warnings.append(f"{count(tasks.foreign, 'task')} of other users on these workers, counted and not touched.")
    return {
        "value": str(tasks.running),
        "note": f"running, {tasks.queued} queued",
        "more": ", ".join(ended) or "none has ended yet",
        "warning": plain(" ".join(warnings), 400),
    }


def resource_text(snapshot: Snapshot, resource: str) -> dict[str, Any] | None:
    """One resource of the pool: the three numbers, and the widths (percent of capacity) of its bars; None where the pool has none of it."""
    index = RESOURCES.index(resource)
    capacity, allocated, used = (
        float(snapshot.totals(columns)[index]) for columns in (snapshot.capacity, snapshot.allocated, snapshot.used)
    )
    if not capacity:
        return None
    return {
        "label": LABELS[resource],
        "used": f"{amount(resource, used)} used ({percent(used / capacity)})",
        "allocated": f"{amount(resource, allocated)} allocated ({percent(allocated / capacity)})",
        "capacity": f"of {amount(resource, capacity)}",
        "used_width": 0.0 if np.isnan(used) else min(100.0, 100 * used / capacity),
        "allocated_width": min(100.0, 100 * allocated / capacity),
    }


def decision_text(snapshot: Snapshot) -> dict[str, str]:
    """What the controller last changed, and why it does or does not change anything now."""
    last, action = snapshot.last_decision, snapshot.last_action
    if last is None:
        return {"action": "No evaluation yet: the first comes with the first tick.", "now": ""}
    return {
        "action": _action_sentence(action, snapshot.time) if action else "The size has not been changed since the start.",
        "now": f"Now: {_now_word(last)} {plain(last.reason, 240)}.",
    }


def build(window: SeriesWindow, scheme: str, range_seconds: float) -> Figure | None:
    """Pool size above, demand against capacity for each resource below; None where nothing was recorded."""
    if "workers_current" not in window.mean or not np.isfinite(window.mean["workers_current"]).any():
        return None
    present = [name for name in RESOURCES if np.nanmax(window.max.get(f"capacity_{name}", np.zeros(1)), initial=0.0) > 0]
    colours = palette(scheme)
    rows = 1 + len(present)
    heights = _domains(rows)
    figure_layout = layout(scheme, f"overview-{range_seconds}", height=ROW_PIXELS * rows + 60)
    traces = [
        _line(window, "workers_current", "workers", colours["workers"], 1, fill=True, step=True),
        _line(window, "desired", "desired", colours["desired"], 1, dash="dot", step=True),
    ]
    figure_layout["yaxis"] = axis(scheme, domain=heights[0], rangemode="tozero", title=_title("Workers", scheme), tickformat=",d")
    for row, name in enumerate(present, start=2):
        largest = max(float(np.nanmax(window.max[f"{series}_{name}"], initial=0.0)) for series in ("capacity", "demand"))
        divisor, unit = scale_of(name, largest)
        first = row == 2
        for series, dash in (("capacity", "solid"), ("demand", "dash"), ("allocated", "solid"), ("used", "solid")):
            traces.append(
                _line(
                    window, f"{series}_{name}", series, colours[series], row, divisor, dash, legend=first, fill=series == "used", unit=unit
                )
            )
        figure_layout[f"yaxis{row}"] = axis(
            scheme, domain=heights[row - 1], rangemode="tozero", title=_title(f"{LABELS[name]}, {unit}", scheme), anchor="x"
        )
    figure_layout["xaxis"] = time_axis(scheme, anchor=f"y{rows}" if rows > 1 else "y")
    return {"data": traces, "layout": figure_layout}


def _line(
    window: SeriesWindow,
    series: str,
    name: str,
    colour: str,
    row: int,
    divisor: float = 1.0,
    dash: str = "solid",
    *,
    fill: bool = False,
    step: bool = False,
    legend: bool = True,
    unit: str = "",
) -> Figure:
    values = window.mean.get(series)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "legendgroup": name,
        "showlegend": legend,
        "x": window.times.tolist(),
        "y": [] if values is None else _listed(values / divisor),
        "yaxis": "y" if row == 1 else f"y{row}",
        "line": {"color": colour, "width": 2, "dash": dash, "shape": "hv" if step else "linear"},
        "fill": "tozeroy" if fill else "none",
        "fillcolor": f"{colour}26",
        "connectgaps": False,
        "hovertemplate": f"%{{y:.3~g}} {unit}<extra>{name}</extra>",
    }


def _listed(values: FloatArray) -> list[float | None]:
    return [round(value, 4) if value == value else None for value in values.tolist()]


def _domains(rows: int) -> list[list[float]]:
    """From top to bottom, with a gap between."""
    gap = 0.08
    height = (1 - gap * (rows - 1)) / rows
    return [[max(0.0, 1 - (row + 1) * height - row * gap), 1 - row * (height + gap)] for row in range(rows)]


def _title(text: str, scheme: str) -> Figure:
    return {"text": text, "font": {"size": 12, "color": palette(scheme)["muted"]}}


def _action_sentence(decision: ScalingDecision, now: float) -> str:
    verb = ACTIONS[decision.action]
    target = decision.current + (decision.count if decision.action == "scale_up" else -decision.count)
    ago = duration(now - decision.timestamp)
    sentence = f"{verb} from {decision.current} to {count(target, 'worker')} {ago} ago: {plain(decision.reason, 240)}."
    if decision.outcome == "pending":
        return f"{sentence} Under way."
    if decision.outcome in ("partial", "failed"):
        return f"{sentence} {decision.outcome.capitalize()}: {decision.granted} of {decision.count} came ({plain(decision.error, 160)})."
    return sentence


def _now_word(decision: ScalingDecision) -> str:
    return {"scale_up": "growing, because", "scale_down": "shrinking, because", "maintain": "no change, because"}[decision.action]
