"""`make soak`: an hour of 1000 simulated workers at speed 60 with a retention of one day, two and a half simulated days: memory stays flat.

What DuckDB holds is told apart (`drm_history_memory_bytes`): parts of the file, which is full after the second day only, since retention
frees whole groups of rows, and what waits for a checkpoint, which rises and falls. The load of a simulated day does so as well: the mean of
each six minutes is compared with that of the same hours of the simulated day before, from the second day on. Shorter runs say nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import psutil
import pytest

SECONDS = float(os.environ.get("DRM_SOAK_SECONDS", "3600"))
EVERY = 15.0
SPEED = 60
DAY_SECONDS = 86400.0 / SPEED
STRETCH_SECONDS = DAY_SECONDS / 4
"""Longer than the time between two checkpoints."""
MOST_MB_A_DAY, MOST_FILE_SHARE = 12.0, 0.15
"""Of the program without DuckDB, which comes to some 200 MB; the file is one of a fleet whose load is random."""


@pytest.mark.timeout(SECONDS + 300)
def test_memory_stays_flat(tmp_path: Path) -> None:
    """From the second day to the third the resident memory grows no more than its rings fill and noise does, and neither does the file."""
    arguments = f"--history --simulate 1000 --speed {SPEED} --retention-days 1 --port 0".split()
    arguments += ["--data-dir", str(tmp_path)]
    program = subprocess.Popen([sys.executable, "-m", "drm", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        found = re.search(r"http://\S+", program.stdout.readline())
        assert found
        page = found.group(0)
        process, began = psutil.Process(program.pid), time.monotonic()
        times, memory, held, sizes, late = [], [], [], [], 0
        while time.monotonic() - began < SECONDS:
            time.sleep(EVERY)
            try:
                urlopen(page.replace("/drm-dashboard/", "/readyz")).close()
            except HTTPError:
                # The last tick is old: a machine that is shared. It must not stay so.
                late += 1
            times.append(time.monotonic() - began)
            memory.append(process.memory_info().rss / 1e6)
            held.append(held_by_history(page) / 1e6)
            sizes.append(sum(file.stat().st_size for file in tmp_path.iterdir()) / 1e6)
            print(
                f"{times[-1]:7.0f} s  {memory[-1]:7.1f} MB of memory, {held[-1]:7.1f} of it the history's  {sizes[-1]:7.1f} MB of files",
                flush=True,
            )
        cpu = sum(process.cpu_times()[:2]) / (time.monotonic() - began)
    finally:
        program.terminate()
        assert program.wait(20) == 0
        if program.stdout is not None:
            program.stdout.close()
    own = [all_of_it - its for all_of_it, its in zip(memory, held, strict=True)]
    grown, all_grown, file_grown = (a_day(times, amounts) for amounts in (own, memory, sizes))
    told = (
        f"memory without the history {grown:+.1f} MB a simulated day, with it {all_grown:+.1f} MB, files {file_grown:+.1f} MB; "
        f"at most {max(own):.0f} and {max(held):.0f} MB; {100 * cpu:.1f} % of a core, {late} times late"
    )
    print(told)
    assert grown < MOST_MB_A_DAY, told
    assert file_grown < MOST_FILE_SHARE * max(sizes), told
    assert max(held) < 1.5 * max(sizes), told
    assert late < len(times) / 10


def held_by_history(page: str) -> float:
    """Bytes, as the program tells them."""
    with urlopen(page.replace("/drm-dashboard/", "/metrics")) as answer:
        found = re.search(r"^drm_history_memory_bytes (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found
    return float(found.group(1))


def a_day(times: list[float], amounts: list[float]) -> float:
    """By how much the mean of a stretch is more than that of the same hours of the day before: the mean over the third day."""
    seen: dict[int, list[float]] = defaultdict(list)
    for at, amount in zip(times, amounts, strict=True):
        seen[int(at // STRETCH_SECONDS)].append(amount)
    mean = {stretch: float(np.mean(found)) for stretch, found in seen.items()}
    a_day_on = round(DAY_SECONDS / STRETCH_SECONDS)
    # The first day fills the file, and the last stretch may be a short one.
    grown = [mean[one] - mean[one - a_day_on] for one in mean if one >= 2 * a_day_on and (one + 1) * STRETCH_SECONDS <= times[-1] + EVERY]
    assert grown, "too short: nothing of the third simulated day was seen"
    return float(np.mean(grown))
