"""Timeouts: a run without progress for too long, and the cause that the process tree shows.

All times are watched seconds: monotonic time during which a watcher was running.
"""

from .local_time import local_text
from .phases import Phase
from .reason_parts import and_text, log_evidence, make_reason
from .state import Evidence, Reason, Run
from .subruns.children import open_child, spec_runs
from .text import format_duration

PROCESSES_SHOWN = 8
"""Processes listed in the sentence about a hang."""
PROCESS_EVIDENCE_MAX = 20
"""Processes in its evidence."""


def quiet_s(run: Run) -> float:
    """Return the watched seconds without a new log byte or artifact."""
    return run.watched_s - run.progress_watched_s


def cypress_lives(run: Run) -> bool:
    """Return whether the last scan of the process table found a Cypress process or browser of this run."""
    return any(process.role in ("cypress", "browser") for process in run.processes)


def hang_cause(run: Run) -> str | None:
    """Return the cause of silence that the process tree of a live Cypress child shows; None if it looks healthy."""
    if not cypress_lives(run):
        return None
    if run.stuck:
        states = ", ".join(sorted({process.state for process in run.processes if process.role != "runner"}))
        return f"every process of the Cypress child is in state {states}"
    # Only if this child had a browser before: otherwise the browser may have a name that the dialect does not know.
    missing = run.had_browser and not any(process.role == "browser" for process in run.processes)
    if missing and spec_runs(run):
        return "the browser is gone while Cypress waits for it"
    return None


def limit_passed(run: Run) -> Reason | None:
    """Return the reason why the run is HUNG; None while no limit has passed."""
    settings = run.request.settings
    total = settings.total_limit_s
    if total is not None and run.seen_watched_s is not None and run.watched_s - run.seen_watched_s >= total:
        return make_reason("total-limit", _evidence(run), limit=format_duration(total))
    quiet = quiet_s(run)
    if quiet >= settings.quiet_limit_s and open_child(run) is not None:
        cause = hang_cause(run)
        if cause is not None:
            found = make_reason("quiet-with-cause", _evidence(run), quiet=format_duration(quiet), cause=cause)
            return and_text(found, describe_quiet(run))
    if quiet >= settings.stall_limit_s:
        found = make_reason("stalled", _evidence(run), quiet=format_duration(quiet))
        return and_text(found, describe_quiet(run))
    return None


def never_started(run: Run, phase: Phase) -> bool:
    """Return whether the run has waited for a runner until the start limit."""
    return phase is Phase.PENDING and run.watched_s >= run.request.settings.start_limit_s


def is_quiet(run: Run) -> bool:
    """Return whether an open child has been silent for so long that the operator should check it."""
    return open_child(run) is not None and quiet_s(run) >= run.request.settings.quiet_limit_s


def quiet_text(run: Run) -> str:
    """Return the sentences about a silence that the operator should check. They stay true while it lasts."""
    since = local_text(run.progress_at or run.at, run.utc_offset_s)
    limit = format_duration(run.request.settings.quiet_limit_s)
    return f"No progress since {since} (limit {limit}). {describe_quiet(run)}"


def describe_quiet(run: Run) -> str:
    """Return a sentence about the spec and the processes that were running."""
    child = open_child(run)
    if child is None:
        where = "No Cypress child was running."
    elif spec_runs(run):
        where = f"The spec {child.specs[-1].spec} was running."
    else:
        where = "No spec was running."
    tree = ", ".join(
        f"{process.name or '?'}({process.state or '?'})" for process in run.processes[:PROCESSES_SHOWN]
    )
    return f"{where} Processes: {tree or 'none'}."


def _evidence(run: Run) -> list[Evidence]:
    child = open_child(run)
    offset = run.log.end if child is None else child.specs[-1].offset if child.specs else child.offset
    processes: list[Evidence] = [
        {
            "kind": "process",
            "pid": process.pid,
            "name": process.name,
            "role": process.role,
            "state": process.state,
        }
        for process in run.processes[:PROCESS_EVIDENCE_MAX]
    ]
    clock: Evidence = {"kind": "clock", "quiet_s": round(quiet_s(run), 3)}
    return [*log_evidence(run, offset), clock, *processes]


def timeout_deadlines(run: Run, phase: Phase) -> list[float]:
    """Return the points on the watched axis at which a limit passes, past ones included."""
    settings = run.request.settings
    if phase is Phase.PENDING:
        return [settings.start_limit_s]
    found = [run.progress_watched_s + settings.stall_limit_s]
    if open_child(run) is not None:
        found.append(run.progress_watched_s + settings.quiet_limit_s)
    if settings.total_limit_s is not None and run.seen_watched_s is not None:
        found.append(run.seen_watched_s + settings.total_limit_s)
    return found
