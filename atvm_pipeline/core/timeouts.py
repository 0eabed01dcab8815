"""Limits of time: when nothing has moved for too long, and whether the process tree shows a cause (contract §3).

All in watched seconds, the monotonic time in which a watcher watched.
"""

from .phases import Phase
from .sentences import and_text, format_duration, log_evidence, make_reason
from .state import Evidence, Reason, Run
from .subruns.children import open_child, spec_runs

PROCESSES_SHOWN = 8
"""Processes named in the sentence about a hang."""
PROCESS_EVIDENCE_MAX = 20
"""Processes in its evidence."""


def quiet_s(run: Run) -> float:
    """Watched seconds without a new log byte or artifact."""
    return run.watched_s - run.progress_watched_s


def cypress_lives(run: Run) -> bool:
    """Whether a process of a Cypress child lives, as far as the last look at the process table says."""
    return any(process.role in ("cypress", "browser") for process in run.processes)


def hang_cause(run: Run) -> str | None:
    """What the tree of a living Cypress child shows as the cause of silence, None if it looks healthy."""
    if not cypress_lives(run):
        return None
    if run.stuck:
        states = ", ".join(sorted({process.state for process in run.processes if process.role != "runner"}))
        return f"every process of the Cypress child is in state {states}"
    # Seen before in this child: otherwise it may only bear a name that the dialect does not know.
    missing = run.had_browser and not any(process.role == "browser" for process in run.processes)
    if missing and spec_runs(run):
        return "the browser is gone while Cypress waits for it"
    return None


def limit_passed(run: Run) -> Reason | None:
    """Why the run counts as HUNG now; None while no limit has passed."""
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
    """Whether the run has waited for a runner as long as it may."""
    return phase is Phase.PENDING and run.watched_s >= run.request.settings.start_limit_s


def is_quiet(run: Run) -> bool:
    """Whether a person should look: silent for long within a child, without a cause that would make it HUNG."""
    return open_child(run) is not None and quiet_s(run) >= run.request.settings.quiet_limit_s


def describe_quiet(run: Run) -> str:
    """What was going on: the spec, and the processes."""
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
    """Points on the watched axis at which a limit passes, past ones included."""
    settings = run.request.settings
    if phase is Phase.PENDING:
        return [settings.start_limit_s]
    found = [run.progress_watched_s + settings.stall_limit_s]
    if open_child(run) is not None:
        found.append(run.progress_watched_s + settings.quiet_limit_s)
    if settings.total_limit_s is not None and run.seen_watched_s is not None:
        found.append(run.seen_watched_s + settings.total_limit_s)
    return found
