"""Texts from outside in everything that leaves the program: answers, saved tables and written files. What a browser makes of them is in
tests/browser/test_security.py."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from drm.dashboard import mount
from drm.runner import Runner
from drm.server import create_standalone
from drm.state import DRMState
from drm.tables.saved import SAVED
from drm.visualization import DRMVisualization
from tests.integration.conftest import Wire
from tests.integration.hostile_pool import RAN, hostile, hostile_state

FORMULA = ("=", "+", "-", "@", "\t", "\r")
TABLES = [(tab, saved.name) for tab, tables in SAVED.items() for saved in tables]
ANSWERS = ["snapshot", "decisions", "explain", "costs", "budget", "recommendations", "decisions/1"]


@pytest.fixture(scope="module")
def state() -> DRMState:
    """The hostile pool."""
    return hostile_state()[0]


@pytest.fixture(scope="module")
def program(wire: Callable[[Flask], Wire], state: DRMState) -> Wire:
    """A program over it."""
    app = create_standalone("127.0.0.1", "/drm-dashboard/")
    mount(app, state, "/drm-dashboard/", api_prefix="")
    return wire(app)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("tab", "table"), TABLES)
def test_no_saved_cell_is_a_formula_or_a_line_of_its_own(program: Wire, tab: str, table: str) -> None:
    """Each row has the columns of the header, no text begins as a formula does, and none has a control character; and no browser that
    opens it takes it for a page."""
    answer = program.test_client().get("/api/v1/export", query_string={"tab": tab, "table": table, "format": "csv"})
    assert answer.status_code == 200 and answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith("attachment;") and answer.headers["X-Content-Type-Options"] == "nosniff"
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert all(len(row) == len(header) for row in rows)
    cells = [cell for row in (header, *rows) for cell in row]
    assert [cell for cell in cells if cell.startswith(FORMULA) and not is_number(cell)] == []
    assert [cell for cell in cells if any(ord(character) < 32 for character in cell)] == []


def test_the_saved_tables_do_hold_what_is_hostile(program: Wire) -> None:
    """Else the test above would look at nothing: workers, tasks, prices and reasons are in them."""
    client = program.test_client()
    everything = "".join(
        client.get("/api/v1/export", query_string={"tab": tab, "table": table, "format": "csv"}).text for tab, table in TABLES
    )
    for place in ("worker", "leaver", "task1", "departure", "launch-error", "notice", "type", "cloud", "instance-type"):
        assert f"={place}<img" in everything, place


@pytest.mark.parametrize("path", ANSWERS)
def test_answers_are_json_whatever_they_hold(program: Wire, path: str) -> None:
    """And say so, so that no browser takes them for a page."""
    answer = program.test_client().get(f"/api/v1/{path}", headers={"Accept": "text/html"})
    assert answer.mimetype in ("application/json", "application/problem+json") and answer.headers["X-Content-Type-Options"] == "nosniff"
    json.loads(answer.text, parse_constant=pytest.fail)


@pytest.mark.parametrize("name", [hostile("asked"), "<script>alert(1)</script>", "%0d%0aX: 1", "x" * 5_000, "\x00", "🦊" * 50])
@pytest.mark.parametrize("parameter", ["worker", "limit", "at", "action", "since", "odd"])
def test_a_parameter_comes_back_as_text_only(program: Wire, parameter: str, name: str) -> None:
    """In the sentence that refuses it, in JSON, cut to a length."""
    for path in ("decisions", "export", "costs", "recommendations", "budget", "snapshot"):
        answer = program.test_client().get(f"/api/v1/{path}", query_string={parameter: name})
        assert answer.status_code < 500 and answer.mimetype in ("application/json", "application/problem+json", "text/csv")
        if answer.status_code >= 400:
            assert len(answer.text) < 2_500


class Elements(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes it."""
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def written(state: DRMState, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page that is written of the pool."""
    folder = tmp_path_factory.mktemp("written")
    runner = Runner(state)
    with DRMVisualization(state.manager, output_dir=folder) as visualization:
        visualization.create_resource_dashboard()
        visualization.create_resource_utilization_heatmap()
        visualization.create_cloud_resource_visualization()
    runner.stop()
    return folder


def test_no_written_page_has_an_element_that_came_as_text(written: Path) -> None:
    """No picture, link or handler of the texts' making, and no more scripts than the page has by itself."""
    pages = list(written.glob("*.html"))
    assert len(pages) == 3
    for path in pages:
        page = Elements()
        page.feed(path.read_text())
        names: list[Any] = [name for _, attributes in page.found for name in attributes]
        links = [str(attributes.get("href")) for tag, attributes in page.found if tag == "a"]
        assert [name for name in names if name.startswith("on")] == []
        assert "img" not in {tag for tag, _ in page.found} and not [link for link in links if link.startswith("javascript:")]
        assert RAN in path.read_text(), "nothing hostile is in it, so that nothing was tested"


def test_no_written_table_has_a_formula(written: Path) -> None:
    """The files beside the page are as safe as those of the API."""
    for path in written.glob("*.csv"):
        cells = [cell for row in csv.reader(io.StringIO(path.read_text(), newline="")) for cell in row]
        assert [cell for cell in cells if cell.startswith(FORMULA) and not is_number(cell)] == []
