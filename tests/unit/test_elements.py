"""What callbacks send is what Dash's own components become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dash import html
from dash._utils import to_json

from drm.callbacks import elements

TAGS = [name for name in vars(elements) if name[0].isupper() and hasattr(html, name)]


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(
    "properties", [{}, {"id": "drm-x", "className": None}, {"data-key": "k", "aria-hidden": "true", "style": {"width": "3.0%"}}]
)
def test_an_element_is_sent_as_dashs_component(tag: str, properties: dict[str, Any]) -> None:
    """With and without properties, and one within another."""
    made = getattr(elements, tag)([getattr(elements, tag)("within"), None], **properties)
    component = getattr(html, tag)([getattr(html, tag)("within"), None], **properties)
    assert made == json.loads(to_json(component))


def test_all_of_them_are_looked_at() -> None:
    """The table's parts among them."""
    assert {"Div", "Span", "Table", "Td", "Button"} <= set(TAGS) and len(TAGS) > 20
