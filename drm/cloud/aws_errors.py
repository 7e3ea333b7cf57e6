"""What AWS answers, as errors that say what to do. Only codes and words of AWS are passed on, of credentials nothing but the code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drm.errors import CredentialsError, NoAnswerError, NoInstancesError, ProviderError, ThrottledError
from drm.hidden import without_secrets

T = TypeVar("T")

# Error codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
NO_INSTANCES = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacityOnHost",
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "SpotMaxPriceTooLow",
        "Unsupported",
        "UnfulfillableCapacity",
    }
)
"""Of one type: no capacity, a quota of its family, or not offered in this zone."""
THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "EC2ThrottledException",
        "SlowDown",
    }
)
CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "AuthFailure",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "MissingAuthenticationToken",
        "Blocked",
    }
)
FORBIDDEN = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"})
REFRESH = "refresh them in the way that they came (aws sso login, the profile, the environment, the instance's role); they are read anew"


def translated(name: str, call: Callable[[], T]) -> T:
    """What `call` returns; what boto3 raises becomes a ProviderError, whose kind says whether another try or another type may help."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        return call()
    except exceptions.ClientError as error:
        raise of_answer(name, error.response, error.operation_name) from None
    except (
        exceptions.NoCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.PartialCredentialsError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
        exceptions.ProfileNotFound,
    ) as error:
        raise CredentialsError(f"{name}: boto3 found no credentials that can be used ({type(error).__name__}): {REFRESH}") from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise NoAnswerError(f"{name} did not answer ({type(error).__name__})") from None
    except ResponseParserError:
        raise NoAnswerError(f"{name} answered something that is not its API: is the endpoint right?") from None
    except exceptions.BotoCoreError as error:
        raise ProviderError(f"{name}: {without_secrets(str(error))}") from None


def of_answer(name: str, response: Any, operation: str) -> ProviderError:
    """The error for an answer of AWS that is one."""
    told = response.get("Error", {})
    code, message = str(told.get("Code", "")), without_secrets(str(told.get("Message", "")))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in CREDENTIALS:
        clock = ", or the clock of this machine is wrong" if code == "RequestExpired" else ""
        return CredentialsError(f"{name} does not accept the credentials ({code}): they have expired or are wrong{clock}. {REFRESH}")
    if code in FORBIDDEN:
        return ProviderError(f"{name} does not allow {operation} ({code}): docs/clouds.md has the permissions that are needed")
    if code in NO_INSTANCES:
        return NoInstancesError(f"{code}: {message}")
    if code in THROTTLED:
        return ThrottledError(f"{name} was asked too often ({code})")
    if status >= 500:
        return NoAnswerError(f"{name} failed to answer {operation} (HTTP {status}{f', {code}' if code and not code.isdigit() else ''})")
    return ProviderError(f"{name} refused {operation} ({code}): {message}")


def refuse_429(name: str, response_dict: Any, **_: Any) -> None:
    """A hook of botocore, which cannot parse a 429 that a proxy or a gateway answers without the body of the API."""
    if response_dict["status_code"] == 429:
        raise ThrottledError(f"{name} was asked too often (HTTP 429)")
