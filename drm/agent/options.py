"""What the agent was asked to do. A wrong value is refused with the flag, the value and the rule."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from drm.errors import InvalidValueError
from drm.hosting import TOKEN_VARIABLE, fits_a_header

SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 15.0
NAME_LIMIT, LABELS_LIMIT = 256, 64


@dataclass(frozen=True, slots=True)
class Options:
    """Every value has passed its rule."""

    url: str
    worker_id: str
    token: str
    interval_seconds: float
    labels: Mapping[str, str]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidValueError(f"{message}; `{self.prog} --help` lists what there is")


def read(arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> Options:
    """InvalidValueError where something is missing, unknown or wrong. `variables`: the environment if not given."""
    parser = _Parser(
        prog="drm agent",
        allow_abbrev=False,
        description="Reports what this host has and uses (CPU, memory, and GPUs with the extra `gpu`) to a dashboard that runs with "
        "`--engine external` and a token. While the dashboard is away, samples are kept in memory and sent later.",
    )
    parser.add_argument("--url", metavar="URL", required=True, help="the address of the dashboard's program, as in http://host:8080")
    parser.add_argument("--id", metavar="ID", help="the name of this worker, its own in the pool; the host's name if not given")
    parser.add_argument("--token-file", metavar="FILE", help="a file that holds the dashboard's token")
    parser.add_argument("--token", metavar="TOKEN", help=f"the token itself, which process lists show; better {TOKEN_VARIABLE} or a file")
    parser.add_argument("--interval", metavar="SECONDS", default="5", help="seconds between two reports, 1 to 15; 5 if not given")
    parser.add_argument("--label", metavar="NAME=VALUE", action="append", default=[], help="more about this host; may be repeated")
    given = parser.parse_args(list(arguments))
    return Options(
        url=given.url,
        worker_id=_name("--id", socket.gethostname() if given.id is None else given.id),
        token=_token(given, os.environ if variables is None else variables),
        interval_seconds=_interval(given.interval),
        labels=_labels(given.label),
    )


def _token(given: argparse.Namespace, variables: Mapping[str, str]) -> str:
    if given.token is not None and given.token_file is not None:
        raise InvalidValueError("--token and --token-file both give the token: leave out one")
    if given.token_file is not None:
        try:
            token, named = Path(given.token_file).read_text().strip(), f"--token-file {given.token_file!r}"
        except (OSError, UnicodeDecodeError) as error:
            reason = (getattr(error, "strerror", None) or "it is not text").lower()
            raise InvalidValueError(f"--token-file {given.token_file!r} cannot be read: {reason}; name a file with the token") from None
    else:
        token, named = (given.token, "--token") if given.token is not None else (variables.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE)
    if not token and given.token is None and given.token_file is None:
        raise InvalidValueError(
            f"the dashboard takes reports only with its token: give --token-file FILE, or set the variable {TOKEN_VARIABLE}"
        )
    if not fits_a_header(token):
        raise InvalidValueError(f"{named} (hidden): a token is ASCII characters without spaces, and not empty")
    return token


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InvalidValueError(f"--interval must be a number of seconds from {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g}, got {text!r}")
    return seconds


def _labels(texts: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InvalidValueError(f"--label must be NAME=VALUE, as in rack=b7, got {text!r}")
        labels[_name("--label", name.strip())] = _name("--label", value.strip()) if value.strip() else ""
    if len(labels) > LABELS_LIMIT:
        raise InvalidValueError(f"--label may be given for at most {LABELS_LIMIT} names, got {len(labels)}")
    return labels


def _name(flag: str, text: str) -> str:
    if not 0 < len(text) <= NAME_LIMIT or not text.isprintable():
        raise InvalidValueError(f"{flag} must be 1 to {NAME_LIMIT} printable characters, got {text[:NAME_LIMIT]!r}")
    return text
