"""Elements that hold no component: tables, tiles, sentences with links in them.

Each element of Dash's own is a component with a place in its store, which all of them look into whenever anything on the page changes: a
table of a hundred rows that is new each second keeps a browser busy for most of that second. These are React's elements alone.
"""

from __future__ import annotations

from dash.development.base_component import Component


class Content(Component):
    """One element, filled by callbacks through its property `content`: any of callbacks/elements.py, nested, with texts. None of what is in
    it can be an input or an output. The browser's part is in assets/drm/content.js.

    `tag`: what kind of element it is. A `data-key` of an element within keeps it the same one, open or closed, wherever it moves to.
    """

    _namespace = "drm_page"
    _type = "Content"

    def __init__(self, id: str, className: str = "", tag: str = "div") -> None:  # noqa: N803 (as all of Dash's components say it)
        # What Dash generates into its own components.
        self._prop_names = self.available_properties = ["id", "content", "className", "tag"]
        self._valid_wildcard_attributes = self.available_wildcard_properties = []
        super().__init__(id=id, className=className, tag=tag)  # type: ignore[no-untyped-call]
