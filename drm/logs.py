"""What the command line logs: one line an event, as text or as JSON, without secrets, and without a line that somebody else made up.

A server that embeds us has logging of its own, which is left alone: this is for a process that is ours.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, TextIO

from drm.hidden import without_secrets

Form = Literal["text", "json"]
MOST_FRAMES = 12
SELDOM_SECONDS = 60.0
MOST_CHARACTERS = 20_000
"""Of a message or an exception."""


def begin(level: str, form: Form = "text", secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Everything that this process logs goes to the stream (None: stderr) from now on. `secrets`: what is hidden wherever it stands."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter((JsonLines if form == "json" else TextLines)(tuple(secrets)))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("waitress", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger(name).addFilter(Seldom())
    # distributed sets the levels of its own loggers when it is imported; this is the name under which it reads them before that.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "error")


class Seldom(logging.Filter):
    """The same beginning of a message once a minute: without a descriptor left asyncio says so thousands of times a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is told."""
        beginning, now = record.getMessage()[:40], self._clock()
        if now - self._said.get(beginning, -math.inf) < SELDOM_SECONDS:
            return False
        self._said = {one: at for one, at in self._said.items() if now - at < SELDOM_SECONDS} | {beginning: now}
        return True


class TextLines(logging.Formatter):
    """`2026-11-26 18:10:14,123 WARNING drm.state: what happened: ValueError: why [state.py:208 _advance < ...]`, the innermost first."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        head = f"{self.formatTime(record)} {record.levelname} {record.name}: "
        exception = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() if exception is None else f"{record.getMessage()}: {_briefly(exception)}"
        return head + on_one_line(without_secrets(text[: 2 * MOST_CHARACTERS], self._secrets))


class JsonLines(logging.Formatter):
    """An object a line: `time` (ISO 8601, UTC), `level`, `logger`, `message`, and `exception`, the whole traceback, where there is one."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()[: 2 * MOST_CHARACTERS], self._secrets)[:MOST_CHARACTERS],
        }
        if record.exc_info and record.exc_info[1] is not None:
            whole = "".join(traceback.format_exception(record.exc_info[1]))[-2 * MOST_CHARACTERS :]
            told["exception"] = without_secrets(whole, self._secrets)[-MOST_CHARACTERS:]
        # Whatever is not ASCII is escaped, surrogates and separators of lines too.
        return json.dumps(told)


def on_one_line(text: str) -> str:
    """The text with what is no printable character as its escape, so that nobody's name of a task is a line of ours."""
    cut = text[:MOST_CHARACTERS]
    if cut.isprintable():
        return cut
    # Not by a codec, which Python loads from its file: there may be no descriptor left to open it with.
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in cut)


def _briefly(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    calls = " < ".join(f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{said} [{calls}]" + (f", caused by {type(cause).__name__}: {cause}" if cause is not None else "")
