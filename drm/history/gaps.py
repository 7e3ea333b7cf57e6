"""Times of which nothing is known, as the history file tells them."""

from __future__ import annotations

from dataclasses import dataclass

from drm.history.file import HistoryFile


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which nothing is known."""

    since: float
    until: float
    reason: str


def gaps(file: HistoryFile) -> tuple[Gap, ...]:
    """The times of which nothing was kept, oldest first."""
    found, since = [], None
    for epoch, kind, detail in file.read("SELECT epoch, kind, detail FROM events WHERE kind IN ('gap_began', 'gap_ended') ORDER BY rowid"):
        if kind == "gap_began":
            since = epoch
        elif since is not None:
            found.append(Gap(since, epoch, detail))
            since = None
    return tuple(found)
