"""A fixed piece of work that tells how fast this machine is right now, and the table that every figure goes into."""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results.json"


@functools.cache
def calibration_seconds() -> float:
    """The best of five runs of a loop that is half plain Python, half numpy."""
    block = np.arange(1_000_000, dtype=float)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        total = 0
        for number in range(300_000):
            total += number & 7
        for _ in range(10):
            np.sqrt(block).sum()
        times.append(time.perf_counter() - began)
    return min(times)


def record(name: str, value: float, unit: str, target: float, *, at_least: bool = False) -> None:
    """One row: the figure, its target, and, for milliseconds, its ratio to the calibration loop of this run."""
    ratio = value / 1000 / calibration_seconds() if unit == "ms" else None
    met = value >= target if at_least else value <= target
    bound = "at least" if at_least else "at most"
    print(f"\n{name:<64} {value:>10.3f} {unit:<6} {bound} {target:g}   {'met' if met else 'MISSED'}", end="")
    print(f"   {ratio:.3f} x calibration" if ratio is not None else "", flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows.append({"name": name, "value": value, "unit": unit, "target": target, "met": met, "ratio": ratio, "time": time.time()})
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


def timed(work: object, rounds: int) -> list[float]:
    """Milliseconds of each round of a callable."""
    assert callable(work)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return times
