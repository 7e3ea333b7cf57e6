"""Cards of numbers and sentences, as elements of a Content."""

from __future__ import annotations

from collections.abc import Mapping

from drm import ids
from drm.callbacks import elements as html
from drm.callbacks.elements import Element

NUMBER_CLASSES = {"value": "drm-value", "note": None, "more": "drm-note", "warning": "drm-warning"}
SENTENCE_CLASSES = {
    "verdict": "drm-sentence",
    "action": "drm-sentence",
    "causes": None,
    "now": None,
    "why": "drm-note",
    "numbers": "drm-note",
    "size": "drm-note",
    "warning": "drm-warning",
}
"""Of the parts of a card, in their order."""


def number_card(name: str, title: str, texts: Mapping[str, str]) -> Element:
    """A number, what it is of, and what is to be said of it; `texts` by part, of which those that are empty are left out."""
    return html.Section([html.H2(title), *_parts(name, texts, NUMBER_CLASSES)], className="drm-card")


def sentence_card(name: str, title: str, texts: Mapping[str, str], *more: Element | None, is_wide: bool = False) -> Element:
    """The same of what is said in words; `more`: what stands below."""
    return html.Section(
        [html.H2(title), *_parts(name, texts, SENTENCE_CLASSES), *more], className=f"drm-card{' drm-card-wide' if is_wide else ''}"
    )


def _parts(name: str, texts: Mapping[str, str], classes: Mapping[str, str | None]) -> list[Element]:
    return [html.P(texts[part], id=ids.card(name, part), className=known) for part, known in classes.items() if texts.get(part)]
