"""What stands in a Content, found by the id of an element."""

from __future__ import annotations

from typing import Any


def elements(content: Any) -> dict[str, dict[str, Any]]:
    """The properties of all elements with an id, as a callback sent them; those of no component, by id."""
    if isinstance(content, list):
        return {name: found for one in content for name, found in elements(one).items()}
    if not isinstance(content, dict):
        return {}
    props = content["props"]
    here = {props["id"]: props} if "id" in props else {}
    return here | elements(props.get("children"))
