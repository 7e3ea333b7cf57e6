"""The dashboard as files: index.html with all figures, the summary and the ledger, and the data beside it. A picture of one moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from drm.decision import ScalingDecision
from drm.export import element, figure_card, page, pngs, write_page
from drm.exports import EXPORTS, Drawn, Scope, draw
from drm.figures import overview, summary
from drm.figures.notes import Note
from drm.figures.units import LABELS, plain
from drm.tables.decisions import decisions, decisions_in
from drm.tables.pool import series, workers
from drm.tables.table import csv_bytes
from drm.view import View

INDEX = "index.html"
ROWS = 200
MOST_COLUMNS, MOST_DECISIONS = 720, 10_000
"""Of the files."""
HEADINGS = ("Time", "Action", "Workers", "Why", "In the way (and what would change that)", "Outcome")


def write_report(folder: Path, scope: Scope, note: Note, *, interactive: bool = True) -> Path:
    """Writes index.html, its figures (in it, or as PNGs beside it) and workers, series and decisions as CSV; returns the page's path.

    All of it or, where something cannot be written, nothing: an earlier report then stays as it was.
    """
    state = scope.state
    all_drawn = [draw(export, scope) for export in EXPORTS]
    found = list(islice(chain.from_iterable(decisions_in(state, since_of(note))), MOST_DECISIONS))
    written = (workers(state, note.badge), series(state, note.badge, note.range_seconds, MOST_COLUMNS), decisions(note.badge, [found]))
    files = {f"{table.name}.csv": csv_bytes(table) for table in written}
    pictures: dict[str, bytes] = {}
    if interactive:
        cards = [figure_card(drawn) for drawn in all_drawn]
    else:
        pictures = {f"{drawn.export.stem}.png": png for drawn, png in zip(all_drawn, pngs(all_drawn, note), strict=True)}
        cards = [_picture_card(drawn, name) for drawn, name in zip(all_drawn, pictures, strict=True)]
    body = [_summary(state, note), *cards, _ledger(found, note), _files(files)]
    content = page("Resource dashboard", note, body, with_plotly=interactive)
    beside = {folder / name: data for name, data in (pictures | files).items()}
    write_page(folder / INDEX, content, with_plotly=interactive, beside=beside)
    return folder / INDEX


def since_of(note: Note) -> float:
    """When the range begins."""
    return -math.inf if math.isnan(note.time) else note.time - note.range_seconds


def _summary(state: View, note: Note) -> ElementTree.Element:
    snapshot = state.snapshot
    workers, tasks, decision = summary.workers_text(snapshot), overview.tasks_text(snapshot), overview.decision_text(snapshot)
    resources = [_resource(LABELS[name], text) for name, text in summary.resource_texts(snapshot).items()]
    scaling = summary.scaling_text(state.scaling_events(note.range_seconds), note.range_seconds)
    return element(
        "section",
        _number_card("Active workers", workers),
        _number_card("Tasks", tasks),
        _number_card("Queue", overview.queue_text(snapshot)),
        _number_card("Scaling events", scaling),
        _card("Resources", *(resources or [element("p", "No worker has joined yet: what they have shows here once one runs.")]), wide=True),
        _card(
            "Controller",
            element("p", decision["action"], class_="drm-sentence"),
            element("p", decision["now"], class_="drm-note"),
            wide=True,
        ),
        class_="drm-cards",
        aria_label="Resource Summary",
    )


def _number_card(title: str, text: dict[str, str]) -> ElementTree.Element:
    return _card(
        title,
        element("p", text["value"], class_="drm-value"),
        element("p", text["note"]),
        element("p", text["more"], class_="drm-note") if text.get("more") else None,
        element("p", text["warning"], class_="drm-warning") if text.get("warning") else None,
    )


def _resource(label: str, text: dict[str, Any]) -> ElementTree.Element:
    def bar(name: str) -> ElementTree.Element:
        return element("div", class_=f"drm-bar-{name}", style=f"width: {text[f'{name}_width']:.1f}%")

    def words(name: str) -> ElementTree.Element:
        return element("span", str(text[name]), class_=f"drm-key drm-key-{name}")

    return element(
        "div",
        element("div", element("strong", label), words("used"), class_="drm-bar-head"),
        element("div", bar("allocated"), bar("used"), class_="drm-bar", aria_hidden="true"),
        element(
            "div",
            words("allocated"),
            element("span", f"of {text['total']}", class_="drm-key drm-key-capacity"),
            class_="drm-bar-head drm-note",
        ),
        class_="drm-resource",
    )


def _picture_card(drawn: Drawn, name: str) -> ElementTree.Element:
    return _card(drawn.export.title, element("img", src=name, alt=drawn.export.title))


def _ledger(found: Sequence[ScalingDecision], note: Note) -> ElementTree.Element:
    if not found:
        return _card("Decisions", element("p", "No evaluation yet: the first comes with the first tick.", class_="drm-empty"))
    more = f"the newest {len(found)}" if len(found) == MOST_DECISIONS else f"all {len(found)}"
    shown = f"The newest {ROWS}; decisions.csv has {more}. " if len(found) > ROWS else ""
    rows = (element("tr", *(element("td", text) for text in _cells(one, note))) for one in found[:ROWS])
    table = element(
        "table",
        element("thead", element("tr", *(element("th", heading, scope="col") for heading in HEADINGS))),
        element("tbody", *rows),
        class_="drm-table",
    )
    caption = f"{shown}Each evaluation of the policy; a run of identical ones is one row. Times in {note.zone_name}."
    return _card(
        "Decisions",
        element("p", caption, class_="drm-note"),
        element("div", table, class_="drm-scroll", tabindex="0", role="region", aria_label="Decisions"),
    )


def _cells(one: ScalingDecision, note: Note) -> tuple[str, ...]:
    often = "" if one.evaluations is None else f", {one.evaluations} times"
    times = note.clock(one.timestamp) + (f" to {note.clock(one.last_at)}{often}" if one.fold else "")
    size = (
        str(one.current)
        if one.action == "maintain"
        else f"{one.current} to {one.current + (one.count if one.action == 'scale_up' else -one.count)}"
    )
    blockers = "; ".join(
        plain(f"{blocker.detail} ({blocker.flip_if})" if blocker.flip_if else blocker.detail, 240) for blocker in one.blockers
    )
    outcome = "" if one.action == "maintain" else f"{one.outcome}{': ' + plain(one.error, 160) if one.error else ''}"
    return times, one.action.replace("_", " "), size, plain(one.reason, 240), blockers, outcome


def _files(names: Sequence[str] | dict[str, bytes]) -> ElementTree.Element:
    links = [element("li", element("a", name, href=name)) for name in names]
    return _card("Data", element("p", "The numbers behind this page, beside it:", class_="drm-note"), element("ul", *links))


def _card(title: str, *content: ElementTree.Element | None, wide: bool = False) -> ElementTree.Element:
    return element("section", element("h2", title), *content, class_="drm-card drm-card-wide" if wide else "drm-card")
