"""Many clients of a running program, in a process of their own: `python -m tests.integration.crowd URL --tabs 200 --seconds 60`.

Loopback only. Prints one line of JSON when the time is over.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import resource
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from drm.tabs import TABS
from tests.integration.tab_client import Seen, Tab

ROOT = Path(__file__).resolve().parents[2]
OPENING_SECONDS = 0.05
"""Between the openings of two tabs."""
BYTE_EVERY_SECONDS = 3.0
HEAD = b"GET /api/v1/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
BODY = (
    b"POST /drm-dashboard/_dash-update-component HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
)
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def crowd(url: str, seconds: float, *, tabs: int = 0, pushed: bool = False, idle: int = 0, slow: int = 0) -> dict[str, Any]:
    """Runs the clients in a process of their own, for so long from when all are there; what they saw.

    RuntimeError where they end otherwise.
    """
    arguments = [url, "--seconds", str(seconds), "--tabs", str(tabs), "--idle", str(idle), "--slow", str(slow)]
    command = [sys.executable, "-m", "tests.integration.crowd", *arguments, *(["--pushed"] if pushed else [])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=seconds + tabs * OPENING_SECONDS + 240, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the clients ended with {done.returncode}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


async def _run(url: str, asked: argparse.Namespace) -> dict[str, Any]:
    seen, here = Seen(), {"idle": 0, "slow": 0, "ended": 0}
    address = (urlsplit(url).hostname or "", urlsplit(url).port or 80)
    began = time.monotonic()
    crowding: list[Coroutine[Any, Any, None]] = [_idle(address, here) for _ in range(asked.idle)]
    crowding += [_slowly(address, here, HEAD if number % 2 else BODY) for number in range(asked.slow)]
    around = [asyncio.create_task(one) for one in crowding]
    async with asyncio.timeout(120):
        while here["idle"] < asked.idle or here["slow"] < asked.slow:
            await asyncio.sleep(0.05)
    until = time.monotonic() + asked.tabs * OPENING_SECONDS + asked.seconds
    pages = [Tab(url, TABS[number % len(TABS)].key, seen, pushed=asked.pushed) for number in range(asked.tabs)]
    opened = time.monotonic()
    await asyncio.gather(*(page.watch(opened + number * OPENING_SECONDS, until) for number, page in enumerate(pages)))
    await asyncio.sleep(max(0.0, until - time.monotonic()))
    stood = dict(here)
    for one in around:
        one.cancel()
    failed = [repr(one) for one in await asyncio.gather(*around, return_exceptions=True) if not isinstance(one, asyncio.CancelledError)]
    took = time.monotonic() - opened
    p50, p95, most = np.percentile(seen.seconds, [50, 95, 100]).tolist() if seen.seconds else (0.0, 0.0, 0.0)
    return {
        "tabs": asked.tabs,
        "seconds": took,
        "gathering_seconds": opened - began,
        "answers": seen.answers,
        "callbacks": len(seen.seconds),
        "ticks": seen.ticks,
        "megabytes": seen.bytes / 1e6,
        "errors": len(seen.errors) + len(failed),
        "called": {tab: sorted(outputs) for tab, outputs in seen.called.items()},
        "first_errors": (seen.errors + failed)[:5],
        "p50": p50,
        "p95": p95,
        "longest": most,
        **stood,
    }


async def _idle(address: tuple[str, int], here: dict[str, int]) -> None:
    """Keeps a connection that asked for something once; opens another where the server ends it, as a page does when it asks again."""
    while True:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(ALIVE)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"/healthz answered {head[:40]!r}")
            here["idle"] += 1
            while await reader.read(65536):
                pass
            here["idle"] -= 1
            here["ended"] += 1
        finally:
            writer.close()


async def _slowly(address: tuple[str, int], here: dict[str, int], request: bytes) -> None:
    """Sends a byte every few seconds, and begins anew where the server has had enough."""
    while True:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(request)
            here["slow"] += 1
            answer = asyncio.create_task(reader.read(4096))
            while not answer.done():
                writer.write(b"a")
                await asyncio.wait([answer], timeout=BYTE_EVERY_SECONDS)
        except OSError:
            pass
        finally:
            answer.cancel()
            here["slow"] -= 1
            here["ended"] += 1
            writer.close()


def main() -> None:
    """The process of the clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, required=True)
    for name in ("--tabs", "--idle", "--slow"):
        parser.add_argument(name, type=int, default=0)
    parser.add_argument("--pushed", action="store_true")
    asked = parser.parse_args()
    if not ipaddress.ip_address(urlsplit(asked.url).hostname or "").is_loopback:
        parser.error(f"{asked.url} is not on this machine: this makes load, and for an address of loopback only")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(_run(asked.url, asked))))


if __name__ == "__main__":
    main()
