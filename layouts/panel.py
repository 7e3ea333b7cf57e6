"""Parts of the page that are mounted only once they have been shown: the tabs' panels, and what opens at a button.

What is in one belongs to the layout from the start. Callbacks reach a component that is not mounted as they reach any other: it then
appears with what they have set.
"""

from __future__ import annotations

from collections.abc import Sequence

from dash.development.base_component import Component


class Panel(Component):
    """A part of the page; the browser's part of it is in assets/drm/panel.js. `tag`: what kind of element it is; `label`: its name for a
    screen reader."""

    _namespace = "drm_page"
    _type = "Panel"

    def __init__(
        self,
        children: Sequence[Component],
        *,
        id: str,
        hidden: bool,
        className: str = "drm-panel",  # noqa: N803 (as all of Dash's components say it)
        tag: str = "div",
        label: str = "",
    ) -> None:
        # What Dash generates into its own components.
        self._prop_names = self.available_properties = ["children", "id", "hidden", "className", "tag", "label"]
        self._valid_wildcard_attributes = self.available_wildcard_properties = []
        super().__init__(children=list(children), id=id, hidden=hidden, className=className, tag=tag, label=label)  # type: ignore[no-untyped-call]
