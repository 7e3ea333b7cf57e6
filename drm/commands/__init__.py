"""The commands beside the program itself: `drm export` and `drm history` over the files of one that runs or has ended, and `drm agent`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

NAMES = ("agent", "export", "history")
EPILOG = (
    "Three commands stand beside it, each with a --help of its own: `drm export` writes a table of the history into a file; "
    "`drm history info|check|vacuum|copy` looks after the history that is kept; `drm agent` reports this host to a dashboard elsewhere."
)
BAD, DAMAGED = 2, 1
"""Exit statuses."""


def run(arguments: Sequence[str]) -> int:
    """Runs the command that stands first; what was asked for wrongly, or cannot be had, is one line on stderr."""
    if arguments[0] == "agent":
        # Before anything else is imported: it is to stay small.
        from drm.commands import agent

        return agent.run(arguments[1:])
    from drm.commands import asked, export, history
    from drm.errors import DRMError

    try:
        question = asked.read(arguments)
        return export.run(question) if isinstance(question, asked.Export) else history.run(question)
    except (DRMError, OSError) as error:
        print(f"drm: {' '.join(str(error).split())}", file=sys.stderr)
    except KeyboardInterrupt:
        print("drm: interrupted; nothing was changed", file=sys.stderr)
    return BAD
