"""Which Chromium the tests drive."""

from __future__ import annotations

import os
import shutil


def installed_browser() -> str | None:
    """The one that was chosen for the tests, or the system's."""
    return os.environ.get("DRM_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")


def kaleido_environment() -> dict[str, str]:
    """The variable by which PNGs are drawn with that browser too."""
    found = installed_browser()
    return {"BROWSER_PATH": found} if found else {}
