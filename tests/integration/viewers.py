"""Pages that watch a pushed server, without a browser: each asks for a tick, is sent one, and asks again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.asyncio.client import connect


@dataclass
class Seen:
    """What one page was sent."""

    versions: list[int] = field(default_factory=list)
    beats: int = 0


async def watch(url: str, seen: Seen, until: asyncio.Event) -> None:
    """Watches until the event is set."""
    async with connect(url) as socket:
        await socket.send("next")
        while not until.is_set():
            try:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 0.5))
            except TimeoutError:
                continue
            if "version" in frame:
                seen.versions.append(frame["version"])
                await socket.send("next")
            else:
                seen.beats += 1


async def watch_all(url: str, pages: int, seconds: float) -> list[Seen]:
    """So many pages for so long."""
    seen, until = [Seen() for _ in range(pages)], asyncio.Event()
    watching = [asyncio.create_task(watch(url, one, until)) for one in seen]
    await asyncio.wait(watching, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    until.set()
    await asyncio.gather(*watching)
    return seen


async def watch_each(url: str, pages: int, ticks: int, advance: Callable[[], int], within_seconds: float = 30.0) -> list[Seen]:
    """So many pages and ticks; `advance` makes one and returns its version, and the next one comes when each page was sent it."""
    seen, until = [Seen() for _ in range(pages)], asyncio.Event()
    watching = [asyncio.create_task(watch(url, one, until)) for one in seen]

    async def sent(is_sent: Callable[[Seen], bool]) -> None:
        async with asyncio.timeout(within_seconds):
            while not all(map(is_sent, seen)):
                await asyncio.sleep(0.002)

    try:
        await sent(lambda one: bool(one.versions))
        for _ in range(ticks):
            version = await asyncio.to_thread(advance)
            await sent(lambda one, version=version: one.versions[-1] == version)  # type: ignore[misc]
    finally:
        until.set()
        await asyncio.gather(*watching)
    return seen


def missed(seen: Seen) -> int:
    """Versions between the first and the last that the page was not sent."""
    return seen.versions[-1] - seen.versions[0] + 1 - len(seen.versions)
