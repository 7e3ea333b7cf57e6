"""One connection to the dashboard's API, kept open between reports."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from drm.errors import InvalidValueError
from drm.version import __version__

ANSWER_SECONDS = 10.0
ANSWER_BYTES = 64 * 1024
ACCEPTED = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a report. `status` 0: nobody answered, and `detail` says why."""

    status: int
    detail: str = ""
    retry_after_seconds: float = 0.0


class Wire:
    """`url`: the address of the program, as in http://host:8080, or where it is mounted; `worker_id`: who reports."""

    def __init__(self, url: str, worker_id: str, token: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.query or parts.fragment:
            raise InvalidValueError(f"--url must be the address of the dashboard, as in http://host:8080, got {url!r}")
        if parts.username or parts.password:
            raise InvalidValueError("--url must hold no name and password: the token is given with --token-file or DRM_TOKEN")
        self.url = url.rstrip("/")
        self._path = f"{parts.path.rstrip('/')}/api/v1/workers/{quote(worker_id, safe='')}/report"
        kind: Any = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection: http.client.HTTPConnection = kind(parts.hostname, port, timeout=ANSWER_SECONDS)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "User-Agent": f"drm-agent/{__version__}",
        }

    def send(self, body: Mapping[str, Any], timeout_seconds: float = ANSWER_SECONDS) -> Answer:
        """Sends a report, and waits for its answer; never raises because of the other side."""
        data = json.dumps(body, separators=(",", ":")).encode()
        # A server may end a connection that was idle in the moment in which it is used again: then, and only then, it is tried anew.
        for is_new in (False, True) if self._connection.sock is not None else (True,):
            try:
                return self._ask(data, timeout_seconds)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                self.close()
                if is_new:
                    return Answer(0, _words(error))
            except (OSError, http.client.HTTPException) as error:
                self.close()
                return Answer(0, _words(error))
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Ends the connection; the next report opens another."""
        self._connection.close()

    def _ask(self, data: bytes, timeout_seconds: float) -> Answer:
        self._connection.timeout = timeout_seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_seconds)
        self._connection.request("POST", self._path, data, self._headers)
        response = self._connection.getresponse()
        text = response.read(ANSWER_BYTES)
        if not response.isclosed():
            self.close()
        if response.status == ACCEPTED:
            return Answer(ACCEPTED)
        retry_after = response.headers.get("Retry-After", "")
        return Answer(response.status, _detail(text, response.reason), float(retry_after) if retry_after.isdigit() else 0.0)


def _detail(text: bytes, reason: str) -> str:
    """What the server said, in one line."""
    try:
        told = json.loads(text)
        said = str(told.get("detail") or told.get("error") or told.get("title") or "") if isinstance(told, dict) else ""
    except ValueError:
        said = ""
    return " ".join((said or reason).split())[:500]


def _words(error: Exception) -> str:
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text.lower()[:200] or type(error).__name__
