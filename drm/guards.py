"""What stands before a request: malformed callbacks, foreign hosts and origins, strangers without the token; and headers of answers.

`guard_callbacks` and `secure_headers` touch nothing but paths under their prefix, so a host application stays as it is; `protect` is for a
server that is ours alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import psutil
from flask import Flask, Response, redirect, request
from markupsafe import escape
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

BODY_LIMIT = 1024 * 1024
"""Bytes of the largest request that is read."""

COOKIE = "drm_session"
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

    `prefix` has both slashes. Dash itself answers 500 with a traceback in the log.
    """
    endpoint = f"{prefix}_dash-update-component"
    dispatch = app.view_functions[endpoint]

    def guarded(*args: Any, **kwargs: Any) -> Any:
        refusal = _refusal(known())
        if refusal is not None:
            return refusal
        return app.ensure_sync(dispatch)(*args, **kwargs)

    app.view_functions[endpoint] = guarded


def _refusal(known: Mapping[str, Mapping[str, Any]]) -> Response | None:
    if request.mimetype != "application/json":
        return _json_error(415, "a callback is called with application/json")
    if request.content_length is None:
        return _json_error(411, "a callback is called with a Content-Length")
    if request.content_length > BODY_LIMIT:
        return _json_error(413, f"the body has {request.content_length} bytes, the limit is {BODY_LIMIT}")
    request.max_content_length = BODY_LIMIT
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError, RequestEntityTooLarge):
        return _json_error(400, "the body is no JSON that a page would send")
    if not isinstance(body, dict) or not isinstance(body.get("output"), str):
        return _json_error(400, "the body is no call of a callback")
    callback = known.get(body["output"])
    if callback is None:
        return _json_error(400, "this page has no such callback; reload it")
    fits = (
        _same_arguments(body.get("inputs"), callback["inputs"])
        and _same_arguments(body.get("state", []), callback["state"])
        and isinstance(body.get("changedPropIds", []), list)
        and all(isinstance(name, str) for name in body.get("changedPropIds", []))
        and _is_outputs(body.get("outputs"))
    )
    return None if fits else _json_error(400, "the arguments are not those of this callback; reload the page")


def _same_arguments(given: object, expected: list[dict[str, Any]]) -> bool:
    return (
        isinstance(given, list)
        and len(given) == len(expected)
        and all(
            isinstance(one, dict) and one.get("id") == other["id"] and one.get("property") == other["property"]
            for one, other in zip(given, expected, strict=True)
        )
    )


def _is_outputs(outputs: object) -> bool:
    listed = outputs if isinstance(outputs, list) else [outputs]
    return all(isinstance(one, dict) and isinstance(one.get("id"), str) and isinstance(one.get("property"), str) for one in listed)


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


def protect(app: Flask, *, hosts: Iterable[str], token: str | None) -> None:
    """Lets in only requests for our own host names, from our own pages, and, if there is a token, from those who know it."""
    allowed = {_host_name(host) for host in hosts} | LOOPBACK
    session = hmac.digest(token.encode(), b"drm session", hashlib.sha256).hex() if token else ""

    @app.before_request
    def check() -> AnyResponse | None:
        host = _host_name(request.host)
        if host not in allowed:
            return _text(400, f"{host!r} is no name of this server: start it with --trusted-hosts {host}")
        if request.method not in ("GET", "HEAD", "OPTIONS") and not _is_same_origin(request.headers.get("Origin"), request.host):
            return _text(403, "this request comes from a page of another origin")
        if token is None or request.path == "/healthz" or _knows(token, session):
            return None
        if request.path == LOGIN_PATH and request.method == "POST":
            return _log_in(token, session)
        if request.method == "GET" and request.accept_mimetypes.accept_html and "/api/" not in request.path:
            return _form("", request.full_path.rstrip("?"))
        refused = _json_error(401, "send the token: Authorization: Bearer TOKEN")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused


def names_of(host: str) -> set[str]:
    """The names and addresses by which a server that listens on `host` is called: all of this machine's where it listens on all."""
    if host not in ("0.0.0.0", "::", ""):  # noqa: S104 (it is compared, not bound)
        return {host}
    addresses = {address.address.partition("%")[0] for group in psutil.net_if_addrs().values() for address in group}
    return addresses | {socket.gethostname(), socket.getfqdn()}


def _knows(token: str, session: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return hmac.compare_digest(given.strip().encode(), token.encode())
    return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), session.encode())


def _log_in(token: str, session: str) -> AnyResponse:
    request.max_content_length = request.max_form_memory_size = 16 * 1024
    target = _local(request.args.get("next", ""))
    if not hmac.compare_digest(request.form.get("token", "").encode(), token.encode()):
        return _form("That is not the token this program was started with.", target)
    response = redirect(target, 303)
    response.set_cookie(COOKIE, session, httponly=True, samesite="Strict", secure=request.is_secure, path="/")
    return response


def _form(message: str, target: str) -> Response:
    from urllib.parse import quote

    page = LOGIN_FORM.format(action=escape(f"{LOGIN_PATH}?next={quote(_local(target), safe='')}"), message=escape(message))
    return Response(page, 401, mimetype="text/html", headers={"Cache-Control": "no-store"})


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
