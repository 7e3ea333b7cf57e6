"""Lines of the log, and what is hidden in them."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drm import logs
from drm.hidden import HIDDEN, secret_values, without_secrets
from drm.logs import Form

TOKEN = "correct-horse-battery"
INJECTED = "train\n2026-01-01 00:00:00,000 CRITICAL drm.cli: all is lost\r\x1b[2J\u2028\u202e\ud800\x00"


@pytest.fixture
def logged() -> Iterator[Callable[..., list[str]]]:
    """Logs something in one of the forms, and gives the lines; then logging is as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    # A handler that is replaced is closed: pytest's own must not be.
    root.handlers = []

    def log(form: Form, message: str, *values: Any, error: BaseException | None = None) -> list[str]:
        stream = io.StringIO()
        logs.begin("info", form, [TOKEN], stream)
        logging.getLogger("drm.test").warning(message, *values, exc_info=error)
        return stream.getvalue().encode("utf-8").decode().splitlines()

    yield log
    root.handlers, root.level = before, level


def failed(words: str) -> BaseException:
    """An error as it was caught."""
    try:
        try:
            raise KeyError("the cause")
        except KeyError as cause:
            raise ValueError(words) from cause
    except ValueError as error:
        return error


def test_text_is_one_line_whatever_a_name_holds(logged: Callable[..., list[str]]) -> None:
    """Line breaks, escapes of terminals, separators and directions are shown as their escapes: no name makes a line of its own."""
    (line,) = logged("text", "task %s failed", INJECTED)
    assert " WARNING drm.test: task train\\n2026-01-01" in line and line.isprintable()
    assert line.endswith("\\r\\x1b[2J\\u2028\\u202e\\ud800\\x00 failed")


def test_text_has_an_exception_on_the_same_line(logged: Callable[..., list[str]]) -> None:
    """Its type, its words, where it came from, and what caused it."""
    (line,) = logged("text", "the tick failed", error=failed(f"odd\n{INJECTED}"))
    assert "the tick failed: ValueError: odd\\ntrain" in line and line.isprintable()
    assert line.endswith(" failed], caused by KeyError: 'the cause'") and "[test_logs.py:" in line


def test_json_is_an_object_a_line(logged: Callable[..., list[str]]) -> None:
    """Time with its zone, level, logger, message, and the whole traceback as one field; strict, and ASCII."""
    (line,) = logged("json", "task %s failed", INJECTED, error=failed(INJECTED))
    told = json.loads(line, parse_constant=pytest.fail)
    assert list(told) == ["time", "level", "logger", "message", "exception"] and line.isascii()
    assert (told["level"], told["logger"], told["message"]) == ("warning", "drm.test", f"task {INJECTED} failed")
    assert told["time"].endswith("Z") and "T" in told["time"]
    assert told["exception"].startswith("Traceback") and "KeyError: 'the cause'" in told["exception"]
    assert list(json.loads(logged("json", "well")[0])) == ["time", "level", "logger", "message"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_logged(logged: Callable[..., list[str]], form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the token, nor a variable of a cloud, in a message or in an exception."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    (line,) = logged(
        form, "sent %s and %s", TOKEN, "wJalrXUtnFEMI/K7MDENG", error=failed(f"Authorization: Bearer {TOKEN}x wJalrXUtnFEMI/K7MDENG")
    )
    assert TOKEN not in line and "wJalr" not in line and HIDDEN in line


@pytest.mark.parametrize("part", ["x", "token", "a-", "://a:", "secret=", "bearer ", "access_key'  ", "s:"])
def test_what_is_hidden_is_found_in_a_time_that_follows_the_length(part: str) -> None:
    """A text that was made to keep the search busy takes ten times as long for ten times its length, not a hundred times."""
    seconds = []
    for count in (2_000, 20_000):
        began = time.process_time()
        without_secrets(part * count)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 60 * max(seconds[0], 0.0005)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_message_without_end_is_cut(logged: Callable[..., list[str]], form: Form) -> None:
    """A line has a length that a collector of logs takes."""
    (line,) = logged(form, "x" * 1_000_000, error=failed("y" * 1_000_000))
    assert len(line) < 50_000


def test_what_a_server_says_without_end_is_told_once_a_minute() -> None:
    """By the beginning of its message; another one is told, and the same again later."""
    now = [0.0]
    seldom = logs.Seldom(lambda: now[0])

    def told(message: str) -> bool:
        return seldom.filter(logging.LogRecord("asyncio", logging.ERROR, "", 0, message, None, None))

    flood = "socket.accept() out of system resource\nsocket: "
    assert [told(f"{flood}{number}") for number in range(100)] == [True] + [False] * 99
    assert told("another")
    now[0] = 60.0
    assert told(flood)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET /v1?api_key=abcdefgh12345&x=1", "abcdefgh12345"),
        ("X-Amz-Signature=0123456789abcdef;X-Amz-Date=1", "0123456789abcdef"),
        ('{"password": "hunter2hunter2", "a": 1}', "hunter2hunter2"),
        ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "eyJhbGciOiJIUzI1NiJ9.e30.x"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
        ("https://user:p4ssword@cloud.example/v2 did not answer", "p4ssword"),
        ("secret:abcdefgh is wrong", "abcdefgh"),
    ],
)
def test_what_a_provider_repeats_of_credentials_is_hidden(text: str, hidden: str) -> None:
    """Values behind names that say what they are; the rest of the sentence stays."""
    told = without_secrets(text)
    assert hidden not in told and HIDDEN in told and told.split(HIDDEN)[0] == text.split(hidden)[0].split("user:")[0]


@pytest.mark.parametrize(
    "text",
    [
        "aws does not accept the credentials (ExpiredToken): they have expired or are wrong. refresh them in the way that they came",
        "send the token: Authorization: Bearer TOKEN",
        "--token is shorter than 16 characters: `openssl rand -hex 16` makes one that cannot be guessed",
        "the dashboard is at http://127.0.0.1:8080/drm-dashboard/",
        "no tick since 10:00:00; tokens are drawn from a bucket",
    ],
)
def test_sentences_stay_as_they_are(text: str) -> None:
    """What speaks of secrets holds none."""
    assert without_secrets(text) == text


def test_variables_are_secret_by_their_names() -> None:
    """Not the paths to secrets, and not words."""
    variables = {
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "DRM_TOKEN": TOKEN,
        "DB_PASSWORD": "hunter2hunter2",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/token",
        "TOKENIZERS_PARALLELISM": "false",
        "HOME": "/home/somebody",
    }
    assert secret_values(variables) == {"wJalrXUtnFEMI", TOKEN, "hunter2hunter2"}
