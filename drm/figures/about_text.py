"""What "About this dashboard" says: groups of rows, each a name and words."""

from __future__ import annotations

import math

from drm.figures.units import UNKNOWN, amount, duration, number, percent, plain
from drm.own_facts import OwnFacts, Spread

Rows = list[tuple[str, str]]


def groups(facts: OwnFacts) -> list[tuple[str, Rows]]:
    """(heading, rows) in the order of the page; the phases of the tick are in `phases`."""
    process, recording, health = facts.process, facts.recording, facts.health
    program = [
        ("Version", f"drm {facts.version}, Python {process.python}"),
        ("Runs for", duration(process.uptime_seconds)),
        ("Memory", amount("memory", float(process.memory_bytes))),
        ("CPU", f"{_cores(process.cores)} now, {_cores(process.mean_cores)} since the start"),
    ]
    pages = [
        ("Viewers", f"{facts.viewers} in the last 90 s"),
        ("Answers", f"{facts.calls}" + (f", {amount('memory', facts.bytes_per_call)} each" if facts.calls else "")),
        ("Time of an answer", _spread(facts.callbacks)),
        ("Failed", _failures(facts.callback_errors, facts.last_callback_error)),
    ]
    history = [
        ("Recording", recording.state),
        ("Waiting to be written", f"{recording.waiting} {'tick' if recording.waiting == 1 else 'ticks'}"),
        ("File", amount("memory", facts.history_bytes) if math.isfinite(facts.history_bytes) else "none"),
    ]
    ago = f", {duration(facts.last_tick_error_age)} ago" if math.isfinite(facts.last_tick_error_age) else ""
    ticks = [
        ("Time", _spread(facts.ticks)),
        ("Late by", _spread(facts.lags)),
        ("Left out", f"{facts.missed}, as the tick before took too long" if facts.missed else "none"),
        ("Failed", _failures(health.errors, health.last_error) + ago),
    ]
    return [("Program", program), ("Tick", ticks), ("Pages", pages), ("History", history)]


def phases(facts: OwnFacts) -> list[tuple[str, ...]]:
    """(phase, median, 95th percentile, most) in milliseconds."""
    return [(phase, *map(_milliseconds, (one.median, one.p95, one.most))) for phase, one in facts.phases.items()]


def _spread(one: Spread) -> str:
    if not math.isfinite(one.median):
        return "none yet"
    return f"{_milliseconds(one.median)} (95 %: {_milliseconds(one.p95)}, most: {_milliseconds(one.most)})"


def _milliseconds(seconds: float) -> str:
    return f"{number(seconds * 1000)} ms" if math.isfinite(seconds) else UNKNOWN


def _cores(cores: float) -> str:
    return f"{percent(cores)} of a core" if math.isfinite(cores) else UNKNOWN


def _failures(count: int, last: str) -> str:
    return f"{count}, last: {plain(last, 200)}" if count else "none"
