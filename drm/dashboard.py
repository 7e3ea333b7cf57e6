"""The composition root of the web side: `create_app` builds the page over a state, `mount` puts it into a Flask application.

Nothing is started here, and nothing is global: any number of dashboards over any number of states live in one process.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import dash
from flask import Flask

from drm import layouts
from drm.errors import InvalidValueError
from drm.guards import guard_callbacks, secure_headers
from drm.http import create_blueprint
from drm.state import DRMState
from drm.tabs import TABS

DEFAULT_PREFIX = "/drm-dashboard/"


def create_app(
    state: DRMState, *, server: Flask | None = None, url_prefix: str = DEFAULT_PREFIX, api_prefix: str | None = None
) -> dash.Dash:
    """The dashboard over a state, as a Dash application; `.server` is its Flask application, a new one or the one that was given.

    `url_prefix`: where the page is, with a slash at both ends. `api_prefix`: where `/healthz`, `/readyz` and `/api/v1` are, without a slash
    at its end; None: under the page's prefix. The state is advanced by somebody else: a Runner, or the host.
    """
    if not isinstance(state, DRMState):
        raise InvalidValueError(f"create_app needs a DRMState, got {state!r}: DRMState(manager) makes one")
    if not (url_prefix.startswith("/") and url_prefix.endswith("/")):
        raise InvalidValueError(f"url_prefix must begin and end with a slash, as in {DEFAULT_PREFIX}, got {url_prefix!r}")
    flask_app = Flask("drm", static_folder=None) if server is None else server
    app = dash.Dash(
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
    panels = {tab.key: import_module(f"{layouts.__name__}.{tab.key}").layout() for tab in TABS}
    app.layout = import_module(f"{layouts.__name__}.shell").layout(panels)
    for name in ("shell", *(tab.key for tab in TABS), "worker_detail"):
        import_module(f"drm.callbacks.{name}").register(app, state)
    flask_app.register_blueprint(create_blueprint(state, url_prefix.rstrip("/") if api_prefix is None else api_prefix))
    guard_callbacks(flask_app, url_prefix, lambda: app.callback_map)
    secure_headers(flask_app, url_prefix, app.csp_hashes())
    return app


def mount(flask_app: Flask, state: DRMState, url_prefix: str = DEFAULT_PREFIX, *, api_prefix: str | None = None) -> dash.Dash:
    """Puts the dashboard under a prefix of a Flask application, before its first request. The host's own authentication covers it."""
    if not isinstance(flask_app, Flask):
        raise InvalidValueError(f"mount needs a Flask application, got {flask_app!r}")
    return create_app(state, server=flask_app, url_prefix=url_prefix, api_prefix=api_prefix)


def _assets_folder() -> Path:
    """`assets/`, which stands beside `layouts/` in a checkout and in a wheel."""
    return Path(next(iter(layouts.__path__))).parent / "assets"
