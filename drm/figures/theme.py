"""One look for all figures, light and dark: colours, type and margins; the same values as the custom properties of assets/drm/drm.css.

Series take the colours of Okabe and Ito (Color Universal Design, 2008), which colour-blind readers can tell apart; each is also told by its
dash or fill. The heatmap's scale is part of Cividis (Nunez et al., PLoS ONE 2018), whose lightness rises evenly.
"""

from __future__ import annotations

from typing import Any

Figure = dict[str, Any]
"""As Plotly takes it, but for times in epoch seconds, and `times`: what the traces without an `x` are drawn over, told once for all."""

CONFIG: Any = {
    "displaylogo": False,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}
"""For every graph: without these Plotly offers an upload to its own cloud."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif"

PALETTES = {
    "light": {
        "text": "#1c2430",
        "muted": "#566273",
        "grid": "#e4e8ee",
        "paper": "#ffffff",
        "track": "#e7ebf0",
        "capacity": "#6b7787",
        "allocated": "#0072b2",
        "used": "#d55e00",
        "demand": "#8f3f7e",
        "workers": "#007a5a",
        "desired": "#1c2430",
        "up": "#007a5a",
        "down": "#0072b2",
        "failed": "#b3261e",
        "blocked": "#b85c00",
        "maintained": "#6b7787",
        "user": "#8f3f7e",
        "cpu": "#8f3f7e",
        "memory": "#007a5a",
        "gpu": "#8a5300",
        "gpu_memory": "#45515f",
    },
    "dark": {
        "text": "#e6eaef",
        "muted": "#9fabb9",
        "grid": "#2b343f",
        "paper": "#1a2027",
        "track": "#2b343f",
        "capacity": "#98a5b5",
        "allocated": "#56b4e9",
        "used": "#e69f00",
        "demand": "#d58fc0",
        "workers": "#2fbf94",
        "desired": "#e6eaef",
        "up": "#2fbf94",
        "down": "#56b4e9",
        "failed": "#ff8a80",
        "blocked": "#e69f00",
        "maintained": "#98a5b5",
        "user": "#d58fc0",
        "cpu": "#d58fc0",
        "memory": "#2fbf94",
        "gpu": "#f0b95a",
        "gpu_memory": "#c3ccd6",
    },
}

STATES = {
    "light": {
        "pending": "#8a96a5",
        "booting": "#c58300",
        "running": "#007a5a",
        "cordoned": "#8f3f7e",
        "draining": "#3f8fd0",
        "lost": "#b3261e",
    },
    "dark": {
        "pending": "#6b7683",
        "booting": "#f0c060",
        "running": "#2fbf94",
        "cordoned": "#e3a5d2",
        "draining": "#4a90e2",
        "lost": "#e5484d",
    },
}
"""Of workers, in the order in which they come. Apart for colour-blind readers by 13 in CIE Lab or more, and those that end a life by a
pattern as well."""

NAMES = {
    "light": ("#332288", "#117733", "#aa4499", "#0f8f83", "#882255", "#c0505f", "#7f7f2a"),
    "dark": ("#99ddff", "#44bb99", "#ffaabb", "#eedd88", "#ee8866", "#bbcc33", "#77aadd"),
}
"""For names of tasks and providers, which may be any: other hues than the series have."""

HEAT = {
    "light": [[0.0, "#00305e"], [0.25, "#3f4f6d"], [0.5, "#7c7b78"], [0.75, "#bcae6c"], [1.0, "#fee838"]],
    "dark": [[0.0, "#0d3f78"], [0.25, "#4a5a7c"], [0.5, "#7c7b78"], [0.75, "#bcae6c"], [1.0, "#fee838"]],
}


def palette(scheme: str) -> dict[str, str]:
    """The colours of a scheme; light where it is not known."""
    return PALETTES.get(scheme, PALETTES["light"])


def state_colours(scheme: str) -> dict[str, str]:
    """The colours of a worker's states; light where the scheme is not known."""
    return STATES.get(scheme, STATES["light"])


TITLED_NUMBER_ROOM = 64
"""Pixels to the left of an axis for numbers as long as 10,000 and its title beside them."""


def axis(scheme: str, **more: Any) -> Figure:
    """One axis. A title of it has no `standoff`: with one, Plotly places it at infinity while the graph is hidden."""
    colours = palette(scheme)
    return {
        "gridcolor": colours["grid"],
        "linecolor": colours["grid"],
        "zeroline": False,
        "ticks": "",
        "tickfont": {"color": colours["muted"], "size": 11},
        "automargin": True,
        **more,
    }


def number_axis(scheme: str, **more: Any) -> Figure:
    """An axis of numbers in a figure with `margin`: to make room by itself Plotly measures the labels of each axis at each refresh."""
    return axis(scheme, automargin=False, **more)


def margin(*, left: int, top: int = 8) -> dict[str, int]:
    """Of a figure of number axes over one of time, whose labels take two lines."""
    return {"l": left, "r": 16, "t": top, "b": 38}


def time_axis(scheme: str, **more: Any) -> Figure:
    """The axis of time. It has no range of its own: windows hold blanks for what is missing, and a range that moves would undo a zoom."""
    return axis(scheme, type="date", showgrid=False, tickangle=0, **more)


def layout(scheme: str, revision: str, **more: Any) -> Figure:
    """What all figures share. While `revision` is the same, a zoom survives the refresh."""
    colours = palette(scheme)
    return {
        "font": {"family": FONT, "size": 12, "color": colours["text"]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "uirevision": revision,
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": colours["paper"], "bordercolor": colours["grid"], "font": {"color": colours["text"], "size": 12}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"color": colours["text"]}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colours["muted"], "activecolor": colours["text"]},
        **more,
    }
