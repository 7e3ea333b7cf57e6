"""Settings: one class, so that a name, its default, its rule and its help stand once. Flags > DRM_ variables > drm.toml."""

from __future__ import annotations

import argparse
import ipaddress
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError, TomlConfigSettingsSource

from drm.errors import InvalidValueError
from drm.model import Bounds, Resources
from drm.policies import policy_names

CONFIG = "drm.toml"


class Settings(BaseSettings):
    """What the program was asked to do; every value has passed its rule."""

    model_config = SettingsConfigDict(
        env_prefix="DRM_",
        extra="forbid",
        frozen=True,
        cli_prog_name="drm",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_exit_on_error=False,
        cli_hide_none_type=True,
    )

    host: str = Field("127.0.0.1", min_length=1, description="where to listen; another address than loopback needs --token or --insecure")
    port: int = Field(8080, ge=0, le=65535, description="where to listen; 0 takes a free port")
    mock: bool = Field(True, description="run the demo workload: small real tasks; --no-mock leaves the pool to what users submit")
    cluster: str | None = Field(None, description="address of a running dask scheduler, as in tcp://host:8786, instead of a pool on this machine")
    workers: str = Field("1:4", description="MIN:MAX, the bounds of the pool")
    worker_shape: str | None = Field(None, description="what one worker has, as in cpu=2,memory=4GiB; a quarter of this machine if not given")
    policy: str = Field("queue", description=f"the scaling policy: {', '.join(policy_names())}")
    interval: float = Field(1.0, description="seconds between ticks")
    token: SecretStr | None = Field(None, description="what a browser or program must show; better given as DRM_TOKEN, which no process list shows")
    insecure: bool = Field(False, description="listen on any address without a token: everybody who reaches the port sees the pool")
    trusted_hosts: str = Field("", description="further names, separated by commas, by which browsers may call this server")
    open: bool = Field(False, description="open the page in a browser")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much is logged")
    config: Path | None = Field(None, description=f"a file of settings instead of {CONFIG} in the working directory")
    version: bool = Field(False, description="print the version and end")

    @field_validator("workers")
    @classmethod
    def _two_numbers(cls, text: str) -> str:
        _bounds(text)
        return text

    @field_validator("worker_shape")
    @classmethod
    def _whole_worker(cls, text: str | None) -> str | None:
        if text is not None:
            shape = Resources.parse(text)
            if not (shape.cpu and shape.memory):
                raise ValueError("a worker needs cpu and memory, as in cpu=2,memory=4GiB")
        return text

    @field_validator("policy")
    @classmethod
    def _known_policy(cls, name: str) -> str:
        if name not in policy_names():
            raise ValueError(f"it must be one of {', '.join(policy_names())}")
        return name

    @field_validator("interval")
    @classmethod
    def _positive_interval(cls, seconds: float) -> float:
        if not (math.isfinite(seconds) and 0.05 <= seconds <= 3600):
            raise ValueError("it must be between 0.05 and 3600 seconds")
        return seconds

    @field_validator("cluster")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        scheme, separator, rest = (address or "tcp://h:1").partition("://")
        if not separator or scheme not in ("tcp", "tls", "ws", "wss", "ucx") or not rest.rpartition(":")[2].isdigit():
            raise ValueError("it must be the address of a scheduler, as in tcp://host:8786")
        return address

    @field_validator("token")
    @classmethod
    def _long_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < 16:
            raise ValueError("it must have at least 16 characters; `python -c 'import secrets; print(secrets.token_urlsafe())'` makes one")
        return token

    @model_validator(mode="after")
    def _open_only_on_purpose(self) -> Self:
        if self.token is None and not self.insecure and not self.is_loopback:
            raise ValueError(f"--host {self.host} is reached from other machines: give a --token, or --insecure to let everybody in")
        if self.cluster is not None and self.worker_shape is not None:
            raise ValueError(f"--worker-shape {self.worker_shape} has no use with --cluster: those workers are started by somebody else")
        return self

    @property
    def bounds(self) -> Bounds:
        """The bounds of the pool."""
        return _bounds(self.workers)

    @property
    def shape(self) -> Resources | None:
        """What one worker has; None: a quarter of this machine."""
        return None if self.worker_shape is None else Resources.parse(self.worker_shape)

    @property
    def further_hosts(self) -> tuple[str, ...]:
        """The names of `trusted_hosts`."""
        return tuple(name.strip() for name in self.trusted_hosts.split(",") if name.strip())

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags come first of all; then the environment; then the file."""
        return env_settings, init_settings

    @classmethod
    def from_command_line(cls, arguments: Sequence[str]) -> Settings:
        """Reads flags, environment and file. InvalidValueError with one line that names the flag, the value and the rule."""
        try:
            return cls(**_file(arguments), _cli_parse_args=list(arguments))
        except (SettingsError, ValidationError) as error:
            raise InvalidValueError(_one_line(error)) from None


def _bounds(text: str) -> Bounds:
    low, colon, high = (part.strip() for part in text.partition(":"))
    if not colon or not (low.isdigit() and high.isdigit()):
        raise InvalidValueError("write MIN:MAX with two whole numbers, as in 1:4")
    return Bounds(int(low), int(high))


def _file(arguments: Sequence[str]) -> dict[str, Any]:
    """The settings of the file, if there is one. It is found before the flags are read, because it is one of them."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config")
    named = parser.parse_known_args(list(arguments))[0].config
    path = Path(named or CONFIG)
    if not path.is_file():
        if named:
            raise InvalidValueError(f"--config {named}: there is no such file")
        return {}
    try:
        values = TomlConfigSettingsSource(Settings, path)()
    except ValueError as error:
        raise InvalidValueError(f"{path} is not TOML: {error}") from None
    known = {name.replace("_", "-"): name for name in Settings.model_fields}
    for name in values:
        if name.replace("_", "-") not in known:
            raise InvalidValueError(f"{path}: {name!r} is no setting; those are {', '.join(known)}")
    return {known[name.replace("_", "-")]: value for name, value in values.items()}


def _one_line(error: SettingsError | ValidationError) -> str:
    if isinstance(error, SettingsError):
        text = str(error)
        for prefix in ("error parsing CLI: ", "error: "):
            text = text.removeprefix(prefix)
        return f"{text}; `drm --help` lists all flags"
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if not first["loc"]:
        return message
    name = "--" + str(first["loc"][0]).replace("_", "-")
    value = "(hidden)" if name == "--token" else repr(first["input"])
    return f"{name} {value}: {message[0].lower() + message[1:]}"
