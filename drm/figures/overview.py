"""Overview: what is there and what the controller last did, in words; pool size and demand over time."""

from __future__ import annotations

import numpy as np

from drm.decision import ScalingDecision
from drm.figures.rows import domains, line, title
from drm.figures.theme import TITLED_NUMBER_ROOM, Figure, layout, margin, number_axis, palette, time_axis
from drm.figures.units import LABELS, UNKNOWN, count, duration, plain, scale_of
from drm.history.window import SeriesWindow
from drm.model import RESOURCES
from drm.snapshot import Snapshot

ROW_PIXELS = 150

ACTIONS = {"scale_up": "Grew", "scale_down": "Shrank"}


def tasks_text(snapshot: Snapshot) -> dict[str, str]:
    """The card of the tasks: how many run, and what became of the others."""
    tasks = snapshot.tasks
    ended = [f"{number:,} {name}".replace(",", " ") for name in ("done", "failed", "lost", "cancelled") if (number := getattr(tasks, name))]
    more = "how many had ended is not kept" if tasks.done is None else ", ".join(ended) or "none has ended yet"
    foreign = f"{count(tasks.foreign, 'task')} of other users on these workers, counted and not touched." if tasks.foreign else ""
    return {"value": _number(tasks.running), "note": "running", "more": more, "warning": foreign}


def queue_text(snapshot: Snapshot) -> dict[str, str]:
    """The card of the queue: how many wait, since when and why."""
    tasks, lines = snapshot.tasks, [line for line in snapshot.waiting or () if line.feasible]
    oldest = min((line.oldest_submitted_at for line in lines), default=snapshot.time)
    kinds = f"{count(len(lines), 'kind')} of request; the oldest waits {duration(snapshot.time - oldest)}" if lines else ""
    never = f"{count(tasks.infeasible, 'task')} can never start: {snapshot.infeasible_reason}." if tasks.infeasible else ""
    return {"value": _number(tasks.queued), "note": "queued", "more": kinds, "warning": plain(never, 400)}


def decision_text(snapshot: Snapshot) -> dict[str, str]:
    """What the controller last changed, why it does or does not change anything now, and between which sizes it chooses."""
    last, action = snapshot.last_decision, snapshot.last_action
    bounds = f", bounds {snapshot.bounds.min} to {snapshot.bounds.max}" if snapshot.bounds else ""
    size = f"Size {_number(snapshot.current)}, {_number(snapshot.desired)} wanted{bounds}."
    over = "The workers' capacity is more than this machine has." if snapshot.oversubscribed else ""
    if last is None and snapshot.is_past:
        return {"action": "No evaluation is kept of this moment.", "now": "", "size": "", "warning": over}
    if last is None:
        return {"action": "No evaluation yet: the first comes with the first tick.", "now": "", "size": size, "warning": over}
    return {
        "size": size,
        "warning": over,
        "action": _action_sentence(action, snapshot) if action else "The size has not been changed since the start.",
        "now": f"{'Then' if snapshot.is_past else 'Now'}: {_now_word(last)} {plain(last.reason, 240)}.",
    }


def build(window: SeriesWindow, scheme: str, range_seconds: float) -> Figure | None:
    """Pool size above, demand against capacity for each resource below; None where nothing was recorded."""
    if "workers_current" not in window.mean or not np.isfinite(window.mean["workers_current"]).any():
        return None
    present = [name for name in RESOURCES if np.nanmax(window.max.get(f"capacity_{name}", np.zeros(1)), initial=0.0) > 0]
    colours = palette(scheme)
    rows = 1 + len(present)
    heights = domains(rows)
    figure_layout = layout(scheme, f"overview-{range_seconds}", height=ROW_PIXELS * rows + 60, margin=margin(left=TITLED_NUMBER_ROOM))
    traces = [
        line(window, "workers_current", "workers", colours["workers"], 1, fill=True, step=True),
        line(window, "desired", "desired", colours["desired"], 1, dash="dot", step=True),
    ]
    figure_layout["yaxis"] = number_axis(scheme, domain=heights[0], rangemode="tozero", title=title("Workers", scheme), tickformat=",d")
    for row, name in enumerate(present, start=2):
        largest = max(float(np.nanmax(window.max[f"{series}_{name}"], initial=0.0)) for series in ("capacity", "demand"))
        divisor, unit = scale_of(name, largest)
        first = row == 2
        for series, dash in (("capacity", "solid"), ("demand", "dash"), ("allocated", "solid"), ("used", "solid")):
            traces.append(
                line(
                    window, f"{series}_{name}", series, colours[series], row, divisor, dash, legend=first, fill=series == "used", unit=unit
                )
            )
        figure_layout[f"yaxis{row}"] = number_axis(
            scheme, domain=heights[row - 1], rangemode="tozero", title=title(f"{LABELS[name]}, {unit}", scheme), anchor="x"
        )
    figure_layout["xaxis"] = time_axis(scheme, anchor=f"y{rows}" if rows > 1 else "y", automargin=False)
    return {"data": traces, "layout": figure_layout, "times": window.times.tolist()}


def _action_sentence(decision: ScalingDecision, snapshot: Snapshot) -> str:
    verb = ACTIONS[decision.action]
    target = decision.current + (decision.count if decision.action == "scale_up" else -decision.count)
    ago = f"{duration(snapshot.time - decision.timestamp)} {'before' if snapshot.is_past else 'ago'}"
    sentence = f"{verb} from {decision.current} to {count(target, 'worker')} {ago}: {plain(decision.reason, 240)}."
    if decision.outcome == "pending":
        return f"{sentence} Under way."
    if decision.outcome in ("partial", "failed"):
        return f"{sentence} {decision.outcome.capitalize()}: {decision.granted} of {decision.count} came ({plain(decision.error, 160)})."
    return sentence


def _number(amount: int | None) -> str:
    return UNKNOWN if amount is None else str(amount)


def _now_word(decision: ScalingDecision) -> str:
    return {"scale_up": "growing, because", "scale_down": "shrinking, because", "maintain": "no change, because"}[decision.action]
