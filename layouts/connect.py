"""A pool that reports itself: how a first worker is connected while there is none, and what is wrong with who reports."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from drm import ids

HOW_TO_BE_HEARD = (
    "This program has no token, and takes no report: end it, and start it again with one, as in "
    "DRM_TOKEN=$(openssl rand -hex 16). Give the agents the same."
)


def layout(*, has_token: bool) -> list[Component]:
    """The card, and the warning; `has_token`: whether reports are taken at all."""
    return [
        html.Div(html.P("", id=ids.CONTESTED, className="drm-warning"), className="drm-notices", role="status"),
        html.Section(
            [
                html.H2("No worker has reported yet"),
                html.P("On each host that is to be a worker, with the token of this program in the variable DRM_TOKEN:"),
                html.Pre(html.Code("", id=ids.CONNECT_COMMAND)),
                html.P("", id=ids.CONNECT_NOTE, className="drm-note"),
                html.P("" if has_token else HOW_TO_BE_HEARD, className="drm-warning"),
                html.P(
                    "Any program may report over the API instead, and one that embeds this page registers its workers: docs/agent.md.",
                    className="drm-note",
                ),
            ],
            id=ids.CONNECT,
            className="drm-card drm-connect",
            hidden=True,
        ),
    ]
