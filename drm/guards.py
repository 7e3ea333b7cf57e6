"""What stands before a request: malformed callbacks, foreign hosts and origins, strangers without the token; and headers of answers.

`guard_callbacks` and `secure_headers` touch nothing but paths under their prefix, so a host application stays as it is; `protect` is for a
server that is ours alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import math
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
from flask import Flask, Response, redirect, request
from markupsafe import escape
from werkzeug.wrappers import Response as AnyResponse

from drm.errors import InvalidValueError, UnknownIdError

logger = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024
"""Bytes of the largest request that is read."""

DEPTH_LIMIT = 40
"""Levels of nesting in what a page sends."""

LOGIN_LIMIT = 16 * 1024
WRONG_TOKENS_PER_MINUTE = 20
ADDRESSES_KEPT = 10_000

LOGIN_PATH = "/login"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)

LOGIN_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>drm: log in</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ display: grid; place-items: center; min-height: 90vh; margin: 1rem; }}
form {{ display: grid; gap: .75rem; width: min(22rem, 100%); }}
h1 {{ font-size: 1.25rem; margin: 0; }} p {{ margin: 0; }}
input, button {{ font: inherit; padding: .5rem .75rem; }}
</style></head>
<body><form method="post" action="{action}"><h1>drm dashboard</h1>
<p role="alert">{message}</p>
<label for="token">Access token</label><input id="token" name="token" type="password" required autofocus autocomplete="current-password">
<button>Log in</button></form></body></html>"""


def guard_callbacks(app: Flask, prefix: str, known: Callable[[], Mapping[str, Mapping[str, Any]]]) -> None:
    """Answers 400 or 413 to whatever is posted to Dash's callback route and is no call of a callback that `known` lists.

    `prefix` has both slashes. Dash itself answers 500, with a traceback in the log.
    """
    endpoint = f"{prefix}_dash-update-component"
    dispatch = app.view_functions[endpoint]

    def guarded(*args: Any, **kwargs: Any) -> Any:
        refusal = _refusal(known())
        if refusal is not None:
            return refusal
        try:
            return app.ensure_sync(dispatch)(*args, **kwargs)
        except (InvalidValueError, UnknownIdError) as error:
            # The structure is right, and a value is not: a page of an older version, or no page.
            logger.info("a callback was called with a value that it refuses: %s", error)
            return _json_error(400, str(error))

    app.view_functions[endpoint] = guarded


def _refusal(known: Mapping[str, Mapping[str, Any]]) -> Response | None:
    if request.mimetype != "application/json":
        return _json_error(415, "a callback is called with application/json")
    if request.content_length is None:
        return _json_error(400, "a callback is called with a body of a stated length")
    if request.content_length > BODY_LIMIT:
        return _json_error(413, f"the body has {request.content_length} bytes, the limit is {BODY_LIMIT}")
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        return _json_error(400, "the body is no JSON that a page would send")
    if not isinstance(body, dict) or not isinstance(body.get("output"), str) or _is_deeper(body, DEPTH_LIMIT):
        return _json_error(400, "the body is no call of a callback")
    callback = known.get(body["output"])
    if callback is None or "callback" not in callback:
        return _json_error(400, "this page has no such callback; reload it")
    changed = body.get("changedPropIds", [])
    fits = (
        _same_arguments(body.get("inputs"), callback["inputs"])
        and _same_arguments(body.get("state", []), callback["state"])
        and isinstance(changed, list)
        and all(isinstance(name, str) for name in changed)
        and _same_outputs(body.get("outputs"), body["output"])
    )
    return None if fits else _json_error(400, "the arguments are not those of this callback; reload the page")


def _is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested more than so many levels deep."""
    layer = [value]
    for _ in range(levels):
        nested = [outer.values() if isinstance(outer, dict) else outer for outer in layer if isinstance(outer, (dict, list))]
        if not nested:
            return False
        layer = [inner for values in nested for inner in values]
    return any(isinstance(inner, (dict, list)) for inner in layer)


def _same_arguments(given: object, expected: list[dict[str, Any]]) -> bool:
    return (
        isinstance(given, list)
        and len(given) == len(expected)
        and all(
            isinstance(one, dict) and one.get("id") == other["id"] and one.get("property") == other["property"]
            for one, other in zip(given, expected, strict=True)
        )
    )


def _same_outputs(given: object, output: str) -> bool:
    """Whether these are the outputs that `output` names: `id.property`, or several as `..id.property...id.property..`."""
    names = []
    for one in given if isinstance(given, list) else [given]:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not isinstance(one.get("property"), str):
            return False
        names.append(f"{one['id']}.{one['property']}")
    return output == (f"..{'...'.join(names)}.." if isinstance(given, list) else names[0])


def secure_headers(app: Flask, prefix: str, script_hashes: Iterable[str]) -> None:
    """Adds the security headers to every answer under the prefix."""
    policy = CONTENT_SECURITY_POLICY.format(hashes=" ".join(script_hashes))

    @app.after_request
    def add(response: AnyResponse) -> AnyResponse:
        if request.path.startswith(prefix):
            response.headers.setdefault("Content-Security-Policy", policy)
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            response.headers.setdefault("Referrer-Policy", "same-origin")
        return response


def protect(app: Flask, *, hosts: Iterable[str], token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
    """Lets in only requests for our own host names, from our own pages, and, if there is a token, from those who know it.

    For a server that is ours alone: every route but `/healthz` is behind it, and every answer bears the security headers.
    """
    allowed = {_host_name(host) for host in hosts} | LOOPBACK
    door = None if token is None else _Door(token, clock)

    @app.before_request
    def check() -> AnyResponse | None:
        host = _host_name(request.host)
        if host not in allowed:
            return _text(400, f"{host!r} is no name of this server: start it with --trusted-hosts and that name if it should be")
        if request.method not in ("GET", "HEAD", "OPTIONS") and not _is_same_origin(request.headers.get("Origin"), request.host):
            return _text(403, "this request comes from a page of another origin")
        return None if door is None or request.path == "/healthz" else door.answer()

    secure_headers(app, "/", ())


class _Door:
    """Who shows the token, or the cookie that was given for it, passes. Who tries many tokens has to wait.

    The cookie holds a value that is derived from the token, never the token.
    """

    def __init__(self, token: str, clock: Callable[[], float]) -> None:
        self._token = token.encode()
        self._session = hmac.digest(self._token, b"drm session", hashlib.sha256).hex()
        # Cookies know no ports: two servers on one machine must not take each other's away.
        self._cookie = f"drm_session_{hmac.digest(self._token, b'drm cookie', hashlib.sha256).hex()[:8]}"
        self._clock = clock
        self._wrong: dict[str, tuple[float, int]] = {}
        """When the present minute of an address began, and how many wrong tokens came from it since."""

    def answer(self) -> AnyResponse | None:
        """What is answered instead of the page; None where the request may pass."""
        if request.path == LOGIN_PATH:
            return self._log_in() if request.method == "POST" else redirect("/") if self._has_cookie() else self._form("", "/")
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._judge(given.strip())
        if self._has_cookie():
            return None
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            return self._form("", request.full_path.rstrip("?"))
        return self._refuse("send the token: Authorization: Bearer TOKEN")

    def _has_cookie(self) -> bool:
        return hmac.compare_digest(request.cookies.get(self._cookie, "").encode(), self._session.encode())

    def _judge(self, given: str) -> AnyResponse | None:
        """None for the token; the refusal for anything else."""
        now, address = self._clock(), request.remote_addr or ""
        began, wrong = self._wrong.get(address, (now, 0))
        if now - began >= 60:
            began, wrong = now, 0
        if wrong >= WRONG_TOKENS_PER_MINUTE:
            refused = _json_error(429, "too many wrong tokens: wait a minute")
            refused.headers["Retry-After"] = str(math.ceil(began + 60 - now))
            return refused
        if hmac.compare_digest(given.encode(), self._token):
            return None
        if len(self._wrong) >= ADDRESSES_KEPT:
            self._wrong.clear()
        self._wrong[address] = (began, wrong + 1)
        return self._refuse("that is not the token this program was started with")

    def _log_in(self) -> AnyResponse:
        if (request.content_length or 0) > LOGIN_LIMIT:
            return _text(413, f"a login has at most {LOGIN_LIMIT} bytes")
        target = _local(request.args.get("next", ""))
        refused = self._judge(request.form.get("token", ""))
        if refused is not None:
            message = "Too many wrong tokens: wait a minute." if refused.status_code == 429 else "That is not the token of this program."
            return self._form(message, target, refused.status_code)
        response = redirect(target, 303)
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="Strict", secure=request.is_secure, path="/")
        return response

    def _form(self, message: str, target: str, status: int = 401) -> Response:
        action = escape(f"{LOGIN_PATH}?next={quote(_local(target), safe='')}")
        headers = {"Cache-Control": "no-store", "WWW-Authenticate": "Bearer"}
        return Response(LOGIN_FORM.format(action=action, message=escape(message)), status, mimetype="text/html", headers=headers)

    def _refuse(self, message: str) -> Response:
        refused = _json_error(401, message)
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused


def names_of(host: str) -> set[str]:
    """The names and addresses by which a server that listens on `host` is called: all of this machine's where it listens on all."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 (it is compared, not bound)
        return {host}
    families = (socket.AF_INET, socket.AF_INET6)
    addresses = {one.address.partition("%")[0] for group in psutil.net_if_addrs().values() for one in group if one.family in families}
    return addresses | {socket.gethostname()}


def _local(target: str) -> str:
    """A path of this server; anything that a browser could read as another server's address becomes `/`."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_path else "/"


def _is_same_origin(origin: str | None, host: str) -> bool:
    """Browsers send Origin with every POST; programs do not."""
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _host_name(host: str) -> str:
    """The name of `name:port` or `[::1]:port`, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() and ":" not in name else host).rstrip(".").lower()


def _json_error(status: int, message: str) -> Response:
    return Response(json.dumps({"error": message}), status, mimetype="application/json")


def _text(status: int, message: str) -> Response:
    return Response(message[:300] + "\n", status, mimetype="text/plain")
