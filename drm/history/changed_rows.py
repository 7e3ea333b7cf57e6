"""Which workers differ between two ticks in what a lifetime holds: state, capacity, kind."""

from __future__ import annotations

import numpy as np

from drm.snapshot import Snapshot


def alike(seen: Snapshot, snapshot: Snapshot) -> bool:
    """Whether nothing of what a lifetime holds differs between two ticks."""
    return (
        seen.worker_ids is snapshot.worker_ids
        and np.array_equal(seen.states, snapshot.states)
        and np.array_equal(seen.kind, snapshot.kind)
        and np.array_equal(seen.capacity, snapshot.capacity)
    )


def rows_to_look_at(seen: Snapshot | None, snapshot: Snapshot) -> list[int]:
    """The rows in which something may be new: those that differ where the members are the same, else all of them that do not stand as they
    stood."""
    if seen is None:
        return list(range(len(snapshot.worker_ids)))
    if seen.worker_ids is snapshot.worker_ids:
        differs = seen.states != snapshot.states
        differs |= (seen.capacity != snapshot.capacity).any(axis=1)
        differs |= seen.kind != snapshot.kind
        return [int(row) for row in np.flatnonzero(differs)]
    before = {worker_id: row for row, worker_id in enumerate(seen.worker_ids)}
    was = np.fromiter((before.get(worker_id, -1) for worker_id in snapshot.worker_ids), np.intp, len(snapshot.worker_ids))
    if not len(before):
        return list(range(len(was)))
    differs = (was < 0) | (seen.states[was] != snapshot.states) | (seen.kind[was] != snapshot.kind)
    differs |= (seen.capacity[was] != snapshot.capacity).any(axis=1)
    return [int(row) for row in np.flatnonzero(differs)]
