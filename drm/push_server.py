"""The sibling of `Server` that keeps websockets: uvicorn on a socket of ours, in a thread of its own. It needs the extra `push`."""

from __future__ import annotations

import socket
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from drm.descriptors import connection_limit
from drm.errors import DRMError
from drm.server import BACKLOG, CONNECTIONS, STOP_SECONDS, Server

if TYPE_CHECKING:
    from drm.asgi import PushedApplication

NEEDED = ("a2wsgi", "uvicorn", "websockets")
TAKEN_AT_ONCE = 8
"""asyncio takes so many connections before it looks at any; those beyond the limit are ended only then, and hold descriptors till then."""
LONGEST_MESSAGE = 1024
"""Bytes; a page says one word."""


class PushUnavailableError(DRMError):
    """The extra `push` is not installed."""


def missing_for_push() -> list[str]:
    """What of the extra `push` is not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


class PushServer(Server):
    """Holds its port from the moment it is made, answers from `start` to `stop`, and then has freed the port."""

    pushes = True

    def __init__(self, host: str = "127.0.0.1", port: int = 8080) -> None:
        missing = missing_for_push()
        if missing:
            raise PushUnavailableError(
                f"--push needs the extra `push`, of which {', '.join(missing)} is not installed: pip install 'drm-dashboard[push]', "
                "or leave --push out"
            )
        super().__init__(host, port)
        self._application: PushedApplication | None = None

    def start(self, application: Any) -> None:
        """Answers for the PushedApplication from now on, in the thread `drm-server`. Once started it cannot be started again."""
        if self._thread is not None:
            raise DRMError("this Server was started already: make a new one")
        from uvicorn import Config
        from uvicorn import Server as Uvicorn

        from drm.connection import Connection

        self._application = application
        self._server = Uvicorn(
            Config(
                application,
                loop="asyncio",
                http=Connection,
                ws="websockets-sansio",
                ws_max_size=LONGEST_MESSAGE,
                ws_per_message_deflate=False,
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=connection_limit(CONNECTIONS),
                backlog=TAKEN_AT_ONCE,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=1,
            )
        )
        startup = self._server.startup

        async def startup_and_queue(sockets: list[socket.socket]) -> None:
            await startup(sockets=sockets)
            self._socket.listen(BACKLOG)

        self._server.startup = startup_and_queue
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="drm-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends all connections and frees the port, within 2 s; may be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.should_exit = True
            until = time.monotonic() + STOP_SECONDS
            if self._thread is not None:
                self._thread.join(STOP_SECONDS)
            if self._application is not None:
                self._application.close(max(until - time.monotonic(), 0.1))
        self._socket.close()
