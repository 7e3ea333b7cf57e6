"""The program that keeps a history, asked over HTTP: DuckDB lets nobody else into its file."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drm.errors import CopyBusyError, HistoryError
from drm.history.facts import Facts, facts_of
from drm.hosting import TOKEN_VARIABLE, environment_token

PING_SECONDS, ANSWER_SECONDS, TURN_SECONDS = 5.0, 600.0, 30.0
CHUNK_BYTES = 1024 * 1024


class RunningProgram:
    """`told`: what it wrote beside its history: its pid, and its url once it answers. HistoryError, with the remedy, from every call."""

    def __init__(self, folder: Path, told: Mapping[str, Any]) -> None:
        self.who = f"the history in {folder} is kept by process {told.get('pid', 'of somebody')}"
        url = told.get("url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise HistoryError(
                f"{self.who}, which says no address: it is starting, or is another drm command, or serves no API; "
                "try again in a moment, or once it has ended"
            )
        self._url = url.rstrip("/")
        self.who += f" ({self._url})"
        self._token = environment_token()
        # No proxy stands between two programs of one folder.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def facts(self) -> Facts:
        """What its history holds."""
        with self._told(), self._get("/api/v1/history") as answer:
            return facts_of(json.loads(answer.read()))

    def fetch_copy(self, path: Path) -> None:
        """A copy of its history, as a new file."""
        with self._told(), self._get("/api/v1/backup") as answer, path.open("xb") as file:
            path.chmod(0o600)
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
            # Read in parts, an answer that breaks off looks like one that has ended.
            if str(file.tell()) != answer.headers.get("Content-Length"):
                raise http.client.IncompleteRead(b"", int(answer.headers.get("Content-Length") or 0))

    def _get(self, path: str) -> Any:
        """Waits for its turn where somebody else fetches a copy."""
        until, pause = time.monotonic() + TURN_SECONDS, threading.Event()
        while True:
            try:
                return self._open(path)
            except CopyBusyError:
                if time.monotonic() > until:
                    raise
                pause.wait(TURN_SECONDS / 100)

    def _open(self, path: str) -> Any:
        self._opener.open(f"{self._url}/healthz", timeout=PING_SECONDS).close()
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            return self._opener.open(urllib.request.Request(self._url + path, headers=headers), timeout=ANSWER_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                kind = CopyBusyError if error.code == 409 else HistoryError
                raise kind(f"{self.who}, which answers {error.code}: {_words(error)}") from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong on the way as a HistoryError."""
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            raise HistoryError(f"{self.who}, and what answers there is no drm that keeps history ({type(error).__name__})") from None
        except http.client.HTTPException as error:
            raise HistoryError(f"{self.who}, whose answer broke off ({type(error).__name__}): try again") from None
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise HistoryError(
                f"{self.who}, which does not answer ({getattr(error, 'reason', None) or error}): try again, or once it has ended"
            ) from None


def _words(error: urllib.error.HTTPError) -> str:
    if error.code == 401:
        return f"it asks for a token; set the variable {TOKEN_VARIABLE} to the one that it was started with"
    try:
        return str(json.loads(error.read(10_000))["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return "that is no answer of a drm that keeps history"
