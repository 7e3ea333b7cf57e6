"""Whom a server trusts, as rules over parts of a request: the same for every route, for a websocket, and for every kind of server.

A rule answers with a Refusal, or with None where the request may pass.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from drm.sessions import Sessions, same_secret

WRONG_TOKENS_PER_MINUTE = 20
ADDRESSES_KEPT = 10_000

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, so that a page of another origin may send them: it cannot read the answer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request may not pass."""

    status: int
    message: str
    retry_after_seconds: int = 0
    """Where waiting helps."""
    kind: str = ""
    """A name among `drm.problems.KINDS`; empty: what the status alone tells."""


class Trust:
    """The host names that are ours, and the token that opens the door; no token: the door is open. Who tries many tokens has to wait.

    `sessions`: those of another server with the same token, so that who logs out there is logged out here (None: its own).
    """

    def __init__(
        self,
        hosts: Iterable[str],
        token: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sessions: Sessions | None = None,
    ) -> None:
        self._hosts = {host_name(host) for host in hosts} | LOOPBACK
        self._token = token
        self._clock = clock
        self.sessions = sessions or Sessions(token or "")
        self._wrong: dict[str, tuple[float, int]] = {}
        """When the present minute of an address began, and how many wrong tokens came from it since."""

    @property
    def has_door(self) -> bool:
        """Whether a token is asked for."""
        return self._token is not None

    def refuse_origin(self, method: str, host: str, origin: str | None) -> Refusal | None:
        """Only for our own host names, and, unless it only reads, only from our own pages."""
        name = host_name(host)
        if name not in self._hosts:
            remedy = "start it with --trusted-hosts and that name if it should be"
            return Refusal(400, f"{name!r} is no name of this server: {remedy}", kind="wrong-host")
        return None if method in READING else refuse_other_origin(host, origin)

    def refuse_stranger(self, authorization: str, cookies: Mapping[str, str], address: str) -> Refusal | None:
        """Only who shows the token as Bearer, or the cookie that was given for it."""
        if not self.has_door:
            return None
        if is_bearer(authorization):
            return self.refuse_token(authorization.partition(" ")[2].strip(), address)
        return None if self.knows(cookies) else Refusal(401, "send the token: Authorization: Bearer TOKEN")

    def knows(self, cookies: Mapping[str, str]) -> bool:
        """Whether the cookie of a session that has not ended is among them."""
        return self.sessions.knows(cookies.get(self.sessions.cookie, ""))

    def refuse_token(self, given: str, address: str) -> Refusal | None:
        """Only the token; and from an address that sent many wrong ones not even that, for the rest of its minute."""
        now = self._clock()
        began, wrong = self._wrong.get(address, (now, 0))
        if now - began >= 60:
            began, wrong = now, 0
        if wrong >= WRONG_TOKENS_PER_MINUTE:
            return Refusal(429, "too many wrong tokens: wait a minute", math.ceil(began + 60 - now))
        if same_secret(given, self._token or ""):
            return None
        if len(self._wrong) >= ADDRESSES_KEPT:
            self._wrong.clear()
        self._wrong[address] = (began, wrong + 1)
        return Refusal(401, "that is not the token this program was started with")


def is_bearer(authorization: str) -> bool:
    """Whether the header is to hold a token."""
    return authorization.partition(" ")[0].lower() == "bearer"


def refuse_other_origin(host: str, origin: str | None) -> Refusal | None:
    """Browsers send Origin with every POST and every websocket; programs do not."""
    is_ours = origin is None or urlsplit(origin).netloc.lower() == host.lower()
    return None if is_ours else Refusal(403, "this request comes from a page of another origin", kind="other-origin")


def names_of(host: str) -> set[str]:
    """The names and addresses by which a server that listens on `host` is called: all of this machine's where it listens on all."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 (it is compared, not bound)
        return {host}
    families = (socket.AF_INET, socket.AF_INET6)
    addresses = {one.address.partition("%")[0] for group in psutil.net_if_addrs().values() for one in group if one.family in families}
    return addresses | {socket.gethostname()}


def host_name(host: str) -> str:
    """The name of `name:port` or `[::1]:port`, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() and ":" not in name else host).rstrip(".").lower()
