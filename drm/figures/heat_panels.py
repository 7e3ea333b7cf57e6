"""One heatmap for each resource present, one above the other over one axis of time: what the page shows one at a time, for a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drm.figures.theme import Figure, layout, palette, time_axis
from drm.figures.units import LABELS
from drm.history.window import MISSING, HeatmapWindow

ROW_PIXELS, FEWEST_PIXELS, MOST_PIXELS = 22, 120, 440
HEAD_PIXELS = 44
"""Above each panel, for its title."""
FOOT_PIXELS, REMARK_PIXELS = 40, 24


def measured(windows: Mapping[str, HeatmapWindow]) -> list[str]:
    """The resources that have a panel: those of which something was measured."""
    return [name for name, window in windows.items() if (window.mean != MISSING).any()]


def stacked(panels: Mapping[str, Figure], measure: str, scheme: str, unknown: Sequence[str] = ()) -> Figure:
    """Finished heatmaps (drm.figures.utilization, then `finish`) by resource, as one figure; `unknown`: what was not measured."""
    plots = [min(MOST_PIXELS, max(FEWEST_PIXELS, ROW_PIXELS * len(panel["data"][0]["y"]))) for panel in panels.values()]
    whole = sum(plots) + HEAD_PIXELS * len(plots)
    traces, annotations, axes, above = [], [], {}, 0
    for number, (name, panel, pixels) in enumerate(zip(panels, panels.values(), plots, strict=True), start=1):
        suffix = "" if number == 1 else str(number)
        top = 1 - (above + HEAD_PIXELS) / whole
        above += HEAD_PIXELS + pixels
        trace = panel["data"][0]
        bar = trace["colorbar"] | {"lenmode": "pixels", "len": pixels, "y": top, "yanchor": "top", "ypad": 0}
        traces.append(trace | {"yaxis": f"y{suffix}", "colorbar": bar})
        axes[f"yaxis{suffix}"] = panel["layout"]["yaxis"] | {"domain": [max(0.0, 1 - above / whole), top], "anchor": "x"}
        annotations.append(_heading(f"<b>{LABELS[name]}</b> {measure}, % of capacity", top, scheme))
    foot = FOOT_PIXELS + (REMARK_PIXELS if unknown else 0)
    if unknown:
        annotations.append(_remark(f"Not measured: {', '.join(LABELS[name] for name in unknown)}.", scheme))
    bottom = f"y{len(plots)}" if len(plots) > 1 else "y"
    return {
        "data": traces,
        "layout": layout(
            scheme,
            f"panels-{measure}",
            hovermode="closest",
            margin={"l": 8, "r": 8, "t": 8, "b": foot},
            height=whole + 8 + foot,
            xaxis=time_axis(scheme, anchor=bottom),
            annotations=annotations,
            **axes,
        ),
    }


def _heading(text: str, top: float, scheme: str) -> Figure:
    return _text(text, scheme, "text", 13) | {"y": top, "yanchor": "bottom", "yshift": 4}


def _remark(text: str, scheme: str) -> Figure:
    """Below the axis of time."""
    return _text(text, scheme, "muted", 12) | {"y": 0, "yanchor": "top", "yshift": -36}


def _text(text: str, scheme: str, colour: str, size: int) -> Figure:
    font = {"size": size, "color": palette(scheme)[colour]}
    return {"text": text, "xref": "paper", "yref": "paper", "x": 0, "xanchor": "left", "showarrow": False, "font": font}
