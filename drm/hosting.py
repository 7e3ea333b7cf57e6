"""What a server takes from the process that it runs in: its port, its token, and whom it would let in."""

from __future__ import annotations

import ipaddress
import os

from drm.errors import InvalidValueError

TOKEN_VARIABLE = "DRM_TOKEN"  # noqa: S105 (a name, not the token)


class HostError(InvalidValueError):
    """Strangers would reach a server that asks for no token."""


def port_number(name: str, value: int) -> int:
    """The value, once it is known to be a port; InvalidValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise InvalidValueError(f"{name} must be a whole number from 0 to 65535 (0 takes a free port), got {value!r}")
    return value


def environment_token() -> str | None:
    """What DRM_TOKEN says, by the rule of the command line; None where it is not set."""
    token = os.environ.get(TOKEN_VARIABLE)
    if token is not None and not fits_a_header(token):
        raise InvalidValueError("DRM_TOKEN must be ASCII characters without spaces, and not empty: unset it to serve without a token")
    return token


def fits_a_header(token: str) -> bool:
    """Whether a program can send the token as Bearer; an empty one would let everybody in."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def environment_hosts() -> tuple[str, ...]:
    """The further names by which browsers may call a server: those of DRM_TRUSTED_HOSTS, separated by commas, as on the command line."""
    return split_names(os.environ.get("DRM_TRUSTED_HOSTS", ""))


def split_names(text: str) -> tuple[str, ...]:
    """Names that are separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_strangers(host: str, token: str | None, *, insecure: bool, named: str, remedies: str) -> None:
    """HostError where other machines reach what listens on this host, and it asks for no token; `insecure`: it is meant to be so.

    `named`: what the host was given as. `remedies`: how whoever gave it sets a token, and what else helps.
    """
    if token is None and not insecure and not is_loopback(host):
        raise HostError(f"{named} {host!r} is reached from other machines, and who has no token must not see the pool: {remedies}")
