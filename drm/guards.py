"""The rules of `trust` and `calls` before the routes of a Flask application, the form to log in, and headers of answers.

`guard_callbacks` and `secure_headers` touch nothing but paths under their prefix, so a host application stays as it is; `protect` is for a
server that is ours alone.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from time import monotonic, perf_counter
from typing import Any, cast
from urllib.parse import quote

from flask import Flask, Response, current_app, has_request_context, redirect, request
from markupsafe import escape
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from drm.calls import refuse_call
from drm.errors import InvalidValueError, UnknownIdError
from drm.problems import PROBLEM_TYPE, kind_of_status, problem_text
from drm.sessions import SESSION_SECONDS
from drm.shared_answers import SharedAnswers, page_of
from drm.traffic import Traffic
from drm.trust import Refusal, Trust, is_bearer

logger = logging.getLogger(__name__)

LOGIN_LIMIT = 16 * 1024
LOGIN_PATH, LOGOUT_PATH = "/login", "/logout"
EXTENSION = "drm.trust"
ERROR_LIMIT = 300

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


def guard_callbacks(
    app: Flask, prefix: str, known: Callable[[], Mapping[str, Mapping[str, Any]]], shared: SharedAnswers, traffic: Traffic
) -> None:
    """Answers 400, 413 or 415 to whatever is posted to Dash's callback route and is no call of a callback that `known` lists, and hands
    the others on, as far as `shared` has no answer to them.

    `prefix` has both slashes. Dash itself answers 500, with a traceback in the log. `traffic`: where the calls that pass are noted.
    """
    endpoint = f"{prefix}_dash-update-component"
    dispatch = app.view_functions[endpoint]

    def guarded(*args: Any, **kwargs: Any) -> Any:
        refusal = refuse_call(request.mimetype, request.content_length, request.get_data, known())
        if refusal is not None:
            return _problem(refusal)
        began = perf_counter()
        traffic.saw(page_of(request.get_json()), monotonic())
        try:
            answer = shared.answer(request.get_json(), lambda: cast(AnyResponse, app.ensure_sync(dispatch)(*args, **kwargs)))
        except (InvalidValueError, UnknownIdError) as error:
            # The structure is right, and a value is not: a page of an older version, or no page.
            logger.info("a callback was called with a value that it refuses: %s", error)
            return _problem(Refusal(400, str(error), kind="invalid-body"))
        except Exception as error:
            traffic.note(_asked(known()), perf_counter() - began, 0, " ".join(f"{type(error).__name__}: {error}".split())[:ERROR_LIMIT])
            raise
        traffic.note(_asked(known()), perf_counter() - began, answer.calculate_content_length() or 0)
        return answer

    app.view_functions[endpoint] = guarded


def _asked(known: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of the callback that this request calls, as in `header.show_health`."""
    # Dash has read the body already: Flask keeps what it found.
    function = inspect.unwrap(known[request.get_json()["output"]]["callback"])
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


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


def protect(app: Flask, trust: Trust) -> None:
    """Lets in only requests that the rules let pass, and from then on a websocket beside the application as well (`trust_of`).

    For a server that is ours alone: every route but `/healthz` is behind it, and every answer bears the security headers.
    """
    app.extensions[EXTENSION] = trust

    @app.before_request
    def check() -> AnyResponse | None:
        refusal = trust.refuse_origin(request.method, request.host, request.headers.get("Origin"))
        if refusal is not None:
            return refuse(refusal)
        if not trust.has_door or request.path == "/healthz":
            return None
        if request.path == LOGIN_PATH:
            if request.method == "POST":
                return _log_in(trust)
            return redirect("/") if trust.knows(request.cookies) else _form("", "/")
        if request.path == LOGOUT_PATH and request.method == "POST":
            return _log_out(trust)
        authorization = request.headers.get("Authorization", "")
        refusal = trust.refuse_stranger(authorization, request.cookies, request.remote_addr or "")
        if refusal is not None and _is_page() and not is_bearer(authorization):
            return _form("", request.full_path.rstrip("?"))
        return None if refusal is None else _problem(refusal)

    @app.errorhandler(HTTPException)
    def tell(error: HTTPException) -> AnyResponse:
        if error.response is not None or (error.code or 0) < 400 or _is_page():
            return error.get_response()
        answer = _problem(Refusal(error.code or 500, error.description or error.name))
        for name, value in error.get_headers():
            if name in ("Allow", "Retry-After"):
                answer.headers[name] = value
        return answer

    secure_headers(app, "/", ())


def trust_of(app: Flask) -> Trust | None:
    """The rules that the application was protected with; None for a host's own, which has its own."""
    return cast("Trust | None", app.extensions.get(EXTENSION))


def logout_path() -> str | None:
    """Where the browser that asks now logs out; None where it was let in without a cookie of ours."""
    trust = trust_of(current_app) if has_request_context() else None
    return LOGOUT_PATH if trust is not None and trust.has_door and trust.knows(request.cookies) else None


def _log_in(trust: Trust) -> AnyResponse:
    if (request.content_length or 0) > LOGIN_LIMIT:
        return Response(f"a login has at most {LOGIN_LIMIT} bytes\n", 413, mimetype="text/plain")
    target = _local(request.args.get("next", ""))
    refusal = trust.refuse_token(request.form.get("token", ""), request.remote_addr or "")
    if refusal is not None:
        message = "Too many wrong tokens: wait a minute." if refusal.status == 429 else "That is not the token of this program."
        return _form(message, target, refusal.status)
    response = redirect(target, 303)
    _set_cookie(response, trust, trust.sessions.begin(), SESSION_SECONDS)
    return response


def _log_out(trust: Trust) -> AnyResponse:
    """Needs no session: one that has ended already is ended. A page of another site cannot ask for it."""
    trust.sessions.end(request.cookies.get(trust.sessions.cookie, ""))
    response = redirect(LOGIN_PATH, 303)
    _set_cookie(response, trust, "", 0)
    return response


def _set_cookie(response: AnyResponse, trust: Trust, value: str, seconds: int) -> None:
    # Whoever made this header up has only made the cookie stricter.
    is_secure = request.is_secure or request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(trust.sessions.cookie, value, max_age=seconds, httponly=True, samesite="Strict", secure=is_secure, path="/")


def _form(message: str, target: str, status: int = 401) -> Response:
    action = escape(f"{LOGIN_PATH}?next={quote(_local(target), safe='')}")
    headers = {"Cache-Control": "no-store", "WWW-Authenticate": "Bearer"}
    return Response(LOGIN_FORM.format(action=action, message=escape(message)), status, mimetype="text/html", headers=headers)


def _local(target: str) -> str:
    """A path of this server; anything that a browser could read as another server's address becomes `/`."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_path else "/"


def refuse(refusal: Refusal) -> Response:
    """The refusal as its reader takes it: a sentence for who opened a page in a browser, a problem for everybody else."""
    if _is_page():
        return Response(refusal.message[:300] + "\n", refusal.status, mimetype="text/plain")
    return _problem(refusal)


def _is_page() -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")


def _problem(refusal: Refusal) -> Response:
    kind = kind_of_status(refusal.status, refusal.kind)
    response = Response(problem_text(kind, refusal.message, request.script_root + request.path), kind.status, mimetype=PROBLEM_TYPE)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if refusal.retry_after_seconds:
        response.headers["Retry-After"] = str(refusal.retry_after_seconds)
    return response
