"""Elements that callbacks send: what Dash's html components become on their way to the browser, made at once.

A component of Dash's checks each of its properties when it is made, and is taken apart again to be sent: a fifth of what the answers of
each second cost. None of these can be an input or an output.
"""

from __future__ import annotations

from typing import Any, Protocol

Element = dict[str, Any]


class _Maker(Protocol):
    def __call__(self, children: Any = None, **properties: Any) -> Element: ...


def _maker(tag: str) -> _Maker:
    def made(children: Any = None, **properties: Any) -> Element:
        return {"type": tag, "namespace": "dash_html_components", "props": {"children": children, **properties}}

    return made


Br = _maker("Br")
Button = _maker("Button")
Dd = _maker("Dd")
Details = _maker("Details")
Div = _maker("Div")
Dl = _maker("Dl")
Dt = _maker("Dt")
H2 = _maker("H2")
H3 = _maker("H3")
Li = _maker("Li")
Option = _maker("Option")
P = _maker("P")
Section = _maker("Section")
Span = _maker("Span")
Strong = _maker("Strong")
Summary = _maker("Summary")
Table = _maker("Table")
Tbody = _maker("Tbody")
Td = _maker("Td")
Th = _maker("Th")
Thead = _maker("Thead")
Tr = _maker("Tr")
Ul = _maker("Ul")
