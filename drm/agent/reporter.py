"""What is told, when, and what is kept while nobody takes it: a bounded buffer, and waits that grow, with chance, as long as it fails."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from drm.agent.host import Reading
from drm.agent.wire import ACCEPTED, Answer

BUFFERED = 4_320
"""So many samples are kept while the server is away: six hours at 5 s, in about 2 MB. The oldest go first."""
PAST_AT_ONCE = 500
"""So many of them go with one report, so that a server that is back is not flooded."""
REFUSED = (401, 403)
WAIT_SECONDS, REFUSED_SECONDS = (1.0, 60.0), (15.0, 300.0)
"""The first wait and the longest. A wrong token stays wrong until somebody does something about it, and a server counts wrong ones."""
PASSING = (0, 408, 409, 425, 429)
"""Statuses after which the same report may be taken later, as after 401, 403 and 5xx; after others it would be refused for ever."""

logger = logging.getLogger(__name__)


class Sender(Protocol):
    """Takes a report to the server."""

    def send(self, body: Mapping[str, Any]) -> Answer:
        """Whatever happens there, it answers."""


class Reporter:
    """Keeps readings until they are taken. Times are monotonic seconds; `epoch` turns one into the host's own time.

    `instance`: names this process, and no other one under the same id. `chance`: a number from 0 to 1, another one each time.
    """

    def __init__(
        self,
        sender: Sender,
        instance: str,
        labels: Mapping[str, str],
        epoch: Callable[[float], float],
        chance: Callable[[], float],
        buffered: int = BUFFERED,
    ) -> None:
        self._sender, self._instance, self._labels, self._epoch, self._chance = sender, instance, dict(labels), epoch, chance
        self._kept: deque[Reading] = deque(maxlen=buffered)
        self._sequence = 0
        self._failures = 0
        self._retry_at = -math.inf
        self._said: tuple[int, str] | None = None
        """What was last said of a failure; None while all is well."""
        self._taken = False
        self._dropped = 0
        """Samples for which there was no room."""

    @property
    def waiting(self) -> int:
        """How many samples are kept."""
        return len(self._kept)

    def tell(self, reading: Reading) -> None:
        """Takes the newest reading, and sends it with what is kept, unless it is too early to try again."""
        self._dropped += len(self._kept) == self._kept.maxlen
        self._kept.append(reading)
        if reading.at < self._retry_at:
            return
        past = [self._kept[index] for index in range(min(PAST_AT_ONCE, len(self._kept) - 1))]
        self._sequence += 1
        answer = self._sender.send(self._report(reading, past))
        if answer.status == ACCEPTED:
            self._succeed(len(past))
        else:
            self._fail(answer, reading.at, len(past))

    def goodbye(self, send: Callable[[Mapping[str, Any]], Answer]) -> None:
        """Says that this process ends, so that one that is started after it may report under the same id at once."""
        if self._taken and self._said is None:
            send({"instance": self._instance, "leaving": True})

    def _report(self, reading: Reading, past: list[Reading]) -> dict[str, Any]:
        report: dict[str, Any] = {
            "instance": self._instance,
            "sequence": self._sequence,
            "time": round(self._epoch(reading.at), 3),
            "capacity": reading.capacity,
            "used": reading.used,
        }
        if self._labels:
            report["labels"] = self._labels
        if past:
            report["past"] = [{"time": round(self._epoch(one.at), 3), "used": one.used} for one in past]
        return report

    def _succeed(self, past: int) -> None:
        self._forget(past)
        if self._said is not None or not self._taken:
            lost = f"; {self._dropped} older ones found no room and are lost" if self._dropped else ""
            logger.info("reports are taken%s%s", f", {past} kept samples went with this one" if past else "", lost)
        self._failures, self._retry_at, self._said, self._taken, self._dropped = 0, -math.inf, None, True, 0

    def _forget(self, past: int) -> None:
        """What one report held: the newest sample, and so many of the oldest."""
        self._kept.pop()
        for _ in range(past):
            self._kept.popleft()

    def _fail(self, answer: Answer, now: float, past: int) -> None:
        if answer.status not in (*REFUSED, *PASSING) and answer.status < 500:
            # It is these samples that are refused, and would be each time.
            self._forget(past)
        first, longest = REFUSED_SECONDS if answer.status in REFUSED else WAIT_SECONDS
        wait = min(longest, first * 2.0 ** min(self._failures, 20))
        # A thousand agents must not come back in the same second.
        self._retry_at = now + max(answer.retry_after_seconds, wait * (0.5 + self._chance() / 2))
        self._failures += 1
        said = answer.status, answer.detail
        if said != self._said:
            self._said = said
            logger.warning("%s", _sentence(answer))


def _sentence(answer: Answer) -> str:
    kept = "samples are kept here, and it is tried again"
    if answer.status == 0:
        return f"the server does not answer ({answer.detail}): {kept}"
    if answer.status in REFUSED:
        return f"the server refuses this agent ({answer.status}): {answer.detail}: {kept}, at most each five minutes"
    if answer.status == 404:
        return f"there is no API for reports at this --url (404: {answer.detail}): give the address without the path of the page"
    if answer.status in PASSING or answer.status >= 500:
        return f"the server does not take reports now ({answer.status}): {answer.detail}: {kept}"
    return f"the server refused a report ({answer.status}): {answer.detail}: its samples are dropped"
