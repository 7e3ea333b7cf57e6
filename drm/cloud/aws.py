"""`AWSProvider`: EC2 instances, on demand and spot, through boto3 (the extra `aws`).

Credentials come from boto3's own chain only, and are read anew after AWS has refused them. Every instance carries the tag `drm:pool`; only
instances with this pool's tag are seen, counted or ended.
"""

from __future__ import annotations

import difflib
import math
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from drm.cloud.aws_client import AWSClient
from drm.cloud.calls import CallLimits, Calls
from drm.cloud.known_prices import KnownPrices
from drm.cloud.price_file import PriceFile
from drm.cloud.price_list import MIB, PriceList, read_price_list
from drm.cloud.provider import POOL_TAG, TOKEN_TAG, WORKER_TAG, Capabilities, Instance, WorkerOrder
from drm.errors import InvalidValueError, NoAnswerError, ProviderError
from drm.model import Price, Resources, WorkerState

STATES: Mapping[str, WorkerState] = {
    "pending": "booting",
    "running": "running",
    "shutting-down": "draining",
    "stopping": "draining",
    "stopped": "terminated",
    "terminated": "terminated",
}
MARKED = ("marked-for-termination", "marked-for-stop")
"""Status of a spot request two minutes before its instance is taken back."""
USER_DATA_LIMIT = 16_384
SHUT_DOWN = "\nshutdown -h now\n"
"""After the worker has ended the instance ends itself, so that one whose pool has gone costs nothing for long."""


class AWSProvider:
    """`region`: None takes that of boto3's chain. `image_id`: the AMI, on which Dask is installed; needed for launches only.

    `pool`: the value of the tag `drm:pool`; two pools that share an account need different ones. `profile`: a name of `~/.aws/config`.
    `subnet_id`, `security_group_ids`, `instance_profile`, `key_name`: as in EC2. `tags`: further ones. `prices`: the user's own.
    `endpoint_url`: another server than AWS. `calls`: how it is asked (None: at most 5 times a second, 20 s and 4 tries each).
    """

    capabilities = Capabilities(
        spot=True,
        regions=True,
        tags=True,
        user_data=True,
        tokens=True,
        interruption_notices=True,
        prices=True,
        billing_seconds=1.0,
        billing_minimum_seconds=60.0,
    )

    def __init__(
        self,
        region: str | None = None,
        *,
        image_id: str | None = None,
        pool: str = "default",
        name: str = "aws",
        profile: str | None = None,
        subnet_id: str | None = None,
        security_group_ids: Sequence[str] = (),
        instance_profile: str | None = None,
        key_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        prices: PriceFile | None = None,
        endpoint_url: str | None = None,
        calls: Calls | None = None,
    ) -> None:
        for what, word in (("pool", pool), ("name", name)):
            if not isinstance(word, str) or not 0 < len(word) <= 128:
                raise InvalidValueError(f"{what} must be a word of 1 to 128 characters, got {word!r}")
        self.name, self.pool = name, pool
        self._client = AWSClient(name, calls or Calls(name, CallLimits()), region=region, profile=profile, endpoint_url=endpoint_url)
        self.region = self._client.region
        self._image_id = image_id
        self._placement = {
            "SubnetId": subnet_id,
            "SecurityGroupIds": list(security_group_ids),
            "IamInstanceProfile": {"Name": instance_profile} if instance_profile else None,
            "KeyName": key_name,
        }
        self._tags = dict(tags or {})
        self._prices = KnownPrices(name, self.region, prices, self._ask_price)
        self._shapes: dict[str, Resources] = {}
        self._launched: set[str] = set()
        """Granted, and perhaps not listed yet."""

    def launch(self, count: int, instance_type: str, spot: bool = False, token: str | None = None) -> list[Instance]:
        """Up to `count` instances; EC2 may grant fewer. Without a script: what runs on them is the image's affair."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidValueError(f"count must be a whole number of at least 1, got {count!r}")
        return self._run(count, instance_type, spot, token or uuid.uuid4().hex, {})

    def launch_worker(self, order: WorkerOrder) -> Instance:
        """One instance, tagged with pool and worker. Asked again with its token where AWS does not answer."""
        script = order.user_data + SHUT_DOWN
        if len(script.encode()) > USER_DATA_LIMIT:
            raise InvalidValueError(f"user data must be at most {USER_DATA_LIMIT} bytes, got {len(script.encode())}: put more on the image")
        return self._run(1, order.instance_type, order.spot, order.token, {WORKER_TAG: order.worker_id}, {"UserData": script}, order.told)[
            0
        ]

    def list_instances(self) -> list[Instance]:
        """Those of this pool that have not ended."""
        return [one for one in self.workers() if one.state != "terminated"]

    def workers(self) -> list[Instance]:
        """Those of this pool; ended ones are shown by EC2 for about an hour."""
        return self._client.ask("its inventory", self._list)

    def terminate(self, ids: Sequence[str]) -> None:
        """Ends instances of this pool; ids that it does not have are left alone."""
        if not ids:
            return
        listed = {one.id: one.state for one in self.workers()}
        here = [one for one in ids if listed.get(one, "terminated") not in ("terminated", "draining")]
        # EC2 may not list at once what it has granted.
        unlisted = [one for one in ids if one not in listed and one in self._launched]
        self._launched.difference_update(listed)
        for these in (here, *([one] for one in unlisted)):
            if these:
                self._end(these, may_be_gone=these is not here)

    def price(self, instance_type: str, spot: bool = False) -> Price:
        """The user's own; else of spot the highest of the region's zones now, on demand what libcloud's dated list says."""
        return self._prices.find(instance_type, spot)

    def shape(self, instance_type: str) -> Resources:
        """Cores, memory and GPUs, as EC2 describes the type."""
        if instance_type not in self._shapes:
            found = self._describe_type(instance_type)
            gpus = found.get("GpuInfo", {})
            self._shapes[instance_type] = Resources(
                cpu=found["VCpuInfo"]["DefaultVCpus"],
                memory=found["MemoryInfo"]["SizeInMiB"] * MIB,
                gpu=sum(one["Count"] for one in gpus.get("Gpus", [])),
                gpu_memory=gpus.get("TotalGpuMemoryInMiB", 0) * MIB,
            )
        return self._shapes[instance_type]

    def _end(self, ids: list[str], *, may_be_gone: bool) -> None:
        try:
            self._client.ask("an end", lambda: self._client.ec2().terminate_instances(InstanceIds=ids))
        except ProviderError as error:
            if not (may_be_gone and "InvalidInstanceID.NotFound" in str(error)):
                raise

    def _run(
        self,
        count: int,
        instance_type: str,
        spot: bool,
        token: str,
        tags: Mapping[str, str],
        further: Mapping[str, Any] | None = None,
        told: Callable[[ProviderError], None] | None = None,
    ) -> list[Instance]:
        if not self._image_id:
            raise ProviderError(f"{self.name} launches nothing without an image: AWSProvider(..., image_id='ami-...')")
        marks = {"Name": tags.get(WORKER_TAG, f"drm {self.pool}"), **self._tags, POOL_TAG: self.pool, TOKEN_TAG: token, **tags}
        labels = [{"Key": key, "Value": value} for key, value in marks.items()]
        request: dict[str, Any] = {
            "ImageId": self._image_id,
            "InstanceType": instance_type,
            "MinCount": 1,
            "MaxCount": count,
            "ClientToken": token,
            "InstanceInitiatedShutdownBehavior": "terminate",
            "MetadataOptions": {"HttpTokens": "required"},
            **{key: value for key, value in self._placement.items() if value},
            **(further or {}),
        }
        kinds = ["instance", "volume"]
        if spot:
            kinds.append("spot-instances-request")
            how = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
            request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": how}
        request["TagSpecifications"] = [{"ResourceType": kind, "Tags": labels} for kind in kinds]
        unanswered = threading.Event()

        def heard(error: ProviderError) -> None:
            if isinstance(error, NoAnswerError):
                unanswered.set()
            if told is not None:
                told(error)

        def run() -> list[Any]:
            # The token keeps EC2 from launching twice; a server that does not heed it is asked what it has first.
            found = self._found(TOKEN_TAG, token) if unanswered.is_set() else []
            return found or list(self._client.ec2().run_instances(**request)["Instances"])

        granted = self._client.ask("a launch", run, heard)
        self._launched.update(one["InstanceId"] for one in granted)
        return [self._instance(one, {}) for one in granted]

    def _list(self) -> list[Instance]:
        found = self._found(POOL_TAG, self.pool)
        spot_runs = any(one.get("InstanceLifecycle") == "spot" and one["State"]["Name"] == "running" for one in found)
        notices = self._notices() if spot_runs else {}
        return [self._instance(one, notices) for one in found]

    def _found(self, tag: str, value: str) -> list[Any]:
        pages = self._client.ec2().get_paginator("describe_instances").paginate(Filters=[{"Name": f"tag:{tag}", "Values": [value]}])
        return [one for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]]

    def _notices(self) -> dict[str, str]:
        """What EC2 announced, by instance."""
        pages = self._client.ec2().get_paginator("describe_spot_instance_requests")
        found = pages.paginate(Filters=[{"Name": f"tag:{POOL_TAG}", "Values": [self.pool]}])
        requests = [one for page in found for one in page["SpotInstanceRequests"]]
        return {
            one["InstanceId"]: f"{one['Status']['Code']}: {one['Status'].get('Message', '')}".rstrip(": ")
            for one in requests
            if one.get("InstanceId") and one.get("Status", {}).get("Code") in MARKED
        }

    def _instance(self, found: Mapping[str, Any], notices: Mapping[str, str]) -> Instance:
        tags = {one["Key"]: one["Value"] for one in found.get("Tags", [])}
        spot = found.get("InstanceLifecycle") == "spot"
        market: Literal["on_demand", "spot"] = "spot" if spot else "on_demand"
        launched = found.get("LaunchTime")
        return Instance(
            id=found["InstanceId"],
            provider=self.name,
            region=self.region,
            type=found.get("InstanceType"),
            market=market,
            state=STATES.get(found.get("State", {}).get("Name", ""), "pending"),
            launched_at=launched.timestamp() if launched else math.nan,
            worker_id=tags.get(WORKER_TAG),
            price=self._prices.known(found.get("InstanceType"), spot),
            pool=tags.get(POOL_TAG),
            reason=found.get("StateReason", {}).get("Message", "") or found.get("StateTransitionReason", ""),
            notice=notices.get(found["InstanceId"], ""),
        )

    def _ask_price(self, instance_type: str, spot: bool) -> Price:
        if not spot:
            listed = self._price_list.find(instance_type, self.region)
            if listed is None or listed.hourly_price is None:
                why = self._price_list.problem or f"it is not in the {self._price_list.source} of {self._price_list.date}"
                raise ProviderError(f"the price of {instance_type} in {self.region} is not known: {why}. A file of your own may say it")
            return listed.hourly_price
        now = datetime.now(UTC)
        query = {"InstanceTypes": [instance_type], "ProductDescriptions": ["Linux/UNIX"], "StartTime": now}
        found = self._client.ask("a spot price", lambda: self._client.ec2().describe_spot_price_history(**query)["SpotPriceHistory"])
        if not found:
            raise ProviderError(f"{self.name} {self.region} has no spot price of {instance_type}: it is not offered there")
        dearest = max(found, key=lambda one: float(one["SpotPrice"]))
        source = f"spot price history of AWS, {dearest['AvailabilityZone']}, the dearest zone"
        return Price(float(dearest["SpotPrice"]), "USD", source, f"{now:%Y-%m-%d}")

    def _describe_type(self, instance_type: str) -> Any:
        try:
            return self._client.ask(
                "a type", lambda: self._client.ec2().describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"][0]
            )
        except ProviderError as error:
            if "InvalidInstanceType" not in str(error):
                raise
            near = difflib.get_close_matches(instance_type, self._price_list.types, n=1)
            meant = f": did you mean {near[0]}?" if near else ": `aws ec2 describe-instance-types` lists all"
            raise ProviderError(f"{self.name} {self.region} has no type {instance_type!r}{meant}") from None

    @cached_property
    def _price_list(self) -> PriceList:
        return read_price_list()
