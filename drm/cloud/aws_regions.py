"""Whether a region is one of AWS, by what boto3 brings with it; nobody is asked."""

from __future__ import annotations

import difflib
import functools

from drm.errors import InvalidValueError


def checked_region(region: str | None) -> str:
    """The region; InvalidValueError where there is none, or boto3 knows none of that name."""
    if region is None:
        raise InvalidValueError("AWS needs a region: AWSProvider('eu-west-1'), AWS_DEFAULT_REGION, or one in the profile")
    if region not in known_regions():
        near = difflib.get_close_matches(region, known_regions(), n=1)
        meant = f"did you mean {near[0]!r}?" if near else "`aws account list-regions` lists all."
        raise InvalidValueError(f"{region!r} is no region of AWS that boto3 knows: {meant} A newer boto3 may know more")
    return region


@functools.cache
def known_regions() -> tuple[str, ...]:
    """Of all partitions. Reading them takes a fifth of a second, so it is done once."""
    from botocore.session import Session

    session = Session()
    return tuple(region for partition in session.get_available_partitions() for region in session.get_available_regions("ec2", partition))
