"""Runs of the program in one history file: each finishes what the one before it left open, and says that it began."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from drm.history.attempts import LOSE_OPEN, POOL_GONE, just_after, ticks_of
from drm.history.batch import Event
from drm.history.file import HistoryFile, HistoryFileError
from drm.history.gaps import Gap
from drm.history.reading import FIRST_IDS, last_epoch
from drm.history.writing import event_columns
from drm.snapshot import Source

NOT_RUNNING = "the program was not running"

_COPIED = (
    "cpu", "memory", "gpu", "gpu_memory", "provider", "region", "type", "market", "price", "currency", "price_source", "price_date"
)  # fmt: skip
END_EARLIER = (
    "INSERT INTO worker_states SELECT ?, lifetime, any_value(worker_id), 'terminated', ?, "
    + ", ".join(f"arg_max({name}, rowid)" for name in _COPIED)
    + " FROM worker_states WHERE lifetime < ? GROUP BY lifetime HAVING NOT max(state = 'terminated')"
)
"""Ends the lifetimes with smaller numbers than the third value at a time for a reason, the first two."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that has begun."""

    run: int
    gap: Gap | None
    """The time since the run before it."""
    put_aside: str
    """What was found when the file was opened, in a sentence; empty where all was well."""


def last_run(file: HistoryFile) -> int:
    """The number of the last run; 0 where there was none."""
    return int(file.read("SELECT coalesce(max(run), 0) FROM events")[0][0])


def check_source(file: HistoryFile, source: Source) -> None:
    """HistoryFileError where the file is of a pool of another kind: invented and real history do not mix."""
    rows = file.read("SELECT value FROM meta WHERE name = 'source'")
    if rows and rows[0][0] != source.kind:
        raise HistoryFileError(
            "unusable",
            f"{file.path} holds the history of a pool that is {rows[0][0]}, this one is {source.kind}: name another folder with --data-dir",
        )
    if not rows:
        file.write([("meta", {"name": ["source"], "value": [source.kind]})])


def begin_run(
    file: HistoryFile, source: Source, now: float, lost_because: str, end_before: int | None, first_ids: tuple[int, int]
) -> Begun:
    """Ends in the file all tasks that were open, for a reason, and the lifetimes with numbers under `end_before`; None: of these the
    caller knows better. `first_ids`: of the decisions and lifetimes of this run, which a run after it must not give again."""
    run, last = last_run(file) + 1, last_epoch(file)
    events = [Event(now, "began", f"drm began, {source.kind}: {source.label}"[:300])]
    before: list[tuple[str, list[Any] | dict[str, Any]]] = [("DELETE FROM meta WHERE name IN (SELECT unnest(?))", [list(FIRST_IDS)])]
    gap = None
    if math.isfinite(last):
        at = min(last, now)
        # What was there at the last tick was there at its very time.
        before.append((LOSE_OPEN, {"reason": lost_because, "finished": ticks_of(at) + 1}))
        before.append(("DELETE FROM open_tasks", []))
        if end_before is not None:
            before.append((END_EARLIER, [just_after(at), POOL_GONE, end_before]))
        gap = Gap(at, now, NOT_RUNNING if last <= now else f"the clock was set back by {last - now:.0f} s, and {NOT_RUNNING}")
        events = [Event(at, "gap_began", gap.reason), Event(now, "gap_ended", gap.reason), *events]
    put_aside = ""
    if file.set_aside:
        put_aside = f"the history file could not be read on: it is kept as {', '.join(file.set_aside)}, and a new one began"
        events.append(Event(now, "put_aside", put_aside))
    noted = {"name": list(FIRST_IDS), "value": [str(one) for one in first_ids]}
    file.write([("events", event_columns(events, run)), ("meta", noted)], before)
    return Begun(run, gap, put_aside)
