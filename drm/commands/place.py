"""A way to the history of a place: its file, where nobody has it open; else the program that has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drm.commands.asked import Place
from drm.commands.running import RunningProgram
from drm.errors import HeldError, HistoryError
from drm.history.copying import private_folder
from drm.history.folder import FILE, HistoryFolder
from drm.history.still_file import StillFile


@contextmanager
def held(place: Place) -> Iterator[RunningProgram | None]:
    """Keeps programs from starting there meanwhile (None), or gives the one that runs. HistoryError where there is no history."""
    if place.file is not None:
        yield None
        return
    folder = HistoryFolder(place.folder)
    if not folder.file.exists():
        raise HistoryError(
            f"there is no history in {place.folder}: it begins when drm runs with history on; --data-dir names the folder of another one"
        )
    running: RunningProgram | None = None
    try:
        folder.hold()
    except HeldError:
        running = RunningProgram(place.folder, folder.holder())
    except OSError:
        # A folder that cannot be written, such as one on a backup: nobody can keep history there either.
        pass
    try:
        yield running
    finally:
        folder.release()


@contextmanager
def opened(place: Place, work: Path) -> Iterator[StillFile]:
    """The history of a place to be read, or a copy of it where a program has it open. `work`: a folder with room for that."""
    with held(place) as running, private_folder(work) as inside:
        path = place.file or place.folder / FILE
        if running is not None:
            path = inside / FILE
            running.fetch_copy(path)
        spill = inside / "spill"
        spill.mkdir()
        file = StillFile(path, spill)
        try:
            file.open()
            yield file
        finally:
            file.close()
