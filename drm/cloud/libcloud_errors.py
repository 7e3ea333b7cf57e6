"""What libcloud raises, as errors that say what to do. Of credentials nothing but the kind is passed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drm.errors import CredentialsError, NoAnswerError, NoInstancesError, ProviderError, ThrottledError
from drm.hidden import without_secrets

T = TypeVar("T")

SHORT = (
    "quota",
    "no valid host",
    "resource_pool_exhausted",
    "resource pool exhausted",
    "allocationfailed",
    "skunotavailable",
    "insufficient",
    "out of stock",
    "not enough",
)
"""Words of the clouds for a type that is not to be had: GCE, OpenStack, Azure and others have no code in common."""


def translated(name: str, call: Callable[[], T]) -> T:
    """What `call` returns; libcloud raises errors of its own, of `requests`, and bare ones, and each becomes a ProviderError."""
    from libcloud.common.exceptions import BaseHTTPError, RateLimitReachedError
    from libcloud.common.types import InvalidCredsError, LibcloudError
    from requests.exceptions import ConnectionError as NotReached
    from requests.exceptions import Timeout

    try:
        return call()
    except ProviderError:
        raise
    except InvalidCredsError:
        raise CredentialsError(f"{name} does not accept the credentials: refresh them, and start again") from None
    except RateLimitReachedError:
        raise ThrottledError(f"{name} was asked too often") from None
    except (Timeout, NotReached, TimeoutError, ConnectionError) as error:
        raise NoAnswerError(f"{name} did not answer ({type(error).__name__})") from None
    except (BaseHTTPError, LibcloudError) as error:
        status = getattr(error, "code", None) or getattr(error, "http_code", None)
        raise _of_words(name, str(error), status if isinstance(status, int) else 0) from None
    except Exception as error:
        raise _of_words(name, str(error) or type(error).__name__, 0) from None


def _of_words(name: str, said: str, status: int) -> ProviderError:
    if status == 429:
        return ThrottledError(f"{name} was asked too often (HTTP 429)")
    if status in (401, 403):
        return CredentialsError(f"{name} does not accept the credentials, or they do not allow this (HTTP {status})")
    if any(word in said.lower() for word in SHORT):
        return NoInstancesError(without_secrets(said))
    if status >= 500:
        return NoAnswerError(f"{name} failed to answer (HTTP {status})")
    return ProviderError(f"{name}: {without_secrets(said)}")
