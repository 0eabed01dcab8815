"""Pieces of sentences."""

from collections.abc import Callable, Sequence

NAMES_SHOWN = 5
"""Names listed in one sentence; the rest is counted."""


def names(items: Sequence[str], shown_max: int = NAMES_SHOWN, *, show: Callable[[str], str] = str) -> str:
    """Return a list for a sentence, its length bounded; `show` makes an item fit for it."""
    shown = ", ".join(map(show, items[:shown_max]))
    return shown if len(items) <= shown_max else f"{shown} and {len(items) - shown_max} more"
