"""Which connections of the server have something to say: the operating system is asked, instead of each connection before each wait.

waitress' own loop asks every connection whether it would read or write, each time anything happens: with 1500 idle pages a reader waited
4.6 times as long as without. A connection that only waits for its next request cannot change its mind but by what is heard from it, or
where waitress ends it because it rests too long, for which it is asked once a second.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterable
from typing import Any

SWEEP_SECONDS = 1.0
"""How often all are asked, for what waitress itself decides to do with them."""
WAIT_SECONDS = 1.0


class Connections(dict[int, Any]):
    """waitress' map of what it listens to, by file descriptor. Only the thread that runs `answer_all` adds to it and takes from it."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = selectors.DefaultSelector()
        self._unsettled: set[int] = set()
        self._swept = 0.0

    def __setitem__(self, descriptor: int, channel: Any) -> None:
        super().__setitem__(descriptor, channel)
        self._unsettled.add(descriptor)

    def __delitem__(self, descriptor: int) -> None:
        super().__delitem__(descriptor)
        # It is still open here; once it is closed its number may be another's.
        self._wait_for(descriptor, 0)
        self._unsettled.discard(descriptor)

    def answer_all(self) -> None:
        """Reads and writes until there is nothing left that could be listened to."""
        from waitress.wasyncore import read, write

        try:
            while self:
                for descriptor, events in self._heard():
                    # Whoever was read from may have ended, or have ended another.
                    if events & selectors.EVENT_READ and descriptor in self:
                        read(self[descriptor])
                    if events & selectors.EVENT_WRITE and descriptor in self:
                        write(self[descriptor])
        finally:
            self._selector.close()

    def _heard(self) -> list[tuple[int, int]]:
        """Waits; who can be read from and written to."""
        now = time.monotonic()
        is_sweep = not 0 <= now - self._swept < SWEEP_SECONDS
        if is_sweep:
            self._swept = now
        self._ask(list(self) if is_sweep else list(self._unsettled))
        heard = [(key.fd, events) for key, events in self._selector.select(WAIT_SECONDS)]
        self._unsettled.update(descriptor for descriptor, _ in heard)
        return heard

    def _ask(self, descriptors: Iterable[int]) -> None:
        from waitress.channel import HTTPChannel

        for descriptor in descriptors:
            channel = self.get(descriptor)
            if channel is None:
                continue
            writes = channel.writable() and not channel.accepting
            wanted = (selectors.EVENT_READ if channel.readable() else 0) | (selectors.EVENT_WRITE if writes else 0)
            self._wait_for(descriptor, wanted)
            if wanted == selectors.EVENT_READ and isinstance(channel, HTTPChannel):
                self._unsettled.discard(descriptor)
            else:
                self._unsettled.add(descriptor)

    def _wait_for(self, descriptor: int, events: int) -> None:
        known = self._selector.get_map().get(descriptor)
        if known is None:
            if events:
                self._selector.register(descriptor, events)
        elif not events:
            self._selector.unregister(descriptor)
        elif known.events != events:
            self._selector.modify(descriptor, events)
