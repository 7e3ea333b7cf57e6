"""What the Allocation tab finds, as elements: what is stranded, and how uneven it is."""

from __future__ import annotations

from collections.abc import Sequence

from drm import ids
from drm.analysis.allocation import Allocation
from drm.callbacks import elements as html
from drm.callbacks.cards import sentence_card
from drm.callbacks.elements import Element
from drm.figures import allocation_text as words

WAITING_COLUMNS = ("Request", "Tasks", "Waiting", "Lacks, on workers", "Closest worker")
NO_FAULT = "Placement fills the fullest worker that has room first, so that others fall idle and can go: a spread alone is no fault."


def findings(seen: Allocation, now: float) -> list[Element]:
    """The cards."""
    waiting = _waiting(words.waiting_rows(seen.stranded, now))
    no_fault = html.P(NO_FAULT, className="drm-note")
    return [
        sentence_card("stranded", "Stranded capacity", words.stranded_text(seen.stranded), waiting),
        sentence_card("imbalance", "Imbalance", words.imbalance_text(seen.imbalance, seen.resource), no_fault),
    ]


def _waiting(rows: Sequence[Sequence[str]]) -> Element | None:
    if not rows:
        return None
    head = html.Tr([html.Th(name, scope="col") for name in WAITING_COLUMNS])
    body = [html.Tr([html.Td(cell) for cell in row]) for row in rows]
    table = html.Table([html.Thead(head), html.Tbody(body)], className="table table-sm drm-table")
    return html.Div(table, id=ids.card("stranded", "table"), className="drm-scroll")
