"""The own pages of a monitoring server: its index, and the files of a folder, each in a sandbox.

A file may hold any script. It runs, but its origin is nobody's: it can read neither the API nor another page.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, render_template_string, send_file
from werkzeug.security import safe_join

from drm.figures.units import amount

PAGES_PATH = "/pages/"
LISTED = frozenset({".html", ".htm", ".png", ".jpg", ".jpeg", ".svg", ".pdf", ".csv", ".json", ".txt", ".md"})
"""What is a page by itself; scripts and styles beside it are served, not listed."""
MOST_LISTED, MOST_LOOKED_AT = 200, 5_000

FILE_POLICY = (
    "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads; default-src 'none'; script-src 'self' "
    "'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; worker-src blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>Monitoring</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; --line: color-mix(in srgb, CanvasText 16%, Canvas);
    --muted: color-mix(in srgb, CanvasText 72%, Canvas); --card: color-mix(in srgb, CanvasText 4%, Canvas); }
body { margin: 0; }
header, main { max-width: 60rem; margin: 0 auto; padding: 0 1rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; padding-top: 1.5rem; padding-bottom: .75rem; }
main { display: grid; gap: 1rem; padding-bottom: 2rem; }
h1 { font-size: 1.5rem; letter-spacing: -.01em; margin: 0; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; min-width: 0; }
p { margin: 0 0 .5rem; overflow-wrap: anywhere; } p:last-child { margin: 0; }
code { font: .875em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.muted { color: var(--muted); font-size: .875rem; }
.state { font-weight: 600; } .go { font-size: 1.125rem; font-weight: 600; }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .25rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; font-size: .8125rem; color: var(--muted); }
th, td { padding: .375rem .75rem .375rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; } td:first-child { overflow-wrap: anywhere; }
.right { text-align: right; padding-right: 0; white-space: nowrap; }
.when { white-space: nowrap; }
@media (max-width: 34rem) { .when { display: none; } }
</style></head>
<body><header><h1>Monitoring</h1><span class="muted">{{ request.host }}</span></header>
<main>
<section><h2>Dynamic resource management</h2>
{% if about.dashboard %}<p class="go"><a href="{{ about.dashboard }}">DRM dashboard</a></p>{% endif %}
<p><span class="state">{{ about.state }}</span>{% if about.detail %} <span class="muted">{{ about.detail }}</span>{% endif %}</p>
</section>
<section><h2>Pages in {{ folder }}</h2>
{% if failure %}<p>This folder cannot be read: {{ failure }}.</p>
{% elif not files %}<p>There is no page in it yet: what is written there appears here.</p>
{% else %}<table>
<thead><tr><th scope="col">Page</th><th scope="col" class="when">Changed (UTC)</th><th scope="col" class="right">Size</th></tr></thead>
<tbody>{% for file in files %}<tr><td><a href="{{ url_for(endpoint, name=file.name) }}">{{ file.name }}</a></td>
<td class="when">{{ file.changed }}</td><td class="right">{{ file.size }}</td></tr>
{% endfor %}</tbody></table>
{% if left_out %}<p class="muted">The newest {{ files | length }}; older ones are left out.</p>{% endif %}{% endif %}
</section>
<section><h2>For programs</h2>
<ul>{% for path, meaning in about.paths %}<li><a href="{{ path }}"><code>{{ path }}</code></a> <span class="muted">{{ meaning }}</span></li>
{% endfor %}</ul></section>
</main></body></html>"""


@dataclass(frozen=True, slots=True)
class About:
    """What the index says besides the files."""

    state: str
    """How the controller does, in a few words."""
    detail: str = ""
    dashboard: str = ""
    """Where the DRM dashboard is; empty where there is none."""
    paths: tuple[tuple[str, str], ...] = ()
    """(path, meaning) of what programs read."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file as it is listed."""

    name: str
    """Its path below the folder."""
    changed_at: float
    size_bytes: int

    @property
    def changed(self) -> str:
        """When it was written."""
        return f"{datetime.fromtimestamp(self.changed_at, UTC):%Y-%m-%d %H:%M:%S}"

    @property
    def size(self) -> str:
        """How large it is, with a unit."""
        return amount("memory", float(self.size_bytes))


def create_pages(folder: Path, about: Callable[[], About]) -> Blueprint:
    """`/`, which lists the folder, and `/pages/NAME`, which answers with a file of it; both read the folder anew each time."""
    blueprint = Blueprint("drm-pages", __name__)

    @blueprint.get("/")
    def index() -> Any:
        files: list[PageFile] = []
        failure = ""
        try:
            files = list_pages(folder)
        except OSError as error:
            failure = (error.strerror or str(error)).lower()
        return render_template_string(
            INDEX,
            about=about(),
            folder=os.fsencode(folder).decode("utf-8", "replace"),
            files=files[:MOST_LISTED],
            left_out=len(files) > MOST_LISTED,
            failure=failure,
            endpoint="drm-pages.page",
        )

    @blueprint.get(f"{PAGES_PATH}<path:name>")
    def page(name: str) -> Response:
        path = page_path(folder, name)
        if path is None:
            abort(404)
        answer = send_file(path, conditional=True, max_age=0)
        answer.headers["Content-Security-Policy"] = FILE_POLICY
        return answer

    return blueprint


def list_pages(folder: Path) -> list[PageFile]:
    """The pages in the folder and below it, the newest first; hidden ones are left out. OSError where it cannot be read."""
    found = []
    for looked_at, name in enumerate(_names(folder)):
        path = page_path(folder, name) if Path(name).suffix.lower() in LISTED else None
        if path is not None:
            status = path.stat()
            found.append(PageFile(name, status.st_mtime, status.st_size))
        if looked_at >= MOST_LOOKED_AT:
            break
    return sorted(found, key=lambda file: (-file.changed_at, file.name))


def page_path(folder: Path, name: str) -> Path | None:
    """The file of that name below the folder; None where there is none, where it is hidden, and where it is a link to elsewhere."""
    joined = safe_join(str(folder), name)
    if joined is None or not name.isprintable():
        return None
    root = folder.resolve()
    try:
        path = Path(joined).resolve()
        if not path.is_relative_to(root) or not path.is_file() or not os.access(path, os.R_OK):
            return None
    except OSError:
        return None
    hidden = any(part.startswith(".") for part in (*Path(name).parts, *path.relative_to(root).parts))
    return None if hidden else path


def _names(folder: Path) -> Iterator[str]:
    """The files below the folder. `os.walk` is silent about a folder that it cannot read; the first one must not be."""
    os.scandir(folder).close()
    for where, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for name in names:
            yield (Path(where) / name).relative_to(folder).as_posix()
