"""Where settings come from beside flags and environment, and how it is said in one line that one of them is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError, TomlConfigSettingsSource

from drm.budget import RULE
from drm.errors import InvalidValueError

CONFIG = "drm.toml"

RULES = {
    "port": "it must be a whole number from 0 to 65535; 0 takes a free port",
    "interval": "it must be a number of seconds from 0.05 to 3600",
    "simulate": "it must be a whole number of workers from 1 to 10000",
    "seed": "it must be a whole number of 0 or more",
    "speed": "it must be a number from 0.01 to 3600",
    "worker_price": "it must be an amount per hour, 0 or more",
    "budget": f"it must be {RULE}",
    "retention_days": "it must be a number of days, more than 0 and at most 3650",
    "engine": "it must be one of these: local, external",
    "log_level": "it must be one of these: debug, info, warning, error",
    "log_format": "it must be one of these: text, json",
}
"""What is said where a value is not even of the right type."""


def read_file(settings: type[BaseSettings], arguments: Sequence[str]) -> dict[str, Any]:
    """The settings of the file, if there is one. It is found before the flags are read, because it is one of them."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config")
    named = parser.parse_known_args(list(arguments))[0].config
    path = Path(named or CONFIG)
    if not path.is_file():
        if named:
            raise InvalidValueError(f"--config {named!r}: there is no such file; name one, or leave the flag out")
        return {}
    try:
        values = TomlConfigSettingsSource(settings, path)()
    except ValueError as error:
        raise InvalidValueError(f"{path} is not TOML: {error}") from None
    known = {name.replace("_", "-"): name for name in settings.model_fields}
    for name in values:
        if name.replace("_", "-") not in known:
            raise InvalidValueError(f"{path}: {name!r} is no setting; these are: {', '.join(known)}")
    return {known[name.replace("_", "-")]: value for name, value in values.items()}


def one_line(error: SettingsError | ValidationError) -> str:
    """What is wrong with a setting: its flag, the value and the rule."""
    if isinstance(error, SettingsError):
        text = str(error)
        for prefix in ("error parsing CLI: ", "error: "):
            text = text.removeprefix(prefix)
        return f"{text}; `drm --help` lists all flags"
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field = str(first["loc"][0])
    rule = message if first["type"] == "value_error" else RULES.get(field, message[0].lower() + message[1:])
    value = "(hidden)" if field == "token" else repr(first["input"])
    return f"--{field.replace('_', '-')} {value}: {rule}"
