"""kill -9 at any moment: the file opens, knows all that was acknowledged, and no id comes again; `tests/soak_history.py` does it long."""

from __future__ import annotations

from pathlib import Path

from tests.integration.kills import Rounds

ROUNDS, SECONDS = 4, (0.1, 1.2)


def test_four_kills_lose_nothing(tmp_path: Path) -> None:
    """After each, decisions, tasks, lifetimes and samples are exactly those of the batches that the file has, which are all that were
    acknowledged, and maybe more."""
    rounds = Rounds(tmp_path / "history", seed=1)
    for _ in range(ROUNDS):
        rounds.run(*SECONDS)
    assert rounds.written > 50 and len(rounds.ended) > 15 and len(rounds.lifetimes) > 10 and len(rounds.samples) > 100
