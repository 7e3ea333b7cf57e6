"""The composition root of the web side: `create_app` builds the page over a state, `mount` puts it into a Flask application.

Nothing is started here, and nothing is global: any number of dashboards over any number of states live in one process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dash
from dash.exceptions import DependencyException
from flask import Blueprint, Flask, Response, has_request_context, request

from drm import layouts
from drm.actions_api import ACTIONS_PATH
from drm.address import DEFAULT_PREFIX, TICKS_PATH
from drm.errors import DRMError, InvalidValueError
from drm.export_api import EXPORT_PATH
from drm.fingerprints import fingerprinted, keep_for_ever
from drm.guards import LOGIN_PATH, guard_callbacks, logout_path, refuse, secure_headers, trust_of
from drm.hosting import environment_token
from drm.http import create_blueprint
from drm.live import LIVE_PATH, create_live_blueprint
from drm.shared_answers import SharedAnswers
from drm.state import DRMState
from drm.tabs import TABS
from drm.trust import Refusal


class MountError(DRMError):
    """A Flask application cannot take the dashboard there, or no more."""


TABLES_SCRIPT = re.compile(r'<script src="([^"]*/dash_ag_grid/[^"]*)"></script>')
POLYFILL_SCRIPT = re.compile(r'<script src="[^"]*/deps/polyfill@[^"]*"></script>')
"""For browsers of 2015, in which this page would not run; in others it puts slow functions in the place of their own."""


class Page(dash.Dash):
    """Dash whose page works below any path that a proxy or a larger application puts before the prefix; Dash itself knows one, fixed."""

    def interpolate_index(self, *_: Any, **parts: Any) -> Any:
        """The page's HTML, with the addresses that this reader's browser knows; the script of tables comes later (assets/drm/grid.js)."""
        moved = {name: fingerprinted(part, _assets_folder()) for name, part in parts.items()}
        moved["scripts"] = POLYFILL_SCRIPT.sub("", moved["scripts"])
        found = TABLES_SCRIPT.search(moved["scripts"])
        if found is not None:
            moved["scripts"] = moved["scripts"].replace(found[0], "")
            moved["metas"] += f'<meta name="drm-tables" content="{found[1]}">'
        root = _root()
        if not root:
            return super().interpolate_index(**moved)  # type: ignore[no-untyped-call]  # Dash has no types there
        for text in (str, _as_in_json):
            here, there = f'"{text(self.config.requests_pathname_prefix)}', f'"{text(root + self.config.requests_pathname_prefix)}'
            moved = {name: part.replace(here, there) for name, part in moved.items()}
        return super().interpolate_index(**moved)  # type: ignore[no-untyped-call]


def create_app(
    state: DRMState,
    *,
    server: Flask | None = None,
    url_prefix: str = DEFAULT_PREFIX,
    api_prefix: str | None = None,
    push: bool = False,
    live: Callable[[str], str] | None = None,
    actions: bool = False,
) -> dash.Dash:
    """The dashboard over a state, as a Dash application; `.server` is its Flask application, a new one or the one that was given.

    `url_prefix`: where the page is, with a slash at both ends. `api_prefix`: where `/healthz`, `/readyz` and `/api/v1` are, without a slash
    at its end; None: under the page's prefix. `push`: whether a websocket stands at TICKS_PATH, as `drm.serving` makes one; else the page
    polls, and has a button to open a live one if `live`, such as `LiveDashboard.open`, is given. `actions`: whether the page and the API
    may change the pool; without it there is neither button nor route. The state is advanced by somebody else: a
    Runner, or the host.
    """
    if not isinstance(state, DRMState):
        raise InvalidValueError(f"create_app needs a DRMState, got {state!r}: DRMState(manager) makes one")
    if not (isinstance(url_prefix, str) and url_prefix.startswith("/") and url_prefix.endswith("/")):
        raise InvalidValueError(f"url_prefix must begin and end with a slash, as in {DEFAULT_PREFIX}, got {url_prefix!r}")
    flask_app = Flask("drm", static_folder=None) if server is None else server
    under = url_prefix.rstrip("/") if api_prefix is None else api_prefix
    before = set(flask_app.view_functions)
    # First what the host may refuse, so that one that does is as it was.
    _begin(flask_app, url_prefix, create_blueprint(state, under, actions=actions))
    app = Page(
        "drm",
        server=flask_app,  # type: ignore[arg-type]  # a Flask application is what it takes
        url_base_pathname=url_prefix,
        assets_folder=str(_assets_folder()),
        title="drm dashboard",
        update_title="",
        add_log_handler=False,
        enable_mcp=False,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.index_string = app.index_string.replace("<html>", '<html lang="en">')
    acting = {"utilization": {"actions": actions}}
    panels = {tab.key: import_module(f"{layouts.__name__}.{tab.key}").layout(**acting.get(tab.key, {})) for tab in TABS}
    shell = import_module(f"{layouts.__name__}.shell")

    reports = state.manager.engine.source.kind == "external"

    def layout() -> Any:
        root = _root()
        feed = {
            "ticks": f"{root}{url_prefix}{TICKS_PATH}" if push else None,
            # Behind the door, where there is one for this page: a session that has ended is told from a server that is gone.
            "ping": LOGIN_PATH if logout_path() else f"{root}{under}/healthz",
            "logout": logout_path(),
            "live": f"{root}{url_prefix}{LIVE_PATH}" if live else None,
            "export": f"{root}{under}{EXPORT_PATH}",
            "reports": f"{root}{under}",
            **({"actions": f"{root}{under}{ACTIONS_PATH}"} if actions else {}),
        }
        trust = trust_of(flask_app)
        has_token = environment_token() is not None if trust is None else trust.has_door
        notices = import_module(f"{layouts.__name__}.connect").layout(has_token=has_token) if reports else []
        return shell.layout(panels, feed, notices)

    app.layout = layout
    # Dash would send it a second time, inside the page.
    app.validation_layout = None
    views = ("worker_detail", "worker_spend", "lifetimes", "explanation", "ledger", "spending", "ladder", "orphans", "recommendations")
    parts = ("time_range", "moment", *views, *(("actions",) if actions else ()), *(("connect",) if reports else ()))
    for name in ("shell", "header", "about", "saving", *(tab.key for tab in TABS), *parts):
        import_module(f"drm.callbacks.{name}").register(app, state)
    if live is not None:
        flask_app.register_blueprint(create_live_blueprint(live, url_prefix))
    _know_what_is_missing(app)
    shared = SharedAnswers(lambda: (state.etag, state.health))
    guard_callbacks(flask_app, url_prefix, lambda: app.callback_map, shared, state.traffic)
    secure_headers(flask_app, url_prefix, app.csp_hashes())
    keep_for_ever(flask_app, url_prefix, _assets_folder())
    _keep_to_one_process(flask_app, set(flask_app.view_functions) - before, state)
    return app


def mount(
    flask_app: Flask,
    state: DRMState,
    url_prefix: str = DEFAULT_PREFIX,
    *,
    api_prefix: str | None = None,
    push: bool = False,
    live: Callable[[str], str] | None = None,
    actions: bool = False,
) -> dash.Dash:
    """Puts the dashboard under a prefix of a Flask application, before its first request. The host's own authentication covers it.

    Behind a proxy or inside a larger application that put a path before the prefix, the page follows the request's SCRIPT_NAME. MountError
    where the application has answered a request already, or has a route there.
    """
    if not isinstance(flask_app, Flask):
        raise InvalidValueError(f"mount needs a Flask application, got {flask_app!r}")
    return create_app(state, server=flask_app, url_prefix=url_prefix, api_prefix=api_prefix, push=push, live=live, actions=actions)


def _begin(flask_app: Flask, url_prefix: str, blueprint: Blueprint) -> None:
    """Registers the API, once it is known that the page will find its place free."""
    taken = next((rule.rule for rule in flask_app.url_map.iter_rules() if f"{rule.rule.rstrip('/')}/".startswith(url_prefix)), None)
    if taken is not None or blueprint.name in flask_app.blueprints:
        there = f"has the route {taken}" if taken else "has a dashboard whose API is there"
        raise MountError(f"url_prefix {url_prefix!r} is taken: {flask_app.name!r} {there} already; mount once, or choose another prefix")
    try:
        flask_app.register_blueprint(blueprint)
    except AssertionError:
        raise MountError(
            f"{flask_app.name!r} has answered a request already, and Flask takes no routes after its first: mount at {url_prefix!r} "
            "where the application is made, before it serves"
        ) from None


def _keep_to_one_process(flask_app: Flask, endpoints: Iterable[str], state: DRMState) -> None:
    """After a fork these routes answer 503 and say why; each view stays behind whatever the host puts before it."""
    for endpoint in endpoints:
        flask_app.view_functions[endpoint] = _only_at_home(flask_app.ensure_sync(flask_app.view_functions[endpoint]), state)


def _know_what_is_missing(app: dash.Dash) -> None:
    """Answers 404 for a script that no library has; Dash itself answers 500, with its libraries' files in the log."""
    endpoint = f"{app.config.routes_pathname_prefix}_dash-component-suites/<string:package_name>/<path:fingerprinted_path>"
    views = app.server.view_functions
    found = views[endpoint]

    def script(**named: Any) -> Any:
        try:
            return found(**named)
        except (DependencyException, OSError):
            return Response("there is no such script\n", 404, mimetype="text/plain")

    views[endpoint] = script


def _only_at_home(view: Callable[..., Any], state: DRMState) -> Callable[..., Any]:
    def answer(*arguments: Any, **named: Any) -> Any:
        try:
            state.refuse_after_fork()
        except DRMError as error:
            return refuse(Refusal(503, str(error), kind="wrong-process"))
        return view(*arguments, **named)

    return answer


def _as_in_json(path: str) -> str:
    """The path as Dash writes it into the page's configuration."""
    return path.replace("/", "\\u002f")


def _root() -> str:
    """What stands before our prefix in the addresses that browsers know."""
    root = quote(request.script_root.strip("/")) if has_request_context() else ""
    return f"/{root}" if root else ""


def _assets_folder() -> Path:
    """`assets/`, which stands beside `layouts/` in a checkout and in a wheel."""
    return Path(next(iter(layouts.__path__))).parent / "assets"
