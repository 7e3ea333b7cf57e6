"""The way from a page that polls to a live one: a POST that has a pushed server started and leads there. Only our own pages may ask."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request
from markupsafe import escape

from drm.errors import DRMError
from drm.trust import host_name, refuse_other_origin

LIVE_PATH = "live"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={url}">
<link rel="icon" href="data:,"><title>drm: the live dashboard</title></head>
<body><p>The live dashboard is at <a href="{url}">{url}</a>.</p></body></html>"""
"""Not a redirect: `form-action 'self'` forbids a form one that leads to another port."""


def create_live_blueprint(open_live: Callable[[str], str], url_prefix: str) -> Blueprint:
    """`POST live` under the prefix (with both slashes). `open_live` gets the name that this server was called by, and gives the address."""
    blueprint = Blueprint(f"drm-live{url_prefix.replace('/', '-')}", __name__)

    @blueprint.post(url_prefix + LIVE_PATH)
    def live() -> Response:
        refusal = refuse_other_origin(request.host, request.headers.get("Origin"))
        if refusal is not None:
            return Response(f"{refusal.message}\n", refusal.status, mimetype="text/plain")
        try:
            url = escape(open_live(host_name(request.host)))
        except DRMError as error:
            return Response(f"the live dashboard cannot be started: {error}\n", 503, mimetype="text/plain")
        return Response(PAGE.format(url=url), mimetype="text/html", headers={"Cache-Control": "no-store"})

    return blueprint
