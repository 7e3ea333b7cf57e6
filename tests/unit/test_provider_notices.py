"""What a provider does by itself stands in the ledger, and a worker that became of another type is charged as that."""

from __future__ import annotations

from dataclasses import replace

from drm.decision import Bounds
from drm.ledger_query import Query
from drm.manager import DynamicResourceManager
from drm.model import Price, WorkerType
from drm.observation import Notice, Observation
from tests.unit.external_pool import SHAPE
from tests.unit.test_outcomes import Scripted

CHEAP = WorkerType("cheap", SHAPE, Price(1.0, "USD", "t", "2026-01-01"), "spot", "aws", "here")
DEAR = WorkerType("dear", SHAPE, Price(3.0, "USD", "t", "2026-01-01"), "on_demand", "aws", "here")


class Cloud(Scripted):
    """Shows labels, notices and retyped workers as well."""

    worker_types = (CHEAP, DEAR)

    def __init__(self) -> None:
        super().__init__()
        self.types: dict[str, str] = {}
        self.notices: list[Notice] = []
        self.retyped: list[str] = []

    def observe(self, now: float) -> Observation:
        seen = super().observe(now)
        notices, retyped = tuple(self.notices), tuple(self.retyped)
        self.notices, self.retyped = [], []
        labels = {worker_id: {"worker_type": name} for worker_id, name in self.types.items()}
        return replace(seen, labels=labels, notices=notices, retyped=retyped)


def pool() -> tuple[Cloud, DynamicResourceManager]:
    cloud = Cloud()
    cloud.workers, cloud.types = {"w-1": "booting"}, {"w-1": "cheap"}
    manager = DynamicResourceManager(cloud, bounds=Bounds(0, 3), now=0.0)  # type: ignore[arg-type]
    manager.advance(0.0)
    return cloud, manager


def test_a_retyped_worker_is_of_the_new_kind_at_its_price_from_then_on() -> None:
    """What was charged before stays charged; a worker that has gone meanwhile is no trouble."""
    cloud, manager = pool()
    assert [manager.snapshot.kinds[kind].type for kind in manager.snapshot.kind] == ["cheap"]
    cloud.types["w-1"], cloud.retyped = "dear", ["w-1", "w-gone"]
    snapshot = manager.advance(60.0)
    (kind,) = (snapshot.kinds[number] for number in snapshot.kind)
    assert (kind.type, kind.hourly, kind.market) == ("dear", 3.0, "on_demand")
    manager.advance(120.0)
    spent = {line.kind.type: line.spent for line in manager.cloud.last_totals().lines}
    assert spent == {"cheap": 1.0 / 60, "dear": 3.0 / 60}


def test_a_notice_is_a_row_of_its_own_with_the_actor_provider() -> None:
    """Two alike are two rows, and the evaluations around them go on being folded; nothing is asked for."""
    cloud, manager = pool()
    for at in (10.0, 20.0):
        cloud.notices = [Notice("throttled", "asked too often", ("w-1",), "aws")]
        manager.advance(at)
        manager.advance(at + 1.0)
    rows = manager.decisions(Query(actor="provider"))
    assert [(one.code, one.reason, one.worker_ids, one.provider, one.action, one.outcome, one.timestamp) for one in rows] == [
        ("throttled", "asked too often", ("w-1",), "aws", "maintain", "done", at) for at in (20.0, 10.0)
    ]
    assert all(one.evaluations == 1 and one.inputs and one.count == 0 for one in rows)
    assert [one.evaluations for one in manager.decisions(Query(actor="policy"))] == [2, 2, 1]
