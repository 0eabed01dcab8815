"""Sentences and evidence: the small pieces that reasons, notes and messages are made of."""

from collections.abc import Iterable, Sequence

from .reasons import REASONS
from .state import Reason, Run

NAMES_SHOWN = 5
"""Names listed in one sentence; the rest is counted."""

Evidence = dict[str, str | int | float | None]


def reason(code: str, evidence: Iterable[Evidence] = (), **words: object) -> Reason:
    """A reason with its sentence filled in.  Raises KeyError for a code that is not in the closed list."""
    return Reason(code=code, text=REASONS[code].format(**words), evidence=tuple(evidence))


def and_text(found: Reason, more: str) -> Reason:
    """The same reason with another sentence behind its own."""
    return Reason(code=found.code, text=f"{found.text} {more}", evidence=found.evidence)


def log_at(run: Run, offset: int | None) -> list[Evidence]:
    """Evidence: a place in the runner's log."""
    return [] if offset is None else [{"kind": "log", "path": run.request.log_path, "offset": offset}]


def names(items: Sequence[str]) -> str:
    """A list for a sentence, its length bounded."""
    shown = ", ".join(items[:NAMES_SHOWN])
    return shown if len(items) <= NAMES_SHOWN else f"{shown} and {len(items) - NAMES_SHOWN} more"


def hosts_named(hosts: Sequence[str]) -> str:
    """`host a` or `hosts a, b`."""
    return f"host {hosts[0]}" if len(hosts) == 1 else f"hosts {names(hosts)}"


def duration(seconds: float) -> str:
    """A duration for a person: `45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.0f} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
