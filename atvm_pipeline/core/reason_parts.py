"""Sentences and evidence: the building blocks of reasons, notes and messages."""

from collections.abc import Iterable, Sequence

from .events import LogReplaced, RunRequested
from .hosts.requested_hosts import RequestedHosts, by_form_text, hosts_note
from .local_time import local_clock, local_text
from .reasons import REASONS
from .state import ARTIFACTS_MAX, Evidence, Reason, Run
from .text import NAMES_JOINED_MAX, join_names, plural

QUOTED_LINE_CHARS_MAX = 120
"""Characters of a log line that a sentence quotes."""


def make_reason(code: str, evidence: Iterable[Evidence] = (), **words: object) -> Reason:
    """Return a reason with its sentence filled in. Raises KeyError for a code that is not in the closed list."""
    return Reason(code=code, text=REASONS[code].format(**words), evidence=tuple(evidence))


def and_text(found: Reason, more: str) -> Reason:
    """Return the reason with another sentence after its own."""
    return Reason(code=found.code, text=f"{found.text} {more}", evidence=found.evidence)


def and_form(found: Reason, request: RunRequested, idle: Sequence[str]) -> Reason:
    """Add advice about those of the `idle` names that only look like a host."""
    by_form = [host for host in idle if request.host_sources.get(host) == "looks-like"]
    if not by_form:
        return found
    it = "it is" if len(by_form) == 1 else "they are"
    return and_text(
        found,
        f"{by_form_text(by_form)}: if {it} something else, use --hosts, or not_requested in the dialect file.",
    )


def log_evidence(run: Run, offset: int | None) -> list[Evidence]:
    """Return a place in the runner's log as evidence.

    After a rotation, `file_begin` is the offset of the first byte of the newest file.
    """
    if offset is None:
        return []
    place: Evidence = {"kind": "log", "path": run.request.log_path, "offset": offset}
    return [{**place, "file_begin": run.log.begin} if run.log.begin else place]


def all_specs(planned: int) -> str:
    """Return all planned specs as the subject of a sentence: `The planned spec`, `All 3 planned specs`."""
    return "The planned spec" if planned == 1 else f"All {planned} planned specs"


def specs_named(named: Sequence[str], missing: int) -> str:
    """Return the `missing` specs without a result: their names, and the number of those without a name."""
    unnamed = missing - len(named)
    if len(named) < NAMES_JOINED_MAX and unnamed:
        return ", ".join([*named, f"{unnamed} that never started"])
    shown = ", ".join(named[:NAMES_JOINED_MAX])
    return shown if missing <= NAMES_JOINED_MAX else f"{shown} and {missing - NAMES_JOINED_MAX} more"


def hosts_named(hosts: Sequence[str]) -> str:
    """Return hosts with their noun: `host a` or `hosts a, b`."""
    return f"host {hosts[0]}" if len(hosts) == 1 else f"hosts {join_names(hosts)}"


def checked_hosts_note(request: RunRequested) -> str:
    """Return the line about the hosts that a run is checked for, or `hosts not checked` without any host."""
    sources = {host: request.host_sources.get(host, "inventory") for host in request.requested_hosts}
    return hosts_note(RequestedHosts(sources, request.not_checked))


def gap_text(gap: LogReplaced) -> str:
    """Return the sentence about a log that was replaced while the watcher followed it."""
    lost = "some lines" if gap.unread_bytes is None else plural(gap.unread_bytes, "byte")
    return f"The log was {gap.why} while being followed; {lost} may be missing."


def gap_notes(run: Run) -> tuple[str, ...]:
    """Return one sentence for each kind of loss, of lines of the log and of reports, and one about a disk that refused writes.

    A rotation without a loss has none.
    """
    notes = list(dict.fromkeys(gap_text(gap) for gap in run.log.replaced if gap.unread_bytes != 0))
    if run.writes_refused:
        notes.append(f"{refused_text(run)}.")
    if run.artifacts_forgotten:
        notes.append(f"Dropped {plural(run.artifacts_forgotten, 'older report')} (limit {ARTIFACTS_MAX}).")
    return tuple(notes)


def refused_text(run: Run) -> str:
    """Return the sentence about the disk that refused the watcher's writes, without its full stop."""
    first, last = run.writes_refused[0], run.writes_refused[-1]
    times = "several times between {} and {}" if len(run.writes_refused) > 1 else "from {} to {}"
    when = times.format(
        local_text(first.since, run.utc_offset_s), local_clock(last.at, first.since, run.utc_offset_s)
    )
    return f"The watcher could not write to {last.path} {when} ({last.error})"
