"""Every component id, spelled once. The clientside code gets them from `callback_context`, never as literals."""

from __future__ import annotations

LOCATION = "drm-location"
INTERVAL = "drm-interval"
TABS = "drm-tabs"
RANGE = "drm-range"
REFRESH = "drm-refresh"
THEME = "drm-theme"
SCHEME = "drm-scheme"
"""`light` or `dark`: what the theme comes to in this browser."""
SOURCE = "drm-source"
HEALTH = "drm-health"
"""What the server last said of the controller."""
HEALTH_TEXT = "drm-health-text"
SHELL_KEY = "shell"
"""Key of the ticks of the header, which is always visible."""
KEYS = "drm-keys"
"""What the router serves, in order: the header, then the tabs."""
ADDRESS = "drm-address"
"""The rules of the page's address, for the browser."""

RESOURCE = "drm-resource"
MEASURE = "drm-measure"
SELECTED = "drm-selected"
"""The worker whose detail is open, and the workers of the group that is open."""
SHOW_ALL = "drm-show-all"
CLOSE_DETAIL = "drm-close-detail"
DETAIL = "drm-detail"
DETAIL_TITLE = "drm-detail-title"
DETAIL_FACTS = "drm-detail-facts"
DETAIL_TASKS = "drm-detail-tasks"
DETAIL_KEY = "worker"
"""Key of the graph of the open worker."""


def tick(key: str) -> str:
    """The store whose change makes a tab draw: what the router hands on."""
    return f"drm-{key}-tick"


def busy(key: str) -> str:
    """The store that is true while a tab's answer is on its way."""
    return f"drm-{key}-busy"


def drawn(key: str) -> str:
    """The store of what this client last drew in a tab."""
    return f"drm-{key}-drawn"


def wire(key: str) -> str:
    """The store in which a figure arrives, before the browser turns bytes into cells and times into local ones."""
    return f"drm-{key}-wire"


def panel(key: str) -> str:
    """What a tab shows."""
    return f"drm-{key}-panel"


def zoom(key: str) -> str:
    """The store of what the reader zoomed into in a tab's graph."""
    return f"drm-{key}-zoom"


def graph(key: str) -> str:
    """The graph of a tab."""
    return f"drm-{key}-graph"


def empty(key: str) -> str:
    """What stands in place of a tab's graph where there is nothing to draw."""
    return f"drm-{key}-empty"


def card(name: str, part: str) -> str:
    """A part of a card: its value, note, bar, ..."""
    return f"drm-card-{name}-{part}"
