"""Settings: one class, so that a name, its default, its rule and its help stand once. Flags > DRM_ variables > drm.toml."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from platformdirs import user_data_dir
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from drm.budget import Budget
from drm.cloud.price_file import PriceFile
from drm.decision import Bounds
from drm.errors import InvalidValueError
from drm.hosting import fits_a_header, is_loopback, refuse_strangers, split_names
from drm.model import Resources
from drm.policies import parse_policy, policy_names
from drm.settings_reading import CONFIG, RULES, one_line, read_file

SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")


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
    engine: Literal["local", "external"] = Field(
        "local", description="external: only workers that report themselves over the API, as `drm agent` does; needs a token"
    )
    cluster: str | None = Field(
        None, description="address of a running dask scheduler, as in tcp://host:8786, instead of a pool on this machine"
    )
    workers: str = Field("1:4", description="MIN:MAX, the bounds of the pool")
    worker_shape: str | None = Field(
        None, description="what one worker has, as in cpu=2,memory=4GiB; a quarter of this machine if not given"
    )
    worker_price: float | None = Field(
        None, description="what one worker costs per hour, in your currency, for cost rates and the budget; unknown if not given"
    )
    prices: Path | None = Field(
        None, description="a file of your own prices (docs/clouds.md), which count before all others and set the currency"
    )
    budget: str | None = Field(
        None,
        description="the most that the pool may cost, in the currency of the prices: per hour as in 2.5, or as in 2/hour,40/day,900/month",
    )
    simulate: int | None = Field(
        None, description="an invented fleet of up to so many workers (1 to 10000) under an invented load, instead of a real pool"
    )
    seed: int = Field(0, ge=0, description="with --simulate: the same seed makes the same history")
    speed: float = Field(1.0, description="with --simulate: simulated seconds per second")
    policy: str = Field(
        "queue", description=f"the scaling policy ({', '.join(policy_names())}), with parameters as in queue,target_seconds=60"
    )
    interval: float = Field(1.0, description="seconds between ticks")
    data_dir: Path | None = Field(
        None, description="the folder in which history is kept; if not given, one of your user data folder for each kind of pool"
    )
    history: bool = Field(True, description="keep history on disk; --no-history forgets everything when the program ends")
    retention_days: float = Field(30.0, description="how long decisions, tasks, lifetimes, costs and hourly samples are kept")
    token: SecretStr | None = Field(
        None, description="what a browser or program must show; better given as DRM_TOKEN, which no process list shows"
    )
    insecure: bool = Field(False, description="listen on any address without a token: everybody who reaches the port sees the pool")
    actions: bool = Field(False, description="let the page and the API cordon and drain workers, and change bounds and policy")
    trusted_hosts: str = Field("", description="further names, separated by commas, by which browsers may call this server")
    push: bool = Field(False, description="push each tick to open pages over a websocket, instead of being polled; needs the extra `push`")
    open: bool = Field(False, description="open the page in a browser")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much is logged")
    log_format: Literal["text", "json"] = Field("text", description="a log line as text, or as a JSON object")
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
        parse_policy(name)
        return name

    @field_validator("worker_price")
    @classmethod
    def _amount(cls, amount: float | None) -> float | None:
        if amount is not None and not (math.isfinite(amount) and amount >= 0):
            raise ValueError("it must be a finite amount per hour, 0 or more")
        return amount

    @field_validator("budget", mode="before")
    @classmethod
    def _amounts(cls, given: object) -> object:
        """A file may hold a number."""
        text = str(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else given
        if isinstance(text, str):
            Budget.parse(text)
        return text

    @field_validator("prices")
    @classmethod
    def _sound_prices(cls, path: Path | None) -> Path | None:
        if path is not None:
            PriceFile.read(path)
        return path

    @field_validator("simulate")
    @classmethod
    def _fleet_size(cls, workers: int | None) -> int | None:
        if workers is not None and not 1 <= workers <= 10_000:
            raise ValueError(RULES["simulate"])
        return workers

    @field_validator("speed")
    @classmethod
    def _positive_speed(cls, speed: float) -> float:
        if not (math.isfinite(speed) and 0.01 <= speed <= 3600):
            raise ValueError(RULES["speed"])
        return speed

    @field_validator("retention_days")
    @classmethod
    def _some_days(cls, days: float) -> float:
        if not (math.isfinite(days) and 0 < days <= 3650):
            raise ValueError(RULES["retention_days"])
        return days

    @field_validator("interval")
    @classmethod
    def _positive_interval(cls, seconds: float) -> float:
        if not (math.isfinite(seconds) and 0.05 <= seconds <= 3600):
            raise ValueError(RULES["interval"])
        return seconds

    @field_validator("cluster")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        if address is None:
            return None
        scheme, separator, place = address.rpartition("://")
        host, _, port = place.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or (separator and scheme not in SCHEMES):
            raise ValueError("it must be the address of a scheduler, as in tcp://host:8786")
        return address if separator else f"tcp://{address}"

    @field_validator("token")
    @classmethod
    def _token_fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        text = None if token is None else token.get_secret_value()
        if text is not None and not fits_a_header(text):
            raise ValueError("it must be ASCII characters without spaces, and not empty")
        return token

    @model_validator(mode="after")
    def _open_only_on_purpose(self) -> Self:
        token = None if self.token is None else self.token.get_secret_value()
        refuse_strangers(
            self.host, token, insecure=self.insecure, named="--host", remedies="give a --token, or --insecure to let everybody in"
        )
        if self.cluster is not None and self.worker_shape is not None:
            raise ValueError(f"--worker-shape {self.worker_shape} has no use with --cluster: those workers are started by somebody else")
        for flag, value in (
            ("--cluster", self.cluster),
            ("--worker-shape", self.worker_shape),
            ("--worker-price", self.worker_price),
            ("--prices", self.prices),
        ):
            if self.simulate is not None and value is not None:
                raise ValueError(f"{flag} {value} has no use with --simulate: that fleet is invented, with its own worker types and prices")
        for flag, value in (
            ("--simulate", self.simulate),
            ("--cluster", self.cluster),
            ("--worker-shape", self.worker_shape),
            ("--worker-price", self.worker_price),
            ("--prices", self.prices),
        ):
            if self.engine == "external" and value is not None:
                raise ValueError(
                    f"{flag} {value} has no use with --engine external: those workers are somebody else's, and report themselves"
                )
        if self.actions and token is None and not is_loopback(self.host):
            raise ValueError(
                f"--actions on --host {self.host!r} needs a --token (or DRM_TOKEN): without one everybody who reaches the port could change"
                " the pool"
            )
        if self.prices is not None and self.worker_price is not None:
            raise ValueError(f"--worker-price {self.worker_price:g} and --prices {self.prices} both say what a worker costs: leave out one")
        return self

    @property
    def bounds(self) -> Bounds:
        """The bounds of the pool; of a simulated one, if none were given, a tenth of it to all of it."""
        if self.simulate is not None and "workers" not in self.model_fields_set:
            return Bounds(self.simulate // 10, self.simulate)
        return _bounds(self.workers)

    @property
    def limits(self) -> Budget:
        """The most that the pool may cost."""
        return Budget() if self.budget is None else Budget.parse(self.budget)

    @property
    def history_folder(self) -> Path | None:
        """Where history is kept; None: nowhere. An invented fleet keeps it only where it is told to: it can be made again from its seed."""
        if not self.history or (self.simulate is not None and self.data_dir is None):
            return None
        if self.data_dir is not None:
            return self.data_dir
        pool = self.engine if self.cluster is None else re.sub(r"[^A-Za-z0-9.-]+", "-", self.cluster)
        return Path(user_data_dir("drm", appauthor=False)) / pool

    @property
    def shape(self) -> Resources | None:
        """What one worker has; None: a quarter of this machine."""
        return None if self.worker_shape is None else Resources.parse(self.worker_shape)

    @property
    def further_hosts(self) -> tuple[str, ...]:
        """The names of `trusted_hosts`."""
        return split_names(self.trusted_hosts)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        return is_loopback(self.host)

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
    def from_command_line(cls, arguments: Sequence[str], epilog: str = "") -> Settings:
        """Reads flags, environment and file. InvalidValueError with one line that names the flag, the value and the rule. `epilog`: the
        last words of `--help`."""
        flags: CliSettingsSource[Any] = CliSettingsSource(cls)
        flags.root_parser.description, flags.root_parser.epilog = "Runs a pool of workers, and shows it on a dashboard.", epilog
        try:
            return CliApp.run(cls, cli_args=list(arguments), cli_settings_source=flags, **read_file(cls, arguments))
        except (SettingsError, ValidationError) as error:
            raise InvalidValueError(one_line(error)) from None


def _bounds(text: str) -> Bounds:
    low, colon, high = (part.strip() for part in text.partition(":"))
    if not (colon and text.isascii() and low.isdigit() and high.isdigit()):
        raise InvalidValueError("it must be two whole numbers MIN:MAX, as in 1:4")
    if not int(low) <= int(high) or int(high) < 1:
        raise InvalidValueError("MIN must not be more than MAX, and MAX at least 1, as in 1:4")
    return Bounds(int(low), int(high))
