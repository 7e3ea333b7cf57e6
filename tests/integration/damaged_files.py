"""Starts on damaged copies of a folder, one after the other, and tells what each start did.

`python -m tests.integration.damaged_files FOLDER WHICH FLIPS`: a process of its own, because damage might end the one that finds it.
"""

from __future__ import annotations

import json
import logging
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from drm.history.folder import FILE
from drm.history.reading import last_epoch
from tests.unit.kept_pools import Kept, Outside, documents


def known(kept: Kept) -> dict[str, Any]:
    """What a start has taken over."""
    file = kept.store.file
    return {
        "decisions": documents(kept.manager.ledger),
        "tasks": file.read("SELECT task_id, attempt FROM tasks ORDER BY ALL"),
        "lifetimes": [one.number for one in kept.manager.lifetimes.between(0, float("inf"))],
        "samples": file.read("SELECT epoch, worker, used_cpu FROM samples_5s ORDER BY ALL"),
        "fleet": file.read("SELECT epoch, series, mean FROM fleet_5s ORDER BY ALL"),
    }


def damage(path: Path, how: str, chance: random.Random) -> None:
    """Changes bytes of a file."""
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    if how == "flipped":
        data[at] ^= 1 << chance.randrange(8)
    elif how == "block":
        data[at : at + 4096] = chance.randbytes(len(data[at : at + 4096]))
    elif how == "cut":
        del data[at:]
    else:
        data = bytearray(chance.randbytes(len(data)) if how == "garbage" else b"")
    path.write_bytes(data)


def start(folder: Path, now: float) -> tuple[Kept, dict[str, Any]]:
    """A run, and what it knew before its first tick."""
    kept = Outside().run_of(folder, now)
    kept.begin()
    return kept, known(kept)


def main(source: Path, which: str, flips: int) -> None:
    """Each line on stdout tells one start."""
    logging.disable()
    now = 0.0
    whole: dict[str, Any] = {}
    for number, how in enumerate([*["none"], *["flipped"] * flips, "block", "block", "cut", "cut", "empty", "garbage"]):
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "history"
            shutil.copytree(source, folder)
            if how == "none":
                kept = Outside().run_of(folder, 2e9)
                kept.store._hold_and_open()
                now = last_epoch(kept.store.file) + 1
                kept.end()
                shutil.rmtree(folder)
                shutil.copytree(source, folder)
            else:
                damage(folder / which, how, random.Random(number))
            kept, found = start(folder, now)
            if how == "none":
                whole = found
            else:
                aside = [path.name for path in folder.iterdir() if not path.name.startswith(("drm.", f"{FILE}.wal")) and path.name != FILE]
                aside += [path.name for path in folder.glob(f"{FILE}.wal.*")]
                reason = kept.store.recording.reason
                kept.tick()
                kept.flush()
                print(
                    json.dumps(
                        {
                            "how": how,
                            "whole": found == whole,
                            "is a part": all(set(map(str, found[name])) <= set(map(str, whole[name])) for name in whole),
                            "aside": aside,
                            "told": bool(reason),
                            "reason": reason,
                            "state": kept.store.recording.state,
                            "ticked": kept.manager.snapshot.ready,
                        }
                    ),
                    flush=True,
                )
            kept.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
