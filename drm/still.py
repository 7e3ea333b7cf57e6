"""A state that stands still: each question is asked of the real one once, so that all parts of a file show the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from drm.view import View


class _Still:
    def __init__(self, state: View) -> None:
        self._state = state
        self._answers: dict[Any, Any] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._state, name)
        return self._asked(name, value) if callable(value) else self._answers.setdefault(name, value)

    def _asked(self, name: str, ask: Callable[..., Any]) -> Callable[..., Any]:
        def answer(*arguments: Any, **named: Any) -> Any:
            question = (name, arguments, tuple(sorted(named.items())))
            if question not in self._answers:
                self._answers[question] = ask(*arguments, **named)
            return self._answers[question]

        return answer


def still(state: View) -> View:
    """The state, for as long as one writes of it; to be read only."""
    return cast(View, _Still(state))
