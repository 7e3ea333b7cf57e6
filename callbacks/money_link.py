"""An amount of money that opens its parts: what it was added up from stands in another place of the page."""

from __future__ import annotations

from typing import Any

from drm.address import leads_to, leads_to_instances, leads_to_worker
from drm.callbacks import elements as html
from drm.callbacks.elements import Element


def money_link(text: str, parts: str, **values: str) -> Element:
    """A button with the amount on it; the rest as `leads_to`."""
    asked: dict[str, Any] = leads_to(parts, **values)
    return html.Button(text, className="drm-money", **asked)


def worker_money(text: str, worker_id: str) -> Element:
    """The same of an amount that was paid for one worker."""
    asked: dict[str, Any] = leads_to_worker(worker_id)
    return html.Button(text, className="drm-money", **asked)


def rate_at(text: str, moment: float | None) -> Element:
    """The same of what the pool cost an hour at a moment; None: of the present."""
    asked: dict[str, Any] = leads_to_instances(moment)
    return html.Button(text, className="drm-money", **asked)
