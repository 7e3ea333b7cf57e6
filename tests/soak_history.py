"""200 rounds of start, run 2 to 5 s, kill -9, start (`make soak`; DRM_SOAK_ROUNDS and DRM_SOAK_SECONDS for fewer)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.integration.kills import Rounds

ROUNDS = int(os.environ.get("DRM_SOAK_ROUNDS", "200"))
MOST_SECONDS = float(os.environ.get("DRM_SOAK_SECONDS", "3600"))
RUN_SECONDS = (2.0, 5.0)


@pytest.mark.timeout(0)
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    """No acknowledged batch is lost, the file always opens, ids never repeat."""
    rounds, began = Rounds(tmp_path / "history", seed=6), time.monotonic()
    while rounds.count < ROUNDS and time.monotonic() - began < MOST_SECONDS:
        rounds.run(*RUN_SECONDS)
        print(f"\rround {rounds.count}: {rounds.written} batches written, {rounds.batches - rounds.written} not", end="", flush=True)
    size = sum(file.stat().st_size for file in (tmp_path / "history").iterdir())
    print(
        f"\n{rounds.count} rounds, {time.monotonic() - began:.0f} s: {rounds.batches} batches told, {rounds.written} written when killed, "
    )
    print(f"{len(rounds.decisions)} decisions, {len(rounds.ended)} attempts, {len(rounds.lifetimes)} lifetimes, {size / 1e6:.1f} MB")
    assert rounds.count == ROUNDS or time.monotonic() - began >= MOST_SECONDS
