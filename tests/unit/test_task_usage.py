"""What ended tasks used: bounded, blank where it was not measured, and read without copying what has not changed."""

from __future__ import annotations

import numpy as np
import pytest

from drm.decision import Bounds
from drm.engines.simulated import SimulatedEngine
from drm.errors import InvalidValueError
from drm.manager import DynamicResourceManager
from drm.model import Resources
from drm.state import DRMState
from drm.task_usage import OUTCOMES, SAMPLES_KEPT, SHAPES_KEPT, TaskShape, TaskUsage
from tests.unit.usage_samples import GIB, START, plant

REQUEST = Resources(cpu=1, memory=GIB)


def only(usage: TaskUsage) -> np.ndarray:
    """The samples of the one shape that there is."""
    (samples,) = usage.view().samples.values()
    return samples


def test_a_sample_says_when_how_long_and_how_much() -> None:
    """One attempt of ten seconds, with what it used and was said to take."""
    usage = TaskUsage()
    plant(usage, "sort", REQUEST, [Resources(cpu=0.5, memory=GIB / 4)], hint_seconds=8.0)
    assert usage.view().samples.keys() == {TaskShape("sort", REQUEST)}
    sample = only(usage)[0]
    assert (sample["finished_at"], sample["run_seconds"], sample["hint_seconds"]) == (START + 10, 10.0, 8.0)
    np.testing.assert_array_equal(sample["used"], [0.5, GIB / 4, np.nan, np.nan])
    assert OUTCOMES[sample["outcome"]] == "done" and not sample["out_of_memory"]


def test_the_newest_samples_of_a_shape_are_kept() -> None:
    """At most 500, oldest first, also where the ring has gone round."""
    usage = TaskUsage()
    plant(usage, "sort", REQUEST, [Resources(cpu=number / 1000) for number in range(SAMPLES_KEPT + 130)])
    kept = only(usage)["used"][:, 0]
    np.testing.assert_allclose(kept * 1000, np.arange(130, SAMPLES_KEPT + 130))


def test_the_shape_that_ended_least_recently_makes_room() -> None:
    """At most 1000 shapes, however tasks are named; how many were let go is told."""
    usage = TaskUsage()
    for number in range(SHAPES_KEPT):
        plant(usage, f"job-{number}", REQUEST, [None])
    plant(usage, "job-0", REQUEST, [None])
    plant(usage, "new", REQUEST, [None])
    view = usage.view()
    names = {shape.name for shape in view.samples}
    assert len(names) == SHAPES_KEPT and {"job-0", "new"} <= names and "job-1" not in names
    assert view.forgotten == 1


def test_what_was_not_measured_is_blank() -> None:
    """No report, memory of 0 (it did not run alone), and a processor time that leaves threads out are NaN; a cpu of 0 was measured."""
    usage = TaskUsage()
    plant(usage, "sort", REQUEST, [None, Resources(cpu=0.0)])
    plant(usage, "sort", REQUEST, [Resources(cpu=0.3, memory=GIB)], cpu_is_partial=True)
    np.testing.assert_array_equal(only(usage)["used"][:, :2], [[np.nan, np.nan], [0.0, np.nan], [np.nan, GIB]])


def test_memory_that_ended_a_task_is_told_apart() -> None:
    """A MemoryError, here or in words, and a worker that was ended for its memory; an ordinary failure is none of them."""
    usage = TaskUsage()
    plant(usage, "a", REQUEST, [None], outcome="failed", error=MemoryError())
    plant(usage, "a", REQUEST, [None], outcome="failed", reason="MemoryError: cannot allocate")
    plant(usage, "a", REQUEST, [None], outcome="lost", out_of_memory=True)
    plant(usage, "a", REQUEST, [None], outcome="failed", error=ValueError("memory"), reason="ValueError: memory")
    plant(usage, "a", REQUEST, [None], outcome="lost", reason="worker w went: its process was ended by SIGKILL")
    assert only(usage)["out_of_memory"].tolist() == [True, True, True, False, False]


def test_a_cancelled_task_is_no_sample() -> None:
    """It was ended from outside, at no point that says anything of it."""
    usage = TaskUsage()
    plant(usage, "a", REQUEST, [Resources(cpu=1)], outcome="cancelled")
    assert not usage.view().samples


def test_a_view_is_immutable_and_copies_only_what_changed() -> None:
    """The same view while nothing has ended; after that the arrays of other shapes are the same objects."""
    usage = TaskUsage()
    plant(usage, "a", REQUEST, [None] * 3)
    plant(usage, "b", REQUEST, [None])
    first = usage.view()
    assert usage.view() is first
    with pytest.raises(ValueError, match="read-only"):
        first.samples[TaskShape("a", REQUEST)]["run_seconds"] = 0
    plant(usage, "b", REQUEST, [None])
    second = usage.view()
    assert second.version != first.version and len(first.samples[TaskShape("b", REQUEST)]) == 1
    assert second.samples[TaskShape("a", REQUEST)] is first.samples[TaskShape("a", REQUEST)]


def test_the_manager_keeps_what_its_tasks_used() -> None:
    """Every attempt counts: a task whose worker went is a lost one, and a done one on another worker, with what it was said to use."""
    manager = DynamicResourceManager(now=START)
    state = DRMState(manager)
    manager.register_worker("first", capacity=REQUEST)
    task = manager.submit(resources=REQUEST, name="sort")
    state.advance(START)
    manager.deregister_worker("first")
    state.advance(START + 4)
    manager.register_worker("second", capacity=REQUEST)
    state.advance(START + 5)
    manager.finish(task.id, used=Resources(cpu=0.25))
    state.advance(START + 8)
    (samples,) = state.task_usage().samples.values()
    assert [OUTCOMES[code] for code in samples["outcome"]] == ["lost", "done"]
    assert samples["run_seconds"].tolist() == [4.0, 3.0]
    np.testing.assert_array_equal(samples["used"][:, 0], [np.nan, 0.25])
    assert state.task_usage() is state.task_usage()
    with pytest.raises(InvalidValueError, match="used must be Resources"):
        manager.finish(task.id, used=0.5)  # type: ignore[arg-type]


def test_a_memory_error_reaches_the_samples_of_an_external_pool() -> None:
    """`finish` with the error that a task raised."""
    manager = DynamicResourceManager(now=START)
    manager.register_worker("w", capacity=REQUEST)
    task = manager.submit(resources=REQUEST)
    manager.advance(START)
    manager.finish(task.id, error=MemoryError("too much"))
    manager.advance(START + 1)
    (samples,) = manager.task_usage().samples.values()
    assert samples["out_of_memory"].tolist() == [True]


def test_simulated_tasks_say_what_they_used() -> None:
    """Between nothing and what they ask for, not all alike, and the same for the same seed."""

    def used(seed: int) -> dict[str, list[float]]:
        manager = DynamicResourceManager(SimulatedEngine(20, seed), bounds=Bounds(10, 20), now=START)
        for step in range(60):
            manager.advance(START + 60.0 * step)
        samples = manager.task_usage().samples
        for shape, attempts in samples.items():
            ended = attempts[attempts["outcome"] == OUTCOMES.index("done")]["used"]
            asked = shape.request.vector()
            assert ((ended > 0) & (ended <= asked))[:, asked > 0].all() and np.isnan(ended[:, 2:][:, asked[2:] == 0]).all()
        return {shape.name: attempts["used"][:, 0].tolist() for shape, attempts in samples.items()}

    first = used(3)
    assert len(first) > 2 and len({round(cores, 6) for cores in first["extract"]}) > 10
    assert repr(first) == repr(used(3)) != repr(used(4))
