"""The panel of a tab. What is in it belongs to the layout from the start, and is mounted only once the panel has been shown.

Callbacks reach a component that is not mounted as they reach any other: it then appears with what they have set.
"""

from __future__ import annotations

from collections.abc import Sequence

from dash.development.base_component import Component


class Panel(Component):
    """A division of the page. The browser's part of it is in assets/drm/panel.js."""

    _namespace = "drm_page"
    _type = "Panel"

    def __init__(self, children: Sequence[Component], *, id: str, hidden: bool) -> None:
        # What Dash generates into its own components.
        self._prop_names = self.available_properties = ["children", "id", "hidden", "className"]
        self._valid_wildcard_attributes = self.available_wildcard_properties = []
        super().__init__(children=list(children), id=id, hidden=hidden, className="drm-panel")  # type: ignore[no-untyped-call]
