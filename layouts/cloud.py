"""Cloud: what the providers have and cost, as sentence, table and figure; how to connect one; what the pool would cost elsewhere."""

from __future__ import annotations

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from drm import ids
from drm.figures.cloud import BY
from drm.layouts import ladder, orphans, spending
from drm.layouts.content import Content
from drm.layouts.controls import segments
from drm.layouts.figure import figure

KEY = "cloud"

TYPED_MILLISECONDS = 400
"""After the last key the comparison follows."""


def layout() -> list[Component]:
    """The tab's content."""
    return [
        html.Section(
            [
                html.H2("Instances and spend"),
                html.P("", id=ids.CLOUD_TEXT, className="drm-sentence"),
                Content(ids.CLOUD_WARNING),
                Content(ids.CLOUD_TABLE, "drm-scroll"),
            ],
            className="drm-card",
        ),
        html.Section(
            [
                html.Div(
                    [
                        html.H2("By provider over time, and what was spent"),
                        segments(ids.CLOUD_BY, "Spent by", {name: f"by {name}" for name in BY}),
                    ],
                    className="drm-card-head",
                ),
                html.P("", id=ids.empty(KEY), className="drm-empty"),
                figure(KEY, "Spent by kind of instance"),
            ],
            className="drm-card",
        ),
        *spending.card(),
        ladder.card(),
        orphans.card(),
        html.Section(_comparison(), id=ids.COMPARISON_CARD, className="drm-card", hidden=True),
        html.Section(_connect(), id=ids.CLOUD_CONNECT, className="drm-card", hidden=True),
    ]


def _comparison() -> list[Component]:
    return [
        html.Div(
            [
                html.H2("Comparison: what this pool would cost on rented instances"),
                html.Div(
                    [
                        html.Div(
                            [
                                html.Label("Instance type", htmlFor=ids.INSTANCE_TYPE),
                                dbc.Input(
                                    id=ids.INSTANCE_TYPE,
                                    value="m5.large",
                                    list=ids.INSTANCE_TYPES,
                                    debounce=TYPED_MILLISECONDS,
                                    maxlength=40,
                                    autocomplete="off",
                                    size="sm",
                                ),
                                html.Datalist([], id=ids.INSTANCE_TYPES),
                            ],
                            className="drm-choice",
                        ),
                        html.Div(
                            [
                                html.Label("Region", htmlFor=ids.CLOUD_REGION),
                                dbc.Select(id=ids.CLOUD_REGION, options=["us-east-1"], value="us-east-1", size="sm"),
                            ],
                            className="drm-choice",
                        ),
                    ],
                    className="drm-controls",
                ),
            ],
            className="drm-card-head",
        ),
        Content(ids.COMPARISON),
    ]


def _connect() -> list[Component]:
    return [
        html.H2("No cloud provider is configured"),
        html.P("What stands above is the pool's own workers. A program that embeds drm adds the instances of its clouds:"),
        html.Pre(
            html.Code(
                "from drm import CloudProviderManager, DynamicResourceManager\n"
                "manager = DynamicResourceManager(engine, cloud=CloudProviderManager([provider, ...]))"
            )
        ),
        html.P(
            [
                "Each provider meets the protocol ",
                html.Code("drm.cloud.Provider"),
                ": name, region, launch, list_instances, terminate, price. It is asked when the program calls ",
                html.Code("manager.cloud.totals()"),
                ", never by a tick. What a worker of this machine costs an hour is said by ",
                html.Code("--worker-price"),
                " or ",
                html.Code("LocalProvider(hourly=...)"),
                "; 0 means that it costs nothing.",
            ],
            className="drm-note",
        ),
    ]
