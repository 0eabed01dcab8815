"""Sentences and evidence: the small pieces that reasons, notes and messages are made of."""

from collections.abc import Iterable, Sequence

from .events import LogReplaced, RunRequested
from .hosts.requested_hosts import RequestedHosts, by_form_text, hosts_note
from .reasons import REASONS
from .state import ARTIFACTS_MAX, Evidence, Reason, Run
from .text import NAMES_JOINED_MAX, join_names

QUOTED_LINE_CHARS_MAX = 120
"""Characters of a log line that a sentence quotes."""


def make_reason(code: str, evidence: Iterable[Evidence] = (), **words: object) -> Reason:
    """A reason with its sentence filled in.  Raises KeyError for a code that is not in the closed list."""
    return Reason(code=code, text=REASONS[code].format(**words), evidence=tuple(evidence))


def and_text(found: Reason, more: str) -> Reason:
    """The same reason with another sentence behind its own."""
    return Reason(code=found.code, text=f"{found.text} {more}", evidence=found.evidence)


def and_form(found: Reason, request: RunRequested, idle: Sequence[str]) -> Reason:
    """Add what to do about those of the `idle` hosts that only look like a host."""
    by_form = [host for host in idle if request.host_sources.get(host) == "looks-like"]
    if not by_form:
        return found
    it = "it is" if len(by_form) == 1 else "they are"
    return and_text(
        found,
        f"{by_form_text(by_form)}: if {it} something else, use --hosts, or not_requested in the dialect file.",
    )


def log_evidence(run: Run, offset: int | None) -> list[Evidence]:
    """Evidence: a place in the runner's log.  After a rotation `file_begin` is the offset of the first byte of its last file."""
    if offset is None:
        return []
    place: Evidence = {"kind": "log", "path": run.request.log_path, "offset": offset}
    return [{**place, "file_begin": run.log.begin} if run.log.begin else place]


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: `1 line`, `3 lines`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def specs_named(named: Sequence[str], missing: int) -> str:
    """The specs without a result, `missing` in all: by name, and the number of those that have no name."""
    unnamed = missing - len(named)
    if len(named) < NAMES_JOINED_MAX and unnamed:
        return ", ".join([*named, f"{unnamed} that never began"])
    shown = ", ".join(named[:NAMES_JOINED_MAX])
    return shown if missing <= NAMES_JOINED_MAX else f"{shown} and {missing - NAMES_JOINED_MAX} more"


def hosts_named(hosts: Sequence[str]) -> str:
    """`host a` or `hosts a, b`."""
    return f"host {hosts[0]}" if len(hosts) == 1 else f"hosts {join_names(hosts)}"


def checked_hosts_note(request: RunRequested) -> str:
    """Return the line about the hosts that a run is checked for; it has `hosts not checked` where there are none."""
    sources = {host: request.host_sources.get(host, "inventory") for host in request.requested_hosts}
    return hosts_note(RequestedHosts(sources, request.not_checked))


def format_duration(seconds: float) -> str:
    """A duration for a person: `45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.0f} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def gap_text(gap: LogReplaced) -> str:
    """What a replaced log lost, for a person."""
    lost = "an unknown part of it" if gap.unread_bytes is None else f"{gap.unread_bytes} bytes of it"
    return f"The log was {gap.why} while it was followed: {lost} may not have been read."


def gap_notes(run: Run) -> tuple[str, ...]:
    """A sentence for each loss, the same once: of the log, where a rotation without a loss has nothing to tell, or of reports."""
    gaps = dict.fromkeys(gap_text(gap) for gap in run.log.replaced if gap.unread_bytes != 0)
    forgotten = f"{run.artifacts_forgotten} reports gave way to newer ones: only {ARTIFACTS_MAX} are kept."
    return (*gaps, forgotten) if run.artifacts_forgotten else tuple(gaps)
