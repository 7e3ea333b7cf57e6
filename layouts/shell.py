"""The shell: header, controls, tabs, and the stores through which a tick reaches the visible tab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from drm import ids
from drm.address import CHOICES
from drm.layouts import about, actions, moment, saving, summary, time_range
from drm.layouts.panel import Panel
from drm.tabs import DEFAULT_RANGE, DEFAULT_REFRESH, RANGES, REFRESHES, TABS

TABS_NAME: dict[str, Any] = {"aria-label": "Tabs"}


def layout(panels: Mapping[str, list[Component]], feed: dict[str, str | None], notices: Sequence[Component] = ()) -> Component:
    """The whole page; `panels`: the content of each tab, by key; `feed`: the path of the `ticks`, None where the page polls, of the
    `ping`, of a `live` dashboard to open and of the `actions`, if there are any, of the data to `export`, and of the `logout`, None where
    there is none; `notices`: what else is to be said above the tabs."""
    changes = feed.get("actions")
    return html.Div(
        [
            dcc.Location(id=ids.LOCATION, refresh=False),
            dcc.Interval(id=ids.INTERVAL, interval=DEFAULT_REFRESH * 1000),
            dcc.Store(id=ids.SCHEME, data="light"),
            dcc.Store(id=ids.HEALTH),
            dcc.Store(id=ids.FEED, data=feed),
            *time_range.stores(),
            *about.stores(),
            *(dcc.Store(id=store(ids.SHELL_KEY)) for store in (ids.tick, ids.busy)),
            dcc.Store(id=ids.KEYS, data=[ids.SHELL_KEY, *(tab.key for tab in TABS)]),
            dcc.Store(id=ids.ADDRESS, data=[asdict(one) for one in CHOICES]),
            *(dcc.Store(id=store(tab.key)) for tab in TABS for store in (ids.tick, ids.busy, ids.drawn, ids.wire, ids.zoom)),
            html.A("Skip to the content", href=f"#{ids.MAIN}", className="drm-skip"),
            html.Header([_brand(), _controls(acting=bool(changes))], className="drm-header"),
            about.layout(feed["logout"]),
            time_range.span_panel(),
            *(actions.panel(changes) if changes else []),
            moment.layout(),
            summary.layout(feed["live"]),
            time_range.notices(),
            *notices,
            html.Nav([_tabs(), saving.layout()], **TABS_NAME, className="drm-tabs"),
            html.Main(
                [Panel(panels[tab.key], id=ids.panel(tab.key), hidden=tab is not TABS[0]) for tab in TABS],
                id=ids.MAIN,
                className="drm-main",
                tabIndex=-1,
            ),
        ],
        className="drm-page",
    )


def _tabs() -> Component:
    """Radio buttons that look like tabs: a browser's own keyboard and screen-reader behaviour, which dbc's tabs lack."""
    tabs: Component = dbc.RadioItems(
        id=ids.TABS,
        name=ids.TABS,
        options=[{"label": tab.label, "value": tab.key} for tab in TABS],
        value=TABS[0].key,
        inline=True,
        input_class_name="btn-check",
        label_class_name="drm-tab",
    )
    return tabs


def _brand() -> Component:
    return html.Div(
        [
            html.H1("drm", className="drm-name"),
            html.Span("", id=ids.SOURCE, className="drm-badge"),
            html.Span("connecting…", id=ids.HEALTH_TEXT, className="drm-health", role="status"),
            html.Span("", id=ids.WAY, className="drm-way"),
        ],
        className="drm-brand",
    )


def _controls(*, acting: bool) -> Component:
    return html.Div(
        [
            _choice(ids.RANGE, "Range", [{"label": name, "value": name} for name in RANGES], DEFAULT_RANGE),
            *time_range.buttons(),
            *([actions.opener()] if acting else []),
            _choice(
                ids.REFRESH,
                "Refresh",
                [{"label": "paused", "value": "0"}, *({"label": f"{seconds} s", "value": str(seconds)} for seconds in REFRESHES)],
                str(DEFAULT_REFRESH),
            ),
            _choice(ids.THEME, "Theme", [{"label": name, "value": name} for name in ("auto", "light", "dark")], "auto"),
            about.button(),
        ],
        className="drm-controls",
    )


def _choice(component_id: str, label: str, options: list[dict[str, str]], value: str) -> Component:
    return html.Div(
        [html.Label(label, htmlFor=component_id), dbc.Select(id=component_id, options=options, value=value, size="sm")],
        className="drm-choice",
    )
