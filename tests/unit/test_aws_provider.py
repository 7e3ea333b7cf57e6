"""What AWS answers, as errors in words; and a provider that is made without asking AWS."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions

from drm.cloud import AWSProvider, WorkerOrder, WorkerProvider
from drm.cloud.aws_errors import of_answer, refuse_429, translated
from drm.errors import CredentialsError, InvalidValueError, NoAnswerError, NoInstancesError, ProviderError, ThrottledError


def answer(code: str, status: int = 400, message: str = "m") -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("code", "status", "becomes", "words"),
    [
        ("InsufficientInstanceCapacity", 500, NoInstancesError, "InsufficientInstanceCapacity: m"),
        ("VcpuLimitExceeded", 400, NoInstancesError, "VcpuLimitExceeded"),
        ("RequestLimitExceeded", 503, ThrottledError, "asked too often"),
        ("ExpiredToken", 400, CredentialsError, "have expired or are wrong"),
        ("RequestExpired", 400, CredentialsError, "clock of this machine"),
        ("AuthFailure", 401, CredentialsError, "AuthFailure"),
        ("UnauthorizedOperation", 403, ProviderError, "docs/clouds.md has the permissions"),
        ("InternalError", 500, NoAnswerError, "HTTP 500, InternalError"),
        ("503", 503, NoAnswerError, r"\(HTTP 503\)"),
        ("InvalidAMIID.NotFound", 400, ProviderError, "refused RunInstances"),
    ],
)
def test_an_answer_says_by_its_kind_what_may_help(code: str, status: int, becomes: type[Exception], words: str) -> None:
    """Another type, a pause, fresh credentials, another try, or nothing."""
    error = of_answer("aws", answer(code, status), "RunInstances")
    assert type(error) is becomes
    with pytest.raises(becomes, match=words):
        raise error


def test_messages_about_credentials_and_permissions_are_not_passed_on() -> None:
    """They may hold parts of them, or an encoded policy."""
    for code in ("ExpiredToken", "SignatureDoesNotMatch", "UnauthorizedOperation"):
        assert "AKIASECRET" not in str(of_answer("aws", answer(code, message="AKIASECRET"), "RunInstances"))


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (exceptions.NoCredentialsError(), CredentialsError),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), CredentialsError),
        (exceptions.ProfileNotFound(profile="night"), CredentialsError),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), NoAnswerError),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), NoAnswerError),
        (exceptions.ParamValidationError(report="bad"), ProviderError),
    ],
)
def test_what_boto3_raises_becomes_an_error_of_ours(raised: Exception, becomes: type[Exception]) -> None:
    """Whatever it is."""

    def call() -> None:
        raise raised

    with pytest.raises(becomes) as caught:
        translated("aws", call)
    assert type(caught.value) is becomes


def test_a_429_without_a_body_is_throttling() -> None:
    """botocore would fail to parse it."""
    with pytest.raises(ThrottledError, match="HTTP 429"):
        refuse_429("aws", {"status_code": 429}, operation_model=None)
    refuse_429("aws", {"status_code": 200})


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither credentials nor a region anywhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("bare")
def test_it_is_made_without_credentials_and_says_what_is_missing_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region is needed at once, a profile that does not exist is named by its kind, and words that tags cannot hold are refused."""
    provider = AWSProvider("eu-west-1", image_id="ami-1")
    assert isinstance(provider, WorkerProvider) and provider.capabilities.tokens
    with pytest.raises(CredentialsError, match="NoCredentialsError"):
        provider.list_instances()
    with pytest.raises(InvalidValueError, match="needs a region"):
        AWSProvider()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert AWSProvider().region == "eu-north-1"
    with pytest.raises(CredentialsError, match="ProfileNotFound"):
        AWSProvider("eu-west-1", profile="night")
    for wrong in ("", "x" * 129, 3):
        with pytest.raises(InvalidValueError, match="pool must be a word"):
            AWSProvider("eu-west-1", pool=wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="user data must be at most 16384 bytes"):
        provider.launch_worker(WorkerOrder("w", "m5.large", False, "x" * 17_000, "t"))


def test_botocore_does_not_log_headers_with_tokens_unless_somebody_asks_for_that() -> None:
    """Its level is set where nobody has set it, and left where somebody has."""
    logger = logging.getLogger("botocore")
    before = logger.level
    try:
        logger.setLevel(logging.NOTSET)
        AWSProvider("eu-west-1")
        assert logger.level == logging.INFO
        logger.setLevel(logging.DEBUG)
        AWSProvider("eu-west-1")
        assert logger.level == logging.DEBUG
    finally:
        logger.setLevel(before)


def test_without_boto3_the_words_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback of an import."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ProviderError, match=r"pip install 'drm-dashboard\[aws\]'"):
        AWSProvider("eu-west-1")
