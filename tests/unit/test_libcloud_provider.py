"""libcloud's drivers behind the protocol: a driver of libcloud's own classes that keeps its nodes in a list."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from libcloud.common.exceptions import BaseHTTPError, RateLimitReachedError
from libcloud.common.types import InvalidCredsError
from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize
from libcloud.compute.drivers.dummy import DummyNodeDriver
from libcloud.compute.types import NodeState
from requests.exceptions import ReadTimeout

from drm.cloud import LibcloudProvider, WorkerOrder, WorkerProvider
from drm.cloud.calls import CallLimits, Calls
from drm.errors import CredentialsError, InvalidValueError, NoAnswerError, NoInstancesError, ProviderError, ThrottledError
from drm.model import Resources


class Rack(DummyNodeDriver):
    """Takes a script, and gives the names that it is asked for. `failures`: raised by the next launches."""

    made: int = 0
    nodes: list[Any]
    failures: list[Exception]
    scripts: dict[str, str]
    given: dict[str, Any]

    def list_nodes(self) -> list[Any]:
        return self.nodes

    def list_sizes(self, location: Any = None) -> list[Any]:
        return [
            NodeSize("s-2", "two", 8192, 10, None, 0.1, self, extra={"vcpus": 2}),
            NodeSize("s-4", "four", 16384, 10, None, 0, self, extra={}),
        ]

    def list_images(self, location: Any = None) -> list[Any]:
        return [NodeImage("img-1", "with dask", self)]

    def list_locations(self) -> list[Any]:
        return [NodeLocation("l-1", "north", "NO", self)]

    def create_node(  # type: ignore[override]
        self, name: str, size: Any, image: Any, location: Any = None, ex_userdata: str = "", ex_preemptible: bool = False, ex_net: str = ""
    ) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        node = Node(
            str(len(self.nodes) + 1), name, NodeState.RUNNING, [], [], self, size, image, {"scheduling": {"preemptible": ex_preemptible}}
        )
        self.nodes.append(node)
        self.scripts[name] = ex_userdata
        self.given.update(location=location, ex_net=ex_net)
        return node

    def destroy_node(self, node: Any) -> bool:
        self.nodes.remove(node)
        return True


@pytest.fixture
def rack(monkeypatch: pytest.MonkeyPatch) -> type[Rack]:
    """In the place of libcloud's driver `dummy`; what it holds is the class's, so that a driver that is made anew finds it."""
    Rack.nodes, Rack.failures, Rack.scripts, Rack.given = [], [], {}, {}
    monkeypatch.setattr("libcloud.compute.drivers.dummy.DummyNodeDriver", Rack)
    return Rack


def provider(**options: Any) -> LibcloudProvider:
    told: dict[str, Any] = {"image_id": "img-1", "pool": "night", "calls": Calls("dummy", CallLimits(), wait=lambda seconds: None)}
    return LibcloudProvider("dummy", {"creds": 0}, **(told | options))


def order(worker_id: str = "w-1", **told: Any) -> WorkerOrder:
    kept = {"instance_type": "two", "spot": False, "user_data": "#!/bin/sh\n", "token": "t"} | told
    return WorkerOrder(worker_id, **kept)


def test_a_worker_s_instance_is_known_by_its_name(rack: type[Rack]) -> None:
    """It gets script, location and options; what is not of the pool is neither listed nor ended."""
    found = provider(location="north", options={"ex_net": "inner"})
    assert isinstance(found, WorkerProvider) and found.capabilities.user_data and found.capabilities.spot
    one = found.launch_worker(order(spot=True))
    assert (one.worker_id, one.pool, one.type, one.market, one.state, one.region) == ("w-1", "night", "s-2", "spot", "running", "north")
    assert rack.scripts == {"drm-night-w-1": "#!/bin/sh\n"} and rack.given["location"].id == "l-1" and rack.given["ex_net"] == "inner"
    rack.nodes.append(Node("77", "drm-day-w-1", NodeState.RUNNING, [], [], None))
    assert [other.id for other in found.list_instances()] == [one.id]
    found.terminate([one.id, "77", "99"])
    assert [node.id for node in rack.nodes] == ["77"]


def test_a_launch_returns_what_was_granted_and_a_token_counts_once(rack: type[Rack]) -> None:
    """Where a later one fails those before it stay; where the first does, its error comes out."""
    found = provider()
    assert len(found.launch(3, "s-2", token="a")) == 3 == len(found.launch(3, "s-2", token="a")) == len(rack.nodes)
    assert {one.worker_id for one in found.list_instances()} == {None}
    rack.failures[:] = [Exception("Quota exceeded")]
    with pytest.raises(NoInstancesError, match="Quota"):
        found.launch(2, "s-2", token="b")


def test_sizes_prices_and_shapes_are_what_the_driver_says_and_0_is_unknown(rack: type[Rack]) -> None:
    """By id or name."""
    found = provider()
    assert found.shape("two") == found.shape("s-2") == Resources(cpu=2, memory=8192 * 2**20)
    price = found.price("two")
    assert (price.hourly, price.currency) == (0.1, "USD") and "dummy" in price.source
    for ask, words in (
        (lambda: found.price("four"), "does not say what four costs"),
        (lambda: found.price("two", spot=True), "on its spot market"),
        (lambda: found.shape("four"), "say it by InstanceType"),
        (lambda: found.shape("tow"), "no size 'tow': did you mean two"),
        (lambda: provider(image_id=None).launch(1, "two"), "image_id="),
        (lambda: provider(image_id="img").launch(1, "two"), "no image 'img'"),
        (lambda: provider(location="south").launch(1, "two"), "no location 'south': did you mean north"),
    ):
        with pytest.raises(ProviderError, match=words):
            ask()


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (InvalidCredsError("token abc is wrong"), CredentialsError),
        (BaseHTTPError(403, "no"), CredentialsError),
        (ReadTimeout("slow"), NoAnswerError),
        (BaseHTTPError(503, "later"), NoAnswerError),
        (Exception("No valid host was found"), NoInstancesError),
        (Exception("network x is not there"), ProviderError),
    ],
)
def test_what_libcloud_raises_says_what_helps(rack: type[Rack], raised: Exception, becomes: type[Exception]) -> None:
    """A launch that was not answered is not repeated, since there is no token; nothing of credentials is passed on."""
    rack.failures[:] = [raised]
    with pytest.raises(becomes) as caught:
        provider().launch_worker(order())
    assert type(caught.value) is becomes and "abc" not in str(caught.value) and rack.nodes == []


def test_a_throttled_launch_is_made_again_and_told(rack: type[Rack]) -> None:
    """It had not happened."""
    told: list[ProviderError] = []
    rack.failures[:] = [RateLimitReachedError(), BaseHTTPError(429, "slow")]
    provider().launch_worker(order(told=told.append))
    assert [type(one) for one in told] == [ThrottledError, ThrottledError] and len(rack.nodes) == 1


def test_arguments_of_the_environment_are_read_when_the_driver_is_made_and_anew_after_a_refusal(
    rack: type[Rack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is missing is named; no value is shown."""
    found = LibcloudProvider("dummy", {"creds": "env:RACK_TOKEN"}, image_id="img-1", calls=Calls("dummy", CallLimits()))
    monkeypatch.delenv("RACK_TOKEN", raising=False)
    with pytest.raises(CredentialsError, match="no RACK_TOKEN"):
        found.list_instances()
    monkeypatch.setenv("RACK_TOKEN", "0")
    assert found.list_instances() == [] and found._driver().creds == "0"
    monkeypatch.setenv("RACK_TOKEN", "00")
    rack.failures[:] = [InvalidCredsError()]
    with pytest.raises(CredentialsError):
        found.launch(1, "two")
    assert found.list_instances() == [] and found._driver().creds == "00"


@pytest.mark.parametrize(
    ("driver", "script"),
    [("openstack", "ex_userdata"), ("digitalocean", "ex_user_data"), ("azure_arm", "ex_customdata"), ("gce", "ex_metadata"), ("ovh", "")],
)
def test_whether_a_driver_can_start_workers_is_read_off_it(driver: str, script: str) -> None:
    """Without making one, which would need credentials."""
    assert LibcloudProvider(driver).capabilities.user_data == bool(script)
    assert LibcloudProvider("gce").capabilities.spot and not LibcloudProvider("ovh").capabilities.spot


def test_unknown_drivers_and_pools_are_refused_and_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """By value, with what may have been meant."""
    with pytest.raises(InvalidValueError, match="no compute driver 'opnstack': did you mean openstack"):
        LibcloudProvider("opnstack")
    with pytest.raises(InvalidValueError, match="pool must be"):
        LibcloudProvider("gce", pool="Night-1")
    monkeypatch.setitem(sys.modules, "libcloud.compute.providers", None)
    with pytest.raises(ProviderError, match=r"pip install 'drm-dashboard\[cloud\]'"):
        LibcloudProvider("gce")
