"""What must stand in no log, answer or file: secrets in texts that others wrote, such as the errors of a provider."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

HIDDEN = "(hidden)"
SHORTEST_SECRET = 8
"""Shorter values of variables are words, and would be hidden everywhere."""

NAMES_OF_SECRETS = re.compile(r"SECRET|TOKEN|PASSW|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY", re.IGNORECASE)
NAMES_OF_FILES = re.compile(r"_(FILE|PATH|URI|URL|DIR)$", re.IGNORECASE)
"""These say where a secret is, and are needed to find it."""

# All repetitions are bounded: what is searched is what others wrote, and must not take longer than its length.
AS_A_VALUE = re.compile(
    r"(?P<name>(?:secret|token|passw(?:or)?d|api[_-]?key|access[_-]?key|signature|credential)[\w-]{0,30}"
    r"(?:[\"']\s{0,3}:\s{0,3}[\"']?|\s{0,3}=\s{0,3}[\"']?|:))(?P<value>[^\s\"'&,;<>]{8,4000})",
    re.IGNORECASE,
)
"""As in `api_key=...`, `X-Amz-Signature=...`, `"password": "..."` or `secret:...`, not in a sentence."""
AS_BEARER = re.compile(r"\b(?P<name>(?:bearer|basic)\s{1,3})(?P<value>[A-Za-z0-9+/=._~-]{8,4000})", re.IGNORECASE)
IN_AN_ADDRESS = re.compile(r"(?P<name>://)(?P<value>[^\s/@:]{0,200}:[^\s/@]{1,200})(?=@)")


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """The text without values that are secret by what stands before them, without those of this process' variables, and without `known`."""
    for value in sorted({*secret_values(os.environ), *known}, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for pattern in (AS_BEARER, AS_A_VALUE, IN_AN_ADDRESS):
        text = pattern.sub(rf"\g<name>{HIDDEN}", text)
    return text


def secret_values(variables: Mapping[str, str]) -> set[str]:
    """Values of variables whose names say that they are secret."""
    return {
        value
        for name, value in variables.items()
        if len(value) >= SHORTEST_SECRET and NAMES_OF_SECRETS.search(name) and not NAMES_OF_FILES.search(name)
    }
