"""The command line: Settings -> engine, manager, state, server; and their end in reverse."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from drm import __version__
from drm.errors import DRMError, EngineError, InvalidValueError
from drm.settings import Settings

if TYPE_CHECKING:
    from drm.engines import Engine

URL_PREFIX = "/drm-dashboard/"

BAD_SETTING, NO_CLUSTER = 2, 3
"""Exit statuses."""

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program until SIGTERM or Ctrl-C, and returns its exit status. What was asked for wrongly is one line on stderr."""
    try:
        settings = Settings.from_command_line(sys.argv[1:] if arguments is None else arguments)
        if settings.version:
            print(f"drm {__version__}")
            return 0
        _run(settings)
    except EngineError as error:
        print(f"drm: --cluster: {error}", file=sys.stderr)
        return NO_CLUSTER
    except DRMError as error:
        print(f"drm: {error}", file=sys.stderr)
        return BAD_SETTING
    return 0


def _run(settings: Settings) -> None:
    _log(settings.log_level)
    ended = _until_signal()
    # What is slow to import comes after the settings and the port are known to be good.
    from drm.server import Server

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(settings.host, settings.port))
        engine = _engine(settings)
        stack.callback(engine.close)
        from drm.manager import DynamicResourceManager
        from drm.runner import Runner
        from drm.state import DRMState

        bounds = settings.bounds if engine.no_launcher_reason is None else None
        manager = stack.enter_context(DynamicResourceManager(engine, settings.policy, bounds, interval_seconds=settings.interval))
        state = DRMState(manager)
        stack.enter_context(Runner(state, settings.interval))

        from drm.dashboard import mount
        from drm.server import create_standalone

        token = settings.token.get_secret_value() if settings.token else None
        flask_app = create_standalone(settings.host, URL_PREFIX, token=token, further_hosts=settings.further_hosts)
        mount(flask_app, state, URL_PREFIX, api_prefix="")
        server.start(flask_app)
        if settings.mock:
            from drm.demo import Demo

            stack.enter_context(Demo(manager))
        page = server.url + URL_PREFIX
        print(f"drm: the dashboard is at {page} (Ctrl-C ends it)", flush=True)
        if settings.insecure and not settings.is_loopback:
            logger.warning("--insecure: everybody who reaches port %d sees this pool", server.port)
        if settings.open:
            webbrowser.open(page)
        ended.wait()
        logger.info("ending")


def _engine(settings: Settings) -> Engine:
    from drm.engines.dask import DaskEngine

    if settings.cluster is not None:
        return DaskEngine.connect(settings.cluster)
    try:
        return DaskEngine.local(settings.shape, max(1, settings.bounds.min))
    except EngineError as error:
        raise InvalidValueError(str(error)) from error


def _until_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Only the program itself may take signals over, so this is here and not in the server."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended


def _log(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for name in ("waitress", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # distributed sets the levels of its own loggers when it is imported; this is the name under which it reads them before that.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "error")
