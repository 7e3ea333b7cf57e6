"""The command line: Settings -> engine, manager, state, server; and their end in reverse."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from drm import __version__, commands, logs
from drm.errors import DRMError, EngineError, InvalidValueError
from drm.signals import End, end_on_signals

if TYPE_CHECKING:
    from drm.engines import Engine
    from drm.history.store import HistoryStore
    from drm.runner import Runner
    from drm.settings import Settings
    from drm.state import DRMState

BAD_SETTING, NO_CLUSTER = 2, 3
"""Exit statuses."""

SHORT_TOKEN = 16

SIMULATED_START = 1_767_600_000.0
"""2026-01-05 08:00 UTC, a Monday: a fixed time, so that a seed makes the same history whenever it is run."""
SIMULATED_POLICY = "queue,target_seconds=300,idle_grace_seconds=600"
EXTERNAL_POLICY = "target_tracking"
"""Of a pool whose tasks are not ours: its queue is empty whatever it does, so its size is judged by what is used."""
SIMULATED_LIMITS = {"up_cooldown_seconds": 60.0, "down_cooldown_seconds": 180.0}
"""The invented fleet takes minutes to boot and runs tasks of minutes; what suits a local pool would make it flap."""

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program until SIGTERM or Ctrl-C, or the command that stands first (`drm.commands`), and returns its exit status. What was
    asked for wrongly is one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in commands.NAMES:
        return commands.run(given)
    # Before anything that takes time to import, so that a signal is heard from the first moment on.
    ended = end_on_signals()
    from drm.settings import Settings

    try:
        settings = Settings.from_command_line(given, commands.EPILOG)
        if settings.version:
            print(f"drm {__version__}")
        else:
            _run(settings, ended)
    except DRMError as error:
        if ended.is_set():
            # Asked to end while it was starting: what did not come about then is nobody's concern.
            return 0
        named, status = ("--cluster: ", NO_CLUSTER) if isinstance(error, EngineError) else ("", BAD_SETTING)
        print(f"drm: {named}{' '.join(str(error).split())}", file=sys.stderr)
        return status
    return 0


def _run(settings: Settings, ended: End) -> None:
    token = settings.token.get_secret_value() if settings.token else None
    logs.begin(settings.log_level, settings.log_format, [token] if token else [])
    # What is slow to import comes after the settings and the port are known to be good.
    from drm.address import DEFAULT_PREFIX
    from drm.descriptors import raise_limit
    from drm.serving import LiveDashboard, open_server, start_dashboard
    from drm.sessions import Sessions

    raise_limit()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(open_server(settings.host, settings.port, push=settings.push))
        store = _store(settings)
        if store is not None:
            stack.callback(store.close)
        engine = _engine(settings)
        stack.callback(engine.close)
        from drm.manager import DynamicResourceManager
        from drm.state import DRMState

        manager = stack.enter_context(DynamicResourceManager(engine, store=store, **_choices(settings, engine)))
        state = DRMState(manager)
        stack.enter_context(_runner(settings, state))
        if ended.is_set():
            return

        sessions = Sessions(token) if token else None
        rules: dict[str, Any] = {"token": token, "further_hosts": settings.further_hosts, "actions": settings.actions, "sessions": sessions}
        live = stack.enter_context(LiveDashboard(state, settings.host, insecure=settings.insecure, **rules))
        start_dashboard(server, state, live=live.open if live.possible and not settings.push else None, **rules)
        if settings.mock and settings.simulate is None and settings.engine == "local":
            from drm.demo import Demo

            stack.enter_context(Demo(manager))
        _warn(settings, server.port)
        page = server.url + DEFAULT_PREFIX
        if store is not None:
            store.tell({"url": server.url})
        print(f"drm: the dashboard is at {page} (Ctrl-C ends it)", flush=True)
        if settings.open and not webbrowser.open(page):
            logger.warning("--open: no browser was found")
        ended.wait()
        logger.info("ending")


def _choices(settings: Settings, engine: Engine) -> dict[str, Any]:
    """What the manager is told of the settings."""
    from drm.model import Price
    from drm.policies import parse_policy
    from drm.policies.pipeline import Pipeline

    # The bounds that were not asked for are those of a pool that starts small; workers of others may be more.
    bounds = settings.bounds if engine.no_launcher_reason is None or "workers" in settings.model_fields_set else None
    chosen: dict[str, Any] = {"bounds": bounds, "budget": settings.limits, "interval_seconds": settings.interval}
    if settings.worker_price is not None:
        price = Price(settings.worker_price, "", "--worker-price", f"{datetime.now(UTC):%Y-%m-%d}")
        chosen["worker_types"] = [replace(one, hourly_price=price) for one in engine.worker_types]
    if settings.prices is not None:
        from drm.cloud.price_file import PriceFile, stale_prices

        chosen["worker_types"] = PriceFile.read(settings.prices).priced(engine.worker_types)
        for sentence in stale_prices(chosen["worker_types"], time.time()):
            logger.warning("--prices: %s", sentence)
    policy = settings.policy
    if settings.engine == "external" and "policy" not in settings.model_fields_set:
        policy = EXTERNAL_POLICY
    if settings.simulate is not None:
        chosen["pipeline"] = Pipeline(**SIMULATED_LIMITS)
        chosen["now"] = SIMULATED_START
        policy = policy if "policy" in settings.model_fields_set else SIMULATED_POLICY
    return chosen | {"policy": parse_policy(policy)}


def _store(settings: Settings) -> HistoryStore | None:
    folder = settings.history_folder
    if folder is None:
        return None
    from drm.history.store import HistoryStore

    return HistoryStore(folder, retention_days=settings.retention_days)


def _runner(settings: Settings, state: DRMState) -> Runner:
    from drm.runner import Runner, SteppedClock

    if settings.simulate is None:
        return Runner(state, settings.interval)
    step_seconds = settings.interval * settings.speed
    store = state.manager.store
    # Invented time goes on where it ended, in a folder that knows of it.
    start = SIMULATED_START if store is None else max(SIMULATED_START, store.last_epoch() + step_seconds)
    return Runner(state, settings.interval, SteppedClock(start, step_seconds), speed=settings.speed)


def _engine(settings: Settings) -> Engine:
    if settings.simulate is not None:
        from drm.engines.simulated import SimulatedEngine

        return SimulatedEngine(settings.simulate, settings.seed)
    if settings.engine == "external":
        from drm.engines.external import ExternalEngine

        return ExternalEngine()
    from drm.engines.dask import DaskEngine

    if settings.cluster is not None:
        return DaskEngine.connect(settings.cluster, timeout_seconds=5)
    try:
        return DaskEngine.local(settings.shape, settings.bounds.min)
    except EngineError as error:
        raise InvalidValueError(str(error)) from error


def _warn(settings: Settings, port: int) -> None:
    if settings.insecure and settings.token is None and not settings.is_loopback:
        logger.warning("--insecure: everybody who reaches port %d of this machine sees this pool", port)
    if settings.engine == "external" and settings.token is None:
        logger.warning("--engine external without a token takes no report: set DRM_TOKEN (`openssl rand -hex 16` makes one), and restart")
    if settings.token is not None and len(settings.token.get_secret_value()) < SHORT_TOKEN:
        logger.warning("--token is shorter than %d characters: `openssl rand -hex 16` makes one that cannot be guessed", SHORT_TOKEN)


if __name__ == "__main__":
    raise SystemExit(main())
