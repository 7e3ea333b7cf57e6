"""Addresses of the page's own files that change with what is in them, so that a browser that has one need never ask for it again.

Dash names a file of `assets/` with the time of its change, which may be the same for two versions: where a file is unpacked with a time of
its own, as in an image that is built twice alike. Here it is a digest of the content.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.security import safe_join

NAMED_BY_TIME = re.compile(r"(?P<address>/assets/(?P<name>[^\"?]+))\?m=[0-9.]+")
FOR_EVER = "private, max-age=31536000, immutable"
DIGITS = 16


def fingerprinted(html: str, folder: Path) -> str:
    """A part of the page's HTML with these addresses."""
    return NAMED_BY_TIME.sub(lambda found: f"{found['address']}?v={fingerprint(folder, found['name'])}", html)


def keep_for_ever(app: Flask, prefix: str, folder: Path) -> None:
    """Tells browsers so where the address is of what the file holds now; all other answers are as they were."""
    below = f"{prefix}assets/"

    @app.after_request
    def add(response: Response) -> Response:
        asked = request.args.get("v")
        ours = asked and request.path.startswith(below) and response.status_code in (200, 304)
        if ours and asked == fingerprint(folder, request.path.removeprefix(below)):
            response.headers["Cache-Control"] = FOR_EVER
        return response


def fingerprint(folder: Path, name: str) -> str:
    """A digest of a file; empty where there is none of that name."""
    path = safe_join(str(folder), name)
    try:
        found = Path(path or "").stat()
        return _digest(path or "", found.st_mtime_ns, found.st_size)
    except (OSError, ValueError):
        return ""


@lru_cache(maxsize=256)
def _digest(path: str, _changed_at: int, _size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:DIGITS]
