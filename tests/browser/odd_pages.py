"""Pages of odd pools, which stand still."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext
from werkzeug.serving import make_server

from drm.dashboard import DEFAULT_PREFIX, create_app
from drm.state import DRMState
from tests.browser.watched import Watched
from tests.unit.odd_pools import POOLS


@contextmanager
def page_of(context: BrowserContext, pool: str) -> Iterator[Watched]:
    """The page of an odd pool, which stands still."""
    with page_over(context, POOLS[pool]()) as watched:
        yield watched


@contextmanager
def page_over(context: BrowserContext, state: DRMState) -> Iterator[Watched]:
    """The page of a state that nobody ticks. Not by waitress: a download that a closing page breaks off leaves a file of its open."""
    server = make_server("127.0.0.1", 0, create_app(state).server, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        watched = Watched(context, f"http://127.0.0.1:{server.port}{DEFAULT_PREFIX}")
        yield watched
        watched.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
