"""Files of the page that a browser keeps: their addresses change with their content, and only then."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from drm.fingerprints import FOR_EVER, fingerprint, fingerprinted, keep_for_ever
from tests.unit.page_pool import state_with_history
from tests.unit.test_callbacks import Page


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """A reader of a page."""
    return Page(state_with_history()).client


def test_what_a_page_was_told_of_is_kept_for_ever(client: FlaskClient) -> None:
    """Every script and style of ours; the page itself and the same file under an address that does not fit it are not."""
    html = client.get("/drm-dashboard/").text
    addresses = re.findall(r'"(/drm-dashboard/assets/[^"]+)"', html)
    assert any(one.split("?")[0].endswith("clientside.js") for one in addresses) and any("drm.css" in one for one in addresses)
    for address in addresses:
        with client.get(address) as answer:
            assert answer.status_code == 200 and answer.headers["Cache-Control"] == FOR_EVER, address
        with client.get(address, headers={"If-None-Match": answer.headers["ETag"]}) as again:
            assert again.status_code == 304 and again.headers["Cache-Control"] == FOR_EVER
    plain, _ = addresses[0].split("?")
    for other in (plain, f"{plain}?v=0123456789abcdef", f"{plain}?v=", f"{plain}?m=1", f"{plain}?v=../x"):
        with client.get(other) as answer:
            assert answer.headers["Cache-Control"] == "no-cache", other
    assert FOR_EVER not in (client.get("/drm-dashboard/").headers.get("Cache-Control") or "")


def test_two_contents_of_one_time_have_two_addresses(tmp_path: Path) -> None:
    """Images are built with one time for all files."""
    for version in ("old", "new"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.js").write_text(version)
        os.utime(tmp_path / version / "a.js", (1_500_000_000, 1_500_000_000))
    html = '<script src="/drm/assets/a.js?m=1500000000.0"></script><script src="/drm/_dash/b.js?m=3"></script>'
    told = {version: fingerprinted(html, tmp_path / version) for version in ("old", "new")}
    assert told["old"] != told["new"]
    assert all('src="/drm/_dash/b.js?m=3"' in one and "assets/a.js?v=" in one for one in told.values())


def test_what_is_no_file_of_the_folder_has_no_fingerprint(tmp_path: Path) -> None:
    """And an address with none is not kept."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "secret").write_text("x")
    names = ("../secret", "nothing.js", "", "a\0b", "..%2fsecret")
    assert [fingerprint(tmp_path / "assets", name) for name in names] == [""] * len(names)
    app = Flask("host")
    keep_for_ever(app, "/drm/", tmp_path / "assets")
    app.add_url_rule("/drm/assets/<path:name>", view_func=lambda name: name)
    answer = app.test_client().get("/drm/assets/nothing.js?v=")
    assert "Cache-Control" not in answer.headers
