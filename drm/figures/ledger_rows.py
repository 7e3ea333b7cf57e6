"""Decisions as the rows of a table."""

from __future__ import annotations

from typing import Any

from drm.decision import ScalingDecision
from drm.figures.decision_marks import GLYPHS, WORDS
from drm.figures.explanation import sizes
from drm.figures.units import duration, plain

SHOWN_WORKERS = 3


def ledger_row(decision: ScalingDecision) -> dict[str, Any]:
    """One decision; times in epoch seconds, all else as text."""
    workers = ", ".join(plain(worker, 40) for worker in decision.worker_ids[:SHOWN_WORKERS])
    more = len(decision.worker_ids) - SHOWN_WORKERS
    return {
        "id": str(decision.id),
        "start": decision.timestamp,
        "kind": f"{GLYPHS[decision.kind]} {WORDS[decision.kind]}",
        "sizes": sizes(decision).removesuffix(" workers").removesuffix(" worker"),
        "code": decision.code,
        "reason": plain(decision.reason, 300),
        "evaluations": "not kept" if decision.evaluations is None else decision.evaluations,
        "lasted": duration(decision.last_at - decision.timestamp) if decision.fold else "",
        "outcome": _outcome(decision),
        "actor": decision.actor,
        "worker": f"{workers} and {more} more" if more > 0 else workers,
    }


def _outcome(decision: ScalingDecision) -> str:
    if not decision.count:
        return ""
    if decision.ready_at is None or decision.requested_at is None:
        return decision.outcome
    return f"{decision.outcome} in {duration(decision.ready_at - decision.requested_at)}"
