"""What the page says of a pool that reports itself: how a first worker is connected, and who reports under whose id."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from drm import ids
from drm.callbacks.connect import contested_text
from drm.dashboard import create_app
from drm.engines.external import ExternalEngine
from drm.engines.reported import WorkerReport
from drm.engines.simulated import SimulatedEngine
from drm.errors import DuplicateIdError
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState

FOUR = Resources(cpu=4, memory=8e9)


def page(manager: DynamicResourceManager) -> tuple[str, Callable[[], Any]]:
    """The layout as text, and what the card and the warning become at a tick."""
    app = create_app(DRMState(manager))
    client = app.server.test_client()
    layout = client.get("/drm-dashboard/_dash-layout").get_data(as_text=True)
    output = f"..{ids.CONNECT}.hidden...{ids.CONTESTED}.children.."

    def shown() -> Any:
        tick = {"n": 1, "at": "", "range": "15m", "scheme": "light"}
        body = {
            "output": output,
            "outputs": [{"id": ids.CONNECT, "property": "hidden"}, {"id": ids.CONTESTED, "property": "children"}],
            "inputs": [{"id": ids.tick(ids.SHELL_KEY), "property": "data", "value": tick}],
            "changedPropIds": [f"{ids.tick(ids.SHELL_KEY)}.data"],
        }
        answer = client.post("/drm-dashboard/_dash-update-component", json=body)
        told = json.loads(answer.data)["response"]
        return told[ids.CONNECT]["hidden"], told[ids.CONTESTED]["children"]

    return layout, shown


def test_the_card_is_there_until_a_worker_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is missing where no report would be taken."""
    monkeypatch.delenv("DRM_TOKEN", raising=False)
    manager = DynamicResourceManager(ExternalEngine(), now=0.0)
    layout, shown = page(manager)
    assert "takes no report" in layout and ids.CONNECT_COMMAND in layout
    manager.advance(1.0)
    assert shown() == (False, "")
    manager.accept_report("a", WorkerReport("first", FOUR, {}))
    manager.advance(2.0)
    assert shown() == (True, "")
    with pytest.raises(DuplicateIdError, match="'a'"):
        manager.accept_report("a", WorkerReport("second", FOUR, {}))
    manager.accept_report("a", WorkerReport("first", FOUR, {}))
    manager.advance(3.0)
    assert shown() == (True, contested_text(("a",)))


def test_with_a_token_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card says only how to connect."""
    monkeypatch.setenv("DRM_TOKEN", "correct-horse-battery")
    layout, _ = page(DynamicResourceManager(ExternalEngine(), now=0.0))
    assert "takes no report" not in layout and ids.CONNECT_COMMAND in layout


def test_other_pools_say_nothing_of_it() -> None:
    """Their workers are started, and do not report."""
    app = create_app(DRMState(DynamicResourceManager(SimulatedEngine(3, 0), now=0.0)))
    assert ids.CONNECT not in app.server.test_client().get("/drm-dashboard/_dash-layout").get_data(as_text=True)


def test_many_ids_are_counted() -> None:
    """Five by name, cut to a length, the others as a number."""
    assert contested_text(()) == ""
    told = contested_text((*"abcdefg", "x" * 300))
    assert "a, b, c, d, e and 3 more" in told and len(contested_text(("x" * 300,))) < 250
