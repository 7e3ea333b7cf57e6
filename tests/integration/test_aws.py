"""The AWS provider against a real moto server over HTTP, looked at by an independent boto3 client, with faults of a real proxy between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from drm.cloud import AWSProvider, CloudProviderManager
from drm.cloud.calls import CallLimits, Calls
from drm.decision import Bounds, ScalingDecision
from drm.engines.dask import DaskEngine
from drm.errors import InvalidValueError, ProviderError
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.policies.pipeline import Pipeline
from drm.policies.queue import QueuePolicy
from drm.runner import Runner
from drm.state import DRMState
from tests.integration.faulty_proxy import FaultyProxy, Request, error
from tests.integration.rented_machines import RentedMachines

REGION, IMAGE = "eu-west-1", "ami-12c6146b"
LIMITS = CallLimits(timeout_seconds=20.0, first_pause_seconds=0.01, per_second=1000, burst=100)
DEADLINE_SECONDS = 30.0
NO_CAPACITY = error(500, "InsufficientInstanceCapacity", "We currently do not have sufficient capacity in the zone you requested.")
NOTHING_YET = (
    b"""<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet/></DescribeInstancesResponse>"""
)
"""EC2 may not list at once what it has granted."""
SPOT_REQUESTS = """<DescribeSpotInstanceRequestsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><spotInstanceRequestSet><item>
<spotInstanceRequestId>sir-1</spotInstanceRequestId><state>active</state><instanceId>{}</instanceId><status>
<code>marked-for-termination</code><message>your Spot instance is marked for termination</message></status></item></spotInstanceRequestSet>
</DescribeSpotInstanceRequestsResponse>"""
"""What EC2 says two minutes before it takes an instance back; moto has no spot requests for RunInstances."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[tuple[str, int]]:
    """A moto server for all tests of this file."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture(scope="module")
def client(endpoint: tuple[str, int]) -> Any:
    """A client that has nothing to do with the provider, and goes past the proxy."""
    host, port = endpoint
    keys = {"aws_access_key_id": "witness", "aws_secret_access_key": "witness"}
    return boto3.client("ec2", endpoint_url=f"http://{host}:{port}", region_name=REGION, **keys)


@pytest.fixture
def witness(client: Any) -> Any:
    """The client, over an account in which nothing runs."""
    left = [one["InstanceId"] for one in alive(client)]
    if left:
        client.terminate_instances(InstanceIds=left)
    return client


@pytest.fixture
def proxy(endpoint: tuple[str, int]) -> Iterator[FaultyProxy]:
    """Between the provider and the server."""
    proxy = FaultyProxy(*endpoint)
    yield proxy
    proxy.close()


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credentials file, the only way of boto3's chain that leads anywhere."""
    path = tmp_path / "credentials"
    write_credentials(path, "OLDKEYOLDKEYOLDKEY01", "old-secret-old-secret", "old-session-token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return path


def write_credentials(path: Path, key: str, secret: str, token: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\naws_session_token = {token}\n")


@pytest.fixture
def machines(witness: Any) -> Iterator[RentedMachines]:
    """What runs on the instances."""
    found = RentedMachines(witness)
    yield found
    found.close()


def provider_of(proxy: FaultyProxy, **options: Any) -> AWSProvider:
    told: dict[str, Any] = {"image_id": IMAGE, "pool": "night", "endpoint_url": proxy.url, "calls": Calls("aws", LIMITS)}
    return AWSProvider(REGION, **(told | options))


@contextmanager
def pool(provider: AWSProvider, types: list[str], bounds: Bounds, **options: Any) -> Iterator[DRMState]:
    """A pool on EC2 that ticks ten times a second."""
    engine = DaskEngine.cloud(provider, types, **({"host": "127.0.0.1", "poll_seconds": 0.25} | options))
    pipeline = Pipeline(0.1, 0.1, backoff_seconds=0.2)
    cloud = CloudProviderManager([provider])
    with DynamicResourceManager(engine, QueuePolicy(idle_grace_seconds=600), bounds, pipeline=pipeline, cloud=cloud) as manager:
        state = DRMState(manager)
        with Runner(state, 0.1):
            yield state


def until(condition: Callable[[], object], what: str, state: DRMState) -> None:
    """Waits for something that the pool does by itself."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            rows = state.manager.decisions(Query(limit=20))
            raise AssertionError((what, [(one.actor, one.code, one.outcome, one.error, one.reason) for one in rows]))
        time.sleep(0.05)


def told(state: DRMState, code: str) -> list[ScalingDecision]:
    return state.manager.decisions(Query(actor="provider", code=code))


def alive(witness: Any) -> list[dict[str, Any]]:
    """All instances of the account that run, each with its tags as a dict."""
    found = [one for page in witness.describe_instances()["Reservations"] for one in page["Instances"]]
    for one in found:
        one["Tags"] = {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}
    return [one for one in found if one["State"]["Name"] in ("pending", "running")]


def is_launch(request: Request) -> bool:
    return request.get("Action") == "RunInstances"


def test_a_pool_of_0_grows_to_5_on_both_markets_and_shrinks_to_2(
    witness: Any, proxy: FaultyProxy, machines: RentedMachines, credentials: Path
) -> None:
    """Three spot instances are to be had, the other two become on-demand ones; EC2 has their tags and scripts; three go, two stay."""
    granted: list[str] = []

    def three_spot(request: Request) -> tuple[int, bytes] | None:
        if is_launch(request) and "InstanceMarketOptions.MarketType" in request:
            granted.append(request["ClientToken"])
            return NO_CAPACITY if len(granted) > 3 else None
        return None

    proxy.rules.append(three_spot)
    with pool(provider_of(proxy, tags={"team": "night shift"}), ["m5.large", "m5.large:spot"], Bounds(0, 5)) as state:
        until(lambda: state.snapshot.ready, "a scheduler", state)
        assert alive(witness) == []
        state.manager.set_bounds(5, 5)
        until(lambda: state.snapshot.count("running") == 5, "five workers", state)
        up = alive(witness)
        assert sorted(one.get("InstanceLifecycle", "on demand") for one in up) == ["on demand"] * 2 + ["spot"] * 3
        assert {one["Tags"]["drm:worker"] for one in up} == set(state.snapshot.worker_ids)
        for one in up:
            worker_id = one["Tags"]["drm:worker"]
            assert (one["Tags"]["drm:pool"], one["Tags"]["team"], one["Tags"]["Name"]) == ("night", "night shift", worker_id)
            script = machines.scripts[one["InstanceId"]]
            assert f"--name {worker_id} " in script and script.endswith("\nshutdown -h now\n") and "secret" not in script
            (volume,) = witness.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [one["InstanceId"]]}])["Volumes"]
            assert {"Key": "drm:pool", "Value": "night"} in volume["Tags"]
            labels = state.manager.worker(worker_id).labels
            assert labels["instance"] == one["InstanceId"] and labels["market"] == one.get("InstanceLifecycle", "on_demand")
        assert len({request["ClientToken"] for request in proxy.requests if is_launch(request)}) == sum(map(is_launch, proxy.requests))
        assert "sufficient capacity" in told(state, "no_capacity")[0].reason
        retyped = {worker_id for one in told(state, "retyped") for worker_id in one.worker_ids}
        assert retyped == {one["Tags"]["drm:worker"] for one in up if "InstanceLifecycle" not in one}
        totals = state.cloud.totals(time.time())
        assert {line.kind.market: sum(line.states.values()) for line in totals.lines} == {"on_demand": 2, "spot": 3}
        assert totals.problems == () and state.cloud.orphans(time.time()).instances == ()
        state.manager.set_bounds(2, 2)
        until(lambda: len(alive(witness)) == 2 and state.snapshot.count("running", "draining") == 2, "two workers", state)
        assert {one["Tags"]["drm:worker"] for one in alive(witness)} <= set(state.snapshot.worker_ids)
        assert told(state, "ended_outside") == []
    assert alive(witness) == [], "a pool that is closed leaves no instance"


def test_throttled_launches_are_made_again_and_told(witness: Any, proxy: FaultyProxy, machines: RentedMachines, credentials: Path) -> None:
    """Once by HTTP 429, once by RequestLimitExceeded; then one instance stands."""
    proxy.first(1, "RunInstances", (429, b""))
    proxy.first(1, "RunInstances", error(503, "RequestLimitExceeded", "Request limit exceeded."))
    with pool(provider_of(proxy), ["m5.large"], Bounds(1, 1)) as state:
        until(lambda: state.snapshot.count("running") == 1, "a worker", state)
        reasons = [one.reason for one in told(state, "throttled")]
        assert any("(HTTP 429)" in one for one in reasons) and any("(RequestLimitExceeded)" in one for one in reasons), reasons
        assert len(alive(witness)) == 1 and state.manager.decisions(Query(action="scale_up"))[0].outcome == "done"
        assert len({request["ClientToken"] for request in proxy.requests if is_launch(request)}) == 1


def test_a_launch_whose_answer_is_lost_stands_once(witness: Any, proxy: FaultyProxy, machines: RentedMachines, credentials: Path) -> None:
    """The instance was created; the time ran out; asked again, it is found by its token, and there is no second one."""
    swallowed: list[str] = []

    def once(request: Request) -> bool:
        if is_launch(request) and not swallowed:
            swallowed.append(request["ClientToken"])
            return True
        return False

    proxy.swallow = once
    impatient = Calls("aws", replace(LIMITS, timeout_seconds=2.0))
    with pool(provider_of(proxy, calls=impatient), ["m5.large"], Bounds(1, 1)) as state:
        until(lambda: state.snapshot.count("running") == 1 and told(state, "launch_repeated"), "a worker", state)
        (one,) = alive(witness)
        assert swallowed == [one["Tags"]["drm:token"]]
        row = told(state, "launch_repeated")[-1]
        assert "(a launch) within 2 s; it was asked for again" in row.reason and row.worker_ids == (one["Tags"]["drm:worker"],)
        assert len(witness.describe_instances(Filters=[{"Name": "tag:drm:token", "Values": swallowed}])["Reservations"]) == 1


def test_a_type_that_is_not_to_be_had_gives_way_to_the_next_cheapest(
    witness: Any, proxy: FaultyProxy, machines: RentedMachines, credentials: Path
) -> None:
    """m5.large has no capacity; m5.2xlarge is the cheapest that holds as much, and the worker has its shape and price."""
    proxy.rules.append(lambda request: NO_CAPACITY if is_launch(request) and request["InstanceType"] == "m5.large" else None)
    with pool(provider_of(proxy), ["m5.4xlarge", "m5.large", "m5.2xlarge", "t3.small"], Bounds(0, 1)) as state:
        handle = state.manager.submit(pow, 2, 5, resources=state.manager.engine.worker_types[1].shape)
        assert state.manager.engine.worker_types[1].name == "m5.large"
        assert handle.result(DEADLINE_SECONDS) == 32
        (one,) = alive(witness)
        assert one["InstanceType"] == "m5.2xlarge"
        assert told(state, "retyped")[0].reason == "m5.2xlarge was got instead of m5.large, which was not to be had"
        worker = state.manager.worker(one["Tags"]["drm:worker"])
        assert worker.capacity.cpu == 8 and worker.labels["worker_type"] == "m5.2xlarge"
        kind = state.snapshot.kinds[int(state.snapshot.kind[state.snapshot.worker_ids.index(worker.id)])]
        assert kind.type == "m5.2xlarge" and kind.hourly == pytest.approx(0.428)


def test_an_instance_that_is_ended_from_outside_is_told_and_replaced(
    witness: Any, proxy: FaultyProxy, machines: RentedMachines, credentials: Path
) -> None:
    """With EC2's own reason; a notice that came before it likewise."""
    with pool(provider_of(proxy), ["m5.large:spot"], Bounds(1, 1)) as state:
        until(lambda: state.snapshot.count("running") == 1, "a worker", state)
        (first,) = alive(witness)
        marked = SPOT_REQUESTS.format(first["InstanceId"]).encode()
        proxy.rules.append(lambda request: (200, marked) if request.get("Action") == "DescribeSpotInstanceRequests" else None)
        until(lambda: told(state, "interruption"), "a notice", state)
        assert "marked-for-termination: your Spot instance is marked" in told(state, "interruption")[0].reason
        witness.terminate_instances(InstanceIds=[first["InstanceId"]])
        until(lambda: told(state, "ended_outside") and state.snapshot.count("running") == 1, "a replacement", state)
        row = told(state, "ended_outside")[0]
        assert first["InstanceId"] in row.reason and "User initiated shutdown" in row.reason
        until(lambda: [one["InstanceId"] != first["InstanceId"] for one in alive(witness)] == [True], "another instance", state)


def test_credentials_that_expire_are_told_in_words_and_read_anew(
    witness: Any, proxy: FaultyProxy, machines: RentedMachines, credentials: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While they are refused everything stands; once the file has fresh ones the pool goes on. No part of them is in log or ledger."""
    expired: list[bool] = []

    def refuse_old(request: Request) -> tuple[int, bytes] | None:
        old = expired and "OLDKEYOLDKEYOLDKEY01" in request["Authorization"]
        return error(400, "ExpiredToken", "The security token old-session-token is expired") if old else None

    proxy.rules.append(refuse_old)
    for name in ("drm", "boto3", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    provider = provider_of(proxy)
    with pool(provider, ["m5.large"], Bounds(1, 2)) as state:
        until(lambda: state.snapshot.count("running") == 1, "a worker", state)
        expired.append(True)
        until(lambda: told(state, "credentials_refused"), "a refusal", state)
        assert (
            "(ExpiredToken)" in told(state, "credentials_refused")[0].reason
            and "aws sso login" in told(state, "credentials_refused")[0].reason
        )
        state.manager.set_bounds(2, 2)
        until(lambda: any(one.outcome == "failed" for one in state.manager.decisions(Query(action="scale_up"))), "a failed launch", state)
        assert len(alive(witness)) == 1
        write_credentials(credentials, "NEWKEYNEWKEYNEWKEY02", "new-secret-new-secret", "new-session-token")
        until(lambda: told(state, "credentials_accepted") and state.snapshot.count("running") == 2, "fresh ones", state)
        assert len(alive(witness)) == 2
        rows = [repr(state.manager.explain(one.id)) for one in state.manager.decisions(Query(limit=1000))]
    for word in ("secret-", "session-token", "OLDKEY", "NEWKEY"):
        assert word not in "".join(rows) + repr(provider), word
        assert word not in caplog.text, word


def test_what_ec2_grants_in_part_is_what_is_returned(witness: Any, proxy: FaultyProxy, credentials: Path) -> None:
    """moto grants the least that was asked for; the same token again launches nothing, where the answer was lost or not."""
    provider = provider_of(proxy)
    (one,) = provider.launch(5, "m5.large", token="t-1")
    assert [other["InstanceId"] for other in alive(witness)] == [one.id] == [listed.id for listed in provider.list_instances()]
    assert one.price is not None and one.price.currency == "USD" and one.price.source.startswith("price list of libcloud")
    foreign = witness.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    proxy.first(1, "DescribeInstances", (200, NOTHING_YET))
    provider.terminate([foreign, one.id, "i-0123456789abcdef0"])
    assert [other["InstanceId"] for other in alive(witness)] == [foreign], "what is not of this pool is left alone"
    provider.terminate([one.id])


def test_the_spot_price_is_the_history_s_and_unknown_types_and_regions_are_refused(
    witness: Any, proxy: FaultyProxy, credentials: Path
) -> None:
    """Each by value, with what may have been meant."""
    provider = provider_of(proxy)
    price = provider.price("m5.large", spot=True)
    assert (price.hourly, price.currency) == (0.00001, "USD") and "spot price history" in price.source
    with pytest.raises(ProviderError, match=r"no type 'm5\.larg': did you mean m5\.large"):
        provider.shape("m5.larg")
    with pytest.raises(ProviderError, match="not known"):
        provider.price("m5.larg")
    with pytest.raises(InvalidValueError, match="'eu-wst-1' is no region of AWS that boto3 knows: did you mean 'eu-west-1'"):
        AWSProvider("eu-wst-1")
    with pytest.raises(ProviderError, match="image_id="):
        provider_of(proxy, image_id=None).launch(1, "m5.large")
    with pytest.raises(InvalidValueError, match="count must be"):
        provider.launch(0, "m5.large")
