"""Whether a region is one of AWS, by what boto3 brings with it; nobody is asked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from drm.errors import InvalidValueError


def checked_region(region: str | None, session: Any) -> str:
    """The region; InvalidValueError where there is none, or boto3 knows none of that name."""
    known: Iterable[str] = [
        name for partition in session.get_available_partitions() for name in session.get_available_regions("ec2", partition)
    ]
    if region is None:
        raise InvalidValueError("AWS needs a region: AWSProvider('eu-west-1'), AWS_DEFAULT_REGION, or one in the profile")
    if region not in known:
        near = difflib.get_close_matches(region, known, n=1)
        meant = f"did you mean {near[0]!r}?" if near else "`aws account list-regions` lists all"
        raise InvalidValueError(f"{region!r} is no region of AWS that boto3 knows: {meant} A newer boto3 may know more")
    return region
