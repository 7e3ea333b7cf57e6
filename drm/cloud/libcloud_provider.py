"""`LibcloudProvider`: any compute driver of libcloud by its name (the extra `cloud`), as far as the protocol needs.

libcloud has no tags, tokens or user data that all its drivers share. So an instance of ours is known by its name, `drm-POOL-WORKER`, and a
driver can start workers where its `create_node` takes a script under one of the names below. AWS goes through boto3: `AWSProvider`.
"""

from __future__ import annotations

import difflib
import inspect
import math
import os
import re
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from drm.cloud.calls import CallLimits, Calls
from drm.cloud.known_prices import KnownPrices
from drm.cloud.libcloud_errors import translated
from drm.cloud.price_file import PriceFile
from drm.cloud.price_list import EXTRA, MIB
from drm.cloud.provider import Capabilities, Instance, WorkerOrder
from drm.errors import CredentialsError, InvalidValueError, ProviderError
from drm.model import Price, Resources, WorkerState

T = TypeVar("T")

STATES: Mapping[str, WorkerState] = {
    "running": "running",
    "normal": "running",
    "rebooting": "running",
    "updating": "running",
    "migrating": "running",
    "starting": "booting",
    "pending": "booting",
    "reconfiguring": "booting",
    "stopping": "draining",
    "stopped": "terminated",
    "suspended": "terminated",
    "paused": "terminated",
    "terminated": "terminated",
    "error": "terminated",
}
"""What is none of these is shown as pending."""
SCRIPTS = ("ex_userdata", "ex_user_data", "ex_customdata")
"""Arguments of `create_node` for a script; GCE takes one as the metadata `startup-script`."""
CORES = ("vcpus", "vcpu", "guestCpus", "vcpu_count", "numberOfCores", "cpus", "cpu", "ncpus")
"""Where the drivers say how many cores a size has."""
NOT_HOURLY = ("vultr",)
"""Drivers whose sizes have a price that is not by the hour."""
ENVIRONMENT = "env:"


class LibcloudProvider:
    """`driver`: libcloud's name of it, as in `gce`. `arguments`: those of its class; a value `env:NAME` is read from the environment when
    the driver is made, so that no secret stands in a program. `image_id`, `location`: by id or name. `options`: further arguments of
    `create_node`, such as networks and keys. `pool`: lower-case letters and digits. `prices`: the user's own.
    """

    def __init__(
        self,
        driver: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        image_id: str | None = None,
        location: str | None = None,
        pool: str = "default",
        name: str | None = None,
        options: Mapping[str, Any] | None = None,
        prices: PriceFile | None = None,
        calls: Calls | None = None,
    ) -> None:
        if not isinstance(pool, str) or not re.fullmatch("[a-z0-9]{1,20}", pool):
            raise InvalidValueError(
                f"pool must be 1 to 20 lower-case letters and digits, since names of instances begin with it, got {pool!r}"
            )
        self._class = _driver_class(driver)
        self.name, self.pool, self.region = name or driver, pool, location
        self._arguments, self._options = dict(arguments or {}), dict(options or {})
        self._image_id, self._prefix = image_id, f"drm-{pool}-"
        self._calls = calls or Calls(self.name, CallLimits(per_second=2.0))
        self._prices = KnownPrices(self.name, location, prices, self._ask_price)
        self._made: Any = None
        self._sizes: dict[str, Any] = {}
        self._lock = threading.Lock()
        # Some drivers choose a class of their own by the version of the API only when they are made: what any of them takes.
        taken = frozenset().union(*(_taken(one) for one in _with_subclasses(self._class)))
        self.capabilities = Capabilities(
            spot="ex_preemptible" in taken,
            regions=location is not None,
            user_data=bool(_script_argument(taken)),
            prices=driver not in NOT_HOURLY,
        )

    def launch(self, count: int, instance_type: str, spot: bool = False, token: str | None = None) -> list[Instance]:
        """One after the other; where one fails, those before it are returned, unless it is the first."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidValueError(f"count must be a whole number of at least 1, got {count!r}")
        own = f"{self._prefix}-{token or uuid.uuid4().hex[:12]}-"
        there = [node for node in self._nodes() if node.name.startswith(own)]
        if there:
            return [self._instance(node) for node in there]
        granted: list[Instance] = []
        for number in range(count):
            try:
                granted.append(self._create(f"{own}{number}", instance_type, spot, {}))
            except ProviderError:
                if not granted:
                    raise
                break
        return granted

    def launch_worker(self, order: WorkerOrder) -> Instance:
        """One instance. There is no token: where there is no answer, the launcher looks for its name before it gives it up."""
        argument = _script_argument(self._takes())
        if not argument:
            raise ProviderError(f"the driver {self.name} takes no script for an instance: no worker would come up on it")
        script: Any = {"startup-script": order.user_data} if argument == "ex_metadata" else order.user_data
        return self._create(self._prefix + order.worker_id, order.instance_type, order.spot, {argument: script}, order)

    def list_instances(self) -> list[Instance]:
        """Those of this pool that have not ended."""
        return [one for one in self.workers() if one.state != "terminated"]

    def workers(self) -> list[Instance]:
        """Those whose name begins with the pool's."""
        return [self._instance(node) for node in self._nodes()]

    def terminate(self, ids: Sequence[str]) -> None:
        """Ends instances of this pool; ids that it does not have are left alone."""
        for node in self._nodes() if ids else ():
            if str(node.id) in ids and STATES.get(str(node.state)) != "terminated":
                self._ask("an end", lambda node=node: self._driver().destroy_node(node))  # type: ignore[misc]

    def price(self, instance_type: str, spot: bool = False) -> Price:
        """The user's own; else what the driver's size says, on demand."""
        return self._prices.find(instance_type, spot)

    def shape(self, instance_type: str) -> Resources:
        """Cores and memory, as far as the driver says both; GPUs are in no size of libcloud."""
        size = self._size(instance_type)
        said = {**(size.extra or {}), "vcpus": getattr(size, "vcpus", None) or (size.extra or {}).get("vcpus")}
        cores = next((float(said[key]) for key in CORES if isinstance(said.get(key), (int, float)) and said[key]), 0.0)
        if not cores or not size.ram:
            raise ProviderError(
                f"{self.name} does not say what {instance_type} has: say it by InstanceType({instance_type!r}, shape=Resources(...))"
            )
        return Resources(cpu=cores, memory=size.ram * MIB)

    def _create(
        self, node_name: str, instance_type: str, spot: bool, further: Mapping[str, Any], order: WorkerOrder | None = None
    ) -> Instance:
        if spot and not self.capabilities.spot:
            raise ProviderError(f"the driver {self.name} has no spot instances")
        size = self._size(instance_type)
        wanted: dict[str, Any] = {"name": node_name, "size": size, "image": self._image(), **self._options, **further}
        if self.region is not None and "location" in self._takes():
            wanted["location"] = self._location()
        if spot:
            wanted["ex_preemptible"] = True
        told = order.told if order else None
        return self._instance(self._ask("a launch", lambda: self._driver().create_node(**wanted), repeatable=False, told=told))

    def _nodes(self) -> list[Any]:
        return [node for node in self._ask("its inventory", lambda: self._driver().list_nodes()) if node.name.startswith(self._prefix)]

    def _instance(self, node: Any) -> Instance:
        rest = node.name.removeprefix(self._prefix)
        size = getattr(node, "size", None)
        kind = str(getattr(size, "id", None) or (node.extra or {}).get("flavorId") or "") or None
        preemptible = bool(((node.extra or {}).get("scheduling") or {}).get("preemptible"))
        created = getattr(node, "created_at", None)
        return Instance(
            id=str(node.id),
            provider=self.name,
            region=self.region,
            type=kind,
            market="spot" if preemptible else "on_demand",
            state=STATES.get(str(node.state), "pending"),
            launched_at=created.timestamp() if isinstance(created, datetime) else math.nan,
            worker_id=None if rest.startswith("-") else rest,
            price=self._prices.known(kind, preemptible),
            pool=self.pool,
        )

    def _size(self, instance_type: str) -> Any:
        if not self._sizes:
            found = self._ask("its sizes", lambda: self._driver().list_sizes())
            self._sizes = {str(one.name): one for one in found} | {str(one.id): one for one in found}
        if instance_type not in self._sizes:
            near = difflib.get_close_matches(instance_type, self._sizes, n=3)
            raise ProviderError(f"{self.name} has no size {instance_type!r}: did you mean {', '.join(near or list(self._sizes)[:3])}?")
        return self._sizes[instance_type]

    def _image(self) -> Any:
        if self._image_id is None:
            raise ProviderError(f"{self.name} launches nothing without an image: LibcloudProvider(..., image_id=...)")
        return self._one_of("image", self._image_id, lambda: self._driver().list_images())

    def _location(self) -> Any:
        return self._one_of("location", str(self.region), lambda: self._driver().list_locations())

    def _one_of(self, what: str, wanted: str, listed: Callable[[], list[Any]]) -> Any:
        found = self._ask(f"its {what}s", listed)
        one = next((one for one in found if wanted in (str(one.id), str(one.name))), None)
        if one is None:
            near = difflib.get_close_matches(wanted, [str(one.name) for one in found], n=3) or [str(one.name) for one in found[:3]]
            raise ProviderError(f"{self.name} has no {what} {wanted!r}: did you mean {', '.join(near)}?")
        return one

    def _ask_price(self, instance_type: str, spot: bool) -> Price:
        size = self._size(instance_type)
        hourly = size.price
        is_price = isinstance(hourly, (int, float)) and math.isfinite(hourly) and hourly > 0
        if spot or not is_price or not self.capabilities.prices:
            # Drivers say 0 where they do not know.
            raise ProviderError(f"{self.name} does not say what {instance_type} costs{' on its spot market' if spot else ''}")
        return Price(float(hourly), "USD", f"sizes of libcloud's driver {self.name}", f"{datetime.now(UTC):%Y-%m-%d}")

    def _ask(self, what: str, call: Callable[[], T], *, repeatable: bool = True, told: Callable[[ProviderError], None] | None = None) -> T:
        try:
            return self._calls.make(f"({what})", lambda: translated(self.name, call), repeatable=repeatable, told=told)
        except CredentialsError:
            with self._lock:
                self._made = None
            raise

    def _takes(self) -> frozenset[str]:
        return _taken(type(self._ask("a driver", self._driver)))

    def _driver(self) -> Any:
        """Made when it is first needed, and anew after its credentials were refused."""
        with self._lock:
            if self._made is None:
                self._made = self._class(**{key: _resolved(key, value) for key, value in self._arguments.items()})
            return self._made


def _driver_class(driver: str) -> Any:
    try:
        from libcloud.compute.providers import DRIVERS, get_driver
    except ImportError:
        raise ProviderError(f"LibcloudProvider needs apache-libcloud, which comes with the extra cloud: {EXTRA}") from None
    names = sorted(str(getattr(one, "value", one)) for one in DRIVERS)
    if driver not in names:
        near = difflib.get_close_matches(str(driver), names, n=3)
        raise InvalidValueError(f"libcloud has no compute driver {driver!r}: did you mean {', '.join(near) or ', '.join(names)}?")
    return get_driver(driver)


def _with_subclasses(driver: Any) -> list[Any]:
    return [driver, *(one for below in driver.__subclasses__() for one in _with_subclasses(below))]


def _taken(driver: Any) -> frozenset[str]:
    return frozenset(inspect.signature(driver.create_node).parameters)


def _script_argument(taken: frozenset[str]) -> str:
    """Where a script goes; empty where nowhere. Only GCE has both `ex_metadata` and `ex_preemptible`."""
    is_gce = {"ex_metadata", "ex_preemptible"} <= taken
    return next((one for one in SCRIPTS if one in taken), "ex_metadata" if is_gce else "")


def _resolved(key: str, value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(ENVIRONMENT):
        return value
    name = value.removeprefix(ENVIRONMENT)
    if name not in os.environ:
        raise CredentialsError(f"the environment has no {name}, which the argument {key} of the driver is read from: set it")
    return os.environ[name]
