"""What EC2 instances would do: for each that runs a Dask worker joins the scheduler that its user data names, and ends with it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shlex
import threading
from contextlib import suppress
from typing import Any


class RentedMachines:
    """Looks at an EC2 endpoint by a client of its own. `asleep`: instances that come from now on never join."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asleep = False
        self.scripts: dict[str, str] = {}
        """User data by instance, as the endpoint has it."""
        self._workers: dict[str, Any] = {}
        self._loop = asyncio.new_event_loop()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rented-machines", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(self._live())
        self._loop.close()

    async def _live(self) -> None:
        while not self._ended.is_set():
            running = await asyncio.to_thread(self._running)
            for instance_id in [one for one in self._workers if one not in running]:
                await self._close(instance_id)
            for instance_id in running:
                if instance_id not in self.scripts:
                    self.scripts[instance_id] = await asyncio.to_thread(self._script, instance_id)
                    if not self.asleep:
                        await self._boot(instance_id)
            await asyncio.sleep(0.15)
        for instance_id in list(self._workers):
            await self._close(instance_id)

    def _running(self) -> list[str]:
        pages = self._client.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])["Reservations"]
        return [one["InstanceId"] for page in pages for one in page["Instances"]]

    def _script(self, instance_id: str) -> str:
        found = self._client.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")["UserData"].get("Value", "")
        return base64.b64decode(found).decode()

    async def _boot(self, instance_id: str) -> None:
        import distributed

        line = next((one for one in self.scripts[instance_id].splitlines() if one.startswith("dask worker ")), None)
        if line is None:
            return
        words = shlex.split(line)
        options = dict(itertools.pairwise(words))
        make: Any = distributed.Worker
        worker = make(
            words[2],
            name=options["--name"],
            nthreads=int(options["--nthreads"]),
            memory_limit=0,
            dashboard=False,
            death_timeout=5,
        )
        self._workers[instance_id] = worker
        with suppress(TimeoutError, OSError):  # its pool may have gone meanwhile
            await worker

    async def _close(self, instance_id: str) -> None:
        await self._workers.pop(instance_id).close(timeout=1)

    def close(self) -> None:
        """All of them go."""
        self._ended.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
