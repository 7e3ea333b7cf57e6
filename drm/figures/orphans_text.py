"""Orphans in words: instances that are no worker's, workers that have no instance, and what that costs."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from drm.cloud.orphans import Orphans
from drm.figures.ladder_text import kind_text
from drm.figures.units import UNKNOWN, count, duration, money, plain

MOST_ROWS = 50
HEADS = ("What", "Kind of instance", "Since", "An hour")
NONE_ASKED = (
    "Nobody has asked the providers yet. A program does by manager.cloud.orphans(), which tells instances with a pool's mark on which no "
    "worker stands, and workers without an instance; no tick and no page waits for a provider."
)
NO_PROVIDER = "None can be: no provider is configured that would have to be asked what it has."
PAST = "What providers had at this moment is not kept."


def sentence(asked: tuple[float, Orphans] | None, now: float, *, asks: bool, past: bool = False) -> str:
    """What there is, and as of when; `asks`: whether any provider has to be asked what it has."""
    if past:
        return PAST
    if not asks:
        return NO_PROVIDER
    if asked is None:
        return NONE_ASKED
    at, found = asked
    when = f"as of {datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC, {duration(max(0.0, now - at))} ago"
    silent = "".join(f" {plain(one.provider, 40)} did not answer: {plain(one.error, 200)}." for one in found.problems)
    if not (found.instances or found.workers):
        return f"There is none, {when}.{silent}"
    currency = found.currencies[0] if len(found.currencies) == 1 else ""
    known = f", of {money(found.known_rate, currency)} is known" if math.isnan(found.rate) and found.known_rate > 0 else ""
    cost = f"They cost {money(found.rate, currency)} an hour{known}. " if found.instances else ""
    instances, workers = count(len(found.instances), "instance"), count(len(found.workers), "worker")
    return (
        f"{instances} on which no worker of the pool stands, and {workers} without an instance, {when}. {cost}"
        f"None of them is ended by itself: provider.terminate([...]) ends an instance.{silent}"
    )


def rows(found: Orphans) -> list[tuple[str, str, str, str]]:
    """A row of `HEADS` for each, instances first, at most `MOST_ROWS`; the last one tells of those that are left out."""
    told = [
        (
            f"instance {plain(one.id, 60)}",
            plain(" ".join(part for part in (one.provider, one.region, one.type, (one.market or "").replace("_", "-")) if part), 80),
            UNKNOWN if math.isnan(one.launched_at) else f"{datetime.fromtimestamp(one.launched_at, UTC):%Y-%m-%d %H:%M} UTC",
            UNKNOWN if one.price is None else money(one.price.hourly, one.price.currency),
        )
        for one in found.instances
    ]
    told += [
        (f"worker {plain(one.id, 60)}", kind_text(one.kind), "", money(one.kind.hourly, one.kind.price.currency if one.kind.price else ""))
        for one in found.workers
    ]
    more = len(told) - MOST_ROWS
    return [*told[:MOST_ROWS], (f"{more} more", "", "", "")] if more > 0 else told
