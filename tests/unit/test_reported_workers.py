"""Workers that report themselves, without a network: what one that comes and goes leaves behind."""

from __future__ import annotations

import pytest

from drm.engines.external import ExternalEngine
from drm.engines.reported import WorkerReport
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Resources

REPORT = WorkerReport("one", Resources(cpu=4, memory=8e9), {"cpu": 1.5})


def flapped(times: int) -> DynamicResourceManager:
    """Lost and back so often, and at last there."""
    now = 1_000_000.0
    manager = DynamicResourceManager(ExternalEngine(), now=now)
    for _ in range(times):
        manager.accept_report("a", REPORT)
        for _ in range(5):
            now += 20.0
            manager.advance(now)
        assert manager.worker("a").state == "lost"
    manager.accept_report("a", REPORT)
    manager.advance(now + 1)
    return manager


def test_a_worker_that_flaps_stays_one_row() -> None:
    """A hundred times lost and back: one worker with one lifetime, and no row of the ledger for each."""
    manager = flapped(100)
    assert manager.snapshot.worker_ids == ("a",) and manager.worker("a").state == "running"
    (one,) = manager.lifetimes.of("a")
    assert len(one.states) == 201 and [state for _, state in one.states[-3:]] == ["running", "lost", "running"]
    assert manager.decisions(Query(actor="worker")) == []
    assert len(manager.decisions(Query(limit=1000))) < 450


def test_what_is_kept_of_a_flapping_worker_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first state, and the latest; when it began stays known."""
    monkeypatch.setattr("drm.history.lifetimes.MOST_STATES", 20)
    manager = flapped(15)
    (one,) = manager.lifetimes.of("a")
    assert len(one.states) == 20 and one.began_at == 1_000_020.0
    assert [state for _, state in one.states[-2:]] == ["lost", "running"]
    assert [at for at, _ in one.states] == sorted(at for at, _ in one.states)
