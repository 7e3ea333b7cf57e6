"""What the browser does by itself."""

from __future__ import annotations

from dash import ClientsideFunction


def in_browser(name: str) -> ClientsideFunction:
    """A function of `assets/drm`, by its name there."""
    return ClientsideFunction("drm", name)
