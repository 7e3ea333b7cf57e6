"""The account of what was paid and what for: filled with the Cloud tab's tick, for all workers or those of one kind of instance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dash import Dash, Input, Output, no_update

from drm import ids
from drm.analysis import by_worker
from drm.analysis.by_worker import ByWorker
from drm.analysis.ladder import Ladder, by_key, ladder
from drm.callbacks import ladder_body
from drm.callbacks.ticks import read_tick, view_at
from drm.errors import InvalidValueError
from drm.figures import ladder_parts, ladder_text
from drm.model import InstanceKind
from drm.state import DRMState
from drm.view import View


def register(app: Dash, state: DRMState) -> None:
    """Adds the card's callback."""
    workers_of = remembered()

    @app.callback(
        Output(ids.LADDER_TEXT, "children"),
        Output(ids.LADDER_TABLE, "content"),
        Output(ids.LADDER_NOTE, "children"),
        Output(ids.LADDER_OF, "options"),
        Output(ids.LADDER_PARTS_TABLE, "content"),
        Output(ids.LADDER_PARTS_TITLE, "children"),
        Output(ids.LADDER_PARTS, "hidden"),
        Input(ids.tick("cloud"), "data"),
        Input(ids.LADDER_OF, "value"),
        prevent_initial_call=True,
    )
    def render(tick: object, of: object) -> tuple[Any, ...]:
        if tick is None:
            return (no_update,) * 7
        if not isinstance(of, str):
            raise InvalidValueError(f"the account is of all workers or of one kind of instance, got {of!r}: reload the page")
        asked = read_tick(tick)
        view = view_at(state, asked.at)
        start, end = view.spends(asked.range_seconds)
        if end is None:
            return (
                (ladder_text.NOT_KEPT if view.moment is not None else ladder_text.NOTHING_YET),
                None,
                "",
                [ladder_text.ALL],
                None,
                "",
                True,
            )
        groups = _groups([kind for kind, seconds in zip(end.kinds, end.seconds.tolist(), strict=True) if seconds > 0])
        # One that is gone from this range is chosen still; its account is empty.
        all_of_them = of == ladder_text.ALL["value"]
        chosen = [*groups, *([] if all_of_them or of in groups else [of])]
        options = [ladder_text.ALL, *({"label": name, "value": name} for name in chosen if len(chosen) > 1 or not all_of_them)]
        found = ladder(start, end, None if all_of_them else lambda kind: kind in groups.get(of, ()))
        if found is None:
            return ladder_text.NOT_KEPT, None, "", options, None, "", True
        simulated = view.snapshot.source.kind == "simulated"
        has = found.paid.seconds > 0
        by_kind = by_key(start, end, lambda kind: ladder_text.kind_text(kind) if all_of_them or kind in groups.get(of, ()) else "") or {}
        by_kind.pop("", None)
        made_of = ladder_parts.parts(found, by_kind) if has else None
        workers = workers_of(view, found, None if all_of_them else groups.get(of, set())) if has and made_of is None else None
        is_split = made_of is not None or workers is not None
        parts = ladder_body.parts_table(made_of) if made_of else ladder_body.workers_table(workers, found) if workers else None
        return (
            ladder_text.sentence(found, simulated=simulated),
            ladder_body.table(found, ids.LADDER_PARTS_TABLE if is_split else None) if has else None,
            ladder_text.note(found) if has else "",
            options,
            parts,
            "By kind of instance" if made_of else "By worker",
            not is_split,
        )


def remembered() -> Callable[[View, Ladder, set[InstanceKind] | None], ByWorker | None]:
    """The parts of each worker, worked out anew where the account is of another time or of others: once a minute for all readers."""
    known: tuple[object, ByWorker | None] = None, None

    def workers_of(view: View, account: Ladder, kinds: set[InstanceKind] | None) -> ByWorker | None:
        nonlocal known
        asked = view.moment, account.since, account.until, kinds
        if known[0] != asked:
            known = asked, by_worker.workers_of(view, account.since, account.until, kinds)
        return known[1]

    return workers_of


def _groups(kinds: Sequence[InstanceKind]) -> dict[str, set[InstanceKind]]:
    """What to choose from: each kind, and each provider that has several."""
    found: dict[str, set[InstanceKind]] = {}
    for provider in dict.fromkeys(kind.provider for kind in kinds):
        own = [kind for kind in kinds if kind.provider == provider]
        if len(own) > 1:
            found[ladder_text.provider_text(provider)] = set(own)
        for kind in own:
            found.setdefault(ladder_text.kind_text(kind), set()).add(kind)
    return found
