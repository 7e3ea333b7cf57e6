"""The line to a Dask scheduler: one thread with one event loop, a client on it, and the scheduler itself where it is ours.

Everything of Dask happens on that loop. Other threads post work to it and never wait for an answer, except in `open` and `close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from drm.engines.dask_launcher import Launcher
from drm.engines.dask_roster import Survey
from drm.engines.remote import ByValue, survey
from drm.errors import EngineError

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
CLOSE_SECONDS = 3.0

Opened = tuple[Any, Any, Launcher]
"""(client, scheduler in this process or None, launcher)"""

Opening = Callable[[], contextlib.AbstractAsyncContextManager[Opened]]
"""Opens these, and closes them on leaving."""


class Link:
    """Opens in the background; `failure` is why it could not, once that is known."""

    def __init__(self, opening: Opening, prefix: str) -> None:
        self._opening = opening
        self._prefix = prefix
        self._survey = ByValue(survey)
        self._opened = threading.Event()
        self._closing: asyncio.Event | None = None
        self._must_close = False
        self._answer: Survey | None = None
        self._asked_at: float | None = None
        self._question_failed = ""
        self.failure: BaseException | None = None
        self.client: Any = None
        self.launcher: Launcher | None = None
        self._scheduler: Any = None
        self._address = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: set[asyncio.Future[None]] = set()
        self._stack = contextlib.AsyncExitStack()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="drm-dask", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether it stands. Raises EngineError where it cannot be opened."""
        if self._opened.is_set() and self.failure is not None:
            raise EngineError(f"the Dask engine could not start: {self.failure}") from self.failure
        return self._opened.is_set()

    def wait(self, timeout: float) -> bool:
        """Waits until it stands or has failed; False where neither came in time."""
        return self._opened.wait(timeout)

    def post(self, work: Callable[[], Coroutine[Any, Any, None]], complaint: str) -> None:
        """Runs a coroutine on the loop some time soon; its failure is logged with the complaint. Raises EngineError when closed."""
        with self._lock:
            if self._loop is None or self._must_close:
                raise EngineError(f"{complaint}: the engine is closed or has not started")
            self._loop.call_soon_threadsafe(lambda: self._track(asyncio.ensure_future(_logged(work(), complaint))))

    def survey(self) -> Survey | None:
        """What the scheduler shows: read from memory where it is in this process, else the latest answer (a new one is asked for).

        None before the first answer. Raises EngineError where it did not answer for ANSWER_SECONDS.
        """
        if self._scheduler is not None:
            seen: Survey = survey(self._scheduler, self._prefix)
            return seen
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            self.post(self._ask, "the scheduler could not be asked")
        elif now - self._asked_at > ANSWER_SECONDS:
            reason = self._question_failed or "it is busy, or the connection broke"
            raise EngineError(f"the scheduler at {self._address} did not answer for {now - self._asked_at:.0f} s: {reason}")
        return self._answer

    def close(self) -> None:
        """Closes all within 5 s. May be called twice."""
        with self._lock:
            self._must_close = True
            if self._loop is not None and self._closing is not None:
                with contextlib.suppress(RuntimeError):  # it has ended by itself
                    self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(CLOSE_SECONDS + 1)
        if self._thread.is_alive():
            logger.warning("the Dask engine's thread did not end within %g s", CLOSE_SECONDS + 1)
        if self.launcher is not None:
            self.launcher.kill()

    async def _ask(self) -> None:
        while not self._must_close:
            try:
                self._answer = await self.client.run_on_scheduler(self._survey, prefix=self._prefix)
                self._asked_at, self._question_failed = None, ""
                return
            except Exception as error:
                # Asked again until it answers: `survey` says how long that takes.
                self._question_failed = str(error) or repr(error)
                await asyncio.sleep(0.5)
                await self._reconnect()

    async def _reconnect(self) -> None:
        """Dask's client gives up for good when a scheduler is gone for longer than its timeout: then a new one takes its place."""
        if self.client.status == "closed":
            with contextlib.suppress(OSError):  # still gone: the next question fails as well
                again = connected(self._address, ANSWER_SECONDS, self.client.security)
                self.client = await self._stack.enter_async_context(again)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._opened.is_set():
                logger.warning("the Dask engine did not close cleanly: %r", error)
            else:
                self.failure = error
                self._opened.set()
        finally:
            with self._lock:
                self._loop = None

    async def _serve(self) -> None:
        self._closing = asyncio.Event()
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self._must_close:
                return
        try:
            opening = asyncio.ensure_future(self._stack.enter_async_context(self._opening()))
            closing = asyncio.ensure_future(self._closing.wait())
            await asyncio.wait((opening, closing), return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                # Nobody waits for it any more: what does not answer must not hold up the end.
                opening.cancel()
            self.client, self._scheduler, launcher = await opening
            self.launcher, self._address = launcher, self.client.scheduler.address
            if self._scheduler is None:
                self._answer = await self.client.run_on_scheduler(self._survey, prefix=self._prefix)
            watch = asyncio.ensure_future(launcher.watch())
            self._opened.set()
            await closing
            for job in (watch, *self._jobs):
                job.cancel()
            await asyncio.gather(watch, *self._jobs, return_exceptions=True)
        finally:
            try:
                await asyncio.wait_for(self._stack.aclose(), CLOSE_SECONDS)
            except TimeoutError:
                logger.debug("the Dask client or scheduler did not close within %g s", CLOSE_SECONDS)

    def _track(self, job: asyncio.Future[None]) -> None:
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)


async def _logged(work: Awaitable[None], complaint: str) -> None:
    try:
        await work
    except Exception as error:
        logger.warning("%s: %s", complaint, str(error) or repr(error))


@contextlib.asynccontextmanager
async def connected(address: Any, timeout_seconds: float, security: Any = None) -> AsyncIterator[Any]:
    """A client of the scheduler at this address that is nobody's default."""
    import distributed

    open_client: Any = distributed.Client
    client = open_client(address, asynchronous=True, set_as_default=False, timeout=timeout_seconds, security=security, name="drm")
    # Not `async with client`: its exit would wait for a scheduler that has gone.
    try:
        await client
        yield client
    finally:
        await client.close(timeout=1)
