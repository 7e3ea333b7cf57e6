"""Workers that fall silent, flap or come back changed: what the page and programs are told, and what they find afterwards."""

from __future__ import annotations

import pytest

from drm.model import Resources
from tests.unit.external_pool import Elastic


def states(pool: Elastic, *worker_ids: str) -> list[str]:
    return [pool.manager.worker(one).state for one in worker_ids]


@pytest.mark.parametrize("returns", ["report", "register"])
def test_a_cordon_outlives_a_loss(returns: str) -> None:
    """A cordoned worker that is lost and heard of again takes no task, a draining one goes on to its end; uncordoned, it works."""
    pool = Elastic()
    pool.join("free", "cordoned", "draining")
    pool.tick()
    pool.manager.reserve_resources(Resources(cpu=4))
    pool.manager.reserve_resources(Resources(cpu=4))
    pool.manager.reserve_resources(Resources(cpu=4))
    pool.manager.cordon("cordoned")
    pool.manager.drain("draining")
    for _ in range(2):
        pool.silent |= {"cordoned", "draining"}
        for _ in range(61):
            pool.tick()
        assert states(pool, "free", "cordoned", "draining") == ["running", "lost", "lost"]
        pool.silent.clear()
        for worker_id in ("cordoned", "draining"):
            if returns == "report":
                pool.manager.report(worker_id, used={"cpu": 0.0})
            else:
                pool.join(worker_id)
        waiting = pool.manager.submit(resources=Resources(cpu=1))
        pool.tick()
        assert states(pool, "cordoned", "draining") == ["cordoned", "draining"]
        assert waiting.state == "queued"
        pool.manager.cancel(waiting.id)
    pool.tick()
    assert "draining" in pool.retired
    pool.manager.uncordon("cordoned")
    waiting = pool.manager.submit(resources=Resources(cpu=1))
    pool.tick()
    assert (waiting.state, waiting.worker_id) == ("running", "cordoned")


def test_a_cordon_ends_with_its_worker() -> None:
    """Who leaves, or is silent for so long that it is forgotten, and comes under the same id later is another worker."""
    pool = Elastic()
    pool.join("leaves", "forgotten")
    pool.tick()
    pool.manager.cordon("leaves")
    pool.manager.cordon("forgotten")
    pool.silent |= {"leaves", "forgotten"}
    for _ in range(61):
        pool.tick()
    assert states(pool, "leaves", "forgotten") == ["lost", "lost"]
    pool.leave("leaves")
    for _ in range(40):
        pool.tick(20)
    assert pool.manager.snapshot.worker_ids == ()
    pool.silent.clear()
    pool.join("leaves", "forgotten")
    pool.tick()
    assert states(pool, "leaves", "forgotten") == ["running", "running"]
