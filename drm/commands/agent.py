"""`drm agent`: reads the host every few seconds, and reports, until SIGTERM or Ctrl-C, which end it at once."""

from __future__ import annotations

import logging
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

from drm.agent.host import Host
from drm.agent.options import Options, read
from drm.agent.reporter import Reporter
from drm.agent.wire import Wire
from drm.errors import DRMError

BAD = 2
GOODBYE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class _Ended(BaseException):
    """A signal: raised wherever the main thread is, since nothing here may delay the end."""


def run(arguments: Sequence[str]) -> int:
    """Runs until a signal, and returns the exit status. What was asked for wrongly is one line on stderr."""
    try:
        options = read(arguments)
        wire = Wire(options.url, options.worker_id, options.token)
    except DRMError as error:
        print(f"drm: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s drm agent: %(message)s", stream=sys.stderr)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    # One reading of the wall clock: between two samples time is what passed, whatever the clock does.
    offset = time.time() - time.monotonic()
    instance = secrets.token_hex(16)
    chance = random.Random(instance).random
    reporter = Reporter(wire, instance, options.labels, lambda at: at + offset, chance)
    try:
        _report(options, wire, reporter)
    except _Ended:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        reporter.goodbye(lambda body: wire.send(body, GOODBYE_SECONDS))
        wire.close()
        logger.info("ending")
    return 0


def _report(options: Options, wire: Wire, reporter: Reporter) -> NoReturn:
    logger.info("reporting worker %s to %s every %g s", options.worker_id, wire.url, options.interval_seconds)
    host, pause = Host(), threading.Event()
    host.read(time.monotonic())
    # Processors are measured between two readings.
    pause.wait(min(1.0, options.interval_seconds))
    due = time.monotonic()
    while True:
        reporter.tell(host.read(time.monotonic()))
        due += options.interval_seconds
        late = time.monotonic() - due
        if late > 0:
            # It was stopped, or the server took its time: what was missed is not made up for.
            due += late
        pause.wait(max(0.0, due - time.monotonic()))


def _end(*_: object) -> NoReturn:
    raise _Ended
