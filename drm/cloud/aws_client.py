"""The line to EC2: a boto3 client that is made when it is needed, and anew after AWS has refused its credentials."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from drm.cloud.aws_errors import refuse_429, translated
from drm.cloud.aws_regions import checked_region
from drm.cloud.calls import Calls
from drm.errors import CredentialsError, ProviderError

T = TypeVar("T")

CONNECT_SECONDS = 5.0


class AWSClient:
    """`region`: None takes that of boto3's chain. `profile`: a name of `~/.aws/config`. Any thread may call."""

    def __init__(self, name: str, calls: Calls, *, region: str | None, profile: str | None, endpoint_url: str | None) -> None:
        try:
            import boto3  # noqa: F401  (said now, not at the first call)
        except ImportError:
            raise ProviderError("AWSProvider needs boto3, which comes with the extra aws: pip install 'drm-dashboard[aws]'") from None
        # At debug its own log has headers with session tokens; who wants that sets the level of this logger.
        if logging.getLogger("botocore").level == logging.NOTSET:
            logging.getLogger("botocore").setLevel(logging.INFO)
        self._name, self._calls, self._profile, self._endpoint_url = name, calls, profile, endpoint_url
        self._loader: Any = None
        self._made: Any = None
        self._lock = threading.Lock()
        session = translated(name, self._session)
        self.region = checked_region(region or session.region_name)

    def ask(self, what: str, call: Callable[[], T], told: Callable[[ProviderError], None] | None = None) -> T:
        """What `call` returns. Every call here is a question, has a token, or ends what may have ended already: each may be made again."""
        try:
            # boto3 takes a second to read the description of EC2, which is not AWS's time.
            translated(self._name, self.ec2)
            return self._calls.make(f"({what})", partial(translated, self._name, call), repeatable=True, told=told)
        except CredentialsError:
            # boto3 refreshes those of roles by itself; of files and the environment it knows what they said when the session was made.
            with self._lock:
                self._made = None
            raise

    def ec2(self) -> Any:
        """The client."""
        from botocore.config import Config

        with self._lock:
            if self._made is None:
                seconds = self._calls.limits.timeout_seconds
                # `Calls` tries again, so that it is told, and within one rate; botocore's own tries would do neither.
                config = Config(connect_timeout=min(CONNECT_SECONDS, seconds), read_timeout=seconds, retries={"total_max_attempts": 1})
                client = self._session().client("ec2", region_name=self.region, endpoint_url=self._endpoint_url, config=config)
                client.meta.events.register("before-parse.ec2", partial(refuse_429, self._name))
                self._made = client
            return self._made

    def _session(self) -> Any:
        """A new one, which looks for credentials anew; the descriptions of the API, which take long to read, are kept."""
        import boto3
        import botocore.session

        core = botocore.session.Session(profile=self._profile)
        if self._loader is not None:
            core.register_component("data_loader", self._loader)
        self._loader = core.get_component("data_loader")
        return boto3.session.Session(botocore_session=core)
