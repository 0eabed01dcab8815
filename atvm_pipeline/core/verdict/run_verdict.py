"""How a run ended: the conditions that the rows of `transitions.RUN_VERDICTS` name.

A run's phase is derived from its sub-runs and the runner's end; nothing sets it.  A condition looks at facts and
gives a Reason if it holds; which phase follows is the table's word.
"""

from collections.abc import Callable
from typing import NamedTuple

from atvm_pipeline.core import timeouts
from atvm_pipeline.core.events import RunnerExited
from atvm_pipeline.core.hosts.host_names import hosts_in_label
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.results import SubRunResult
from atvm_pipeline.core.sentences import (
    and_form,
    and_text,
    format_duration,
    hosts_named,
    log_evidence,
    make_reason,
)
from atvm_pipeline.core.state import Evidence, Reason, Run
from atvm_pipeline.core.subruns.children import current_child
from atvm_pipeline.core.text import join_names
from atvm_pipeline.core.transitions import RUN_VERDICTS

from .exit_meaning import CRASHES, SHELL_SIGNAL_BASE, SIGNAL_NAMES, code_text
from .failed_subruns import reason_of_subruns
from .log_quotes import and_last_lines, and_nothing_read
from .quiet_log import log_kind, part_unread, proof_by_reports, quiet_failure, quiet_unproven
from .subrun_context import (
    SubRunContext,
    hosts_not_begun,
    hosts_without_spec,
    reason_of,
    result_of,
    run_ledger,
    subrun_context,
)
from .subrun_verdict import (
    Decision,
    failure_unattributed,
    passed_reason,
    subrun_failure,
    subrun_missing,
    subrun_unread,
    unfinished,
)

OUTSIDE_RESULTS = frozenset({"signal", "core-dump", "watchdog", "timeout"})
"""systemd service results that mean an end from outside (systemd.exec(5), $SERVICE_RESULT)."""

STOP_MARKER: Evidence = {"kind": "marker", "path": "stop.json"}
MISSING_CODES = next(row.codes for row in RUN_VERDICTS if row.condition == "missing")
"""A failed sub-run with another code meets the row "failure"."""
RUN_EVIDENCE_MAX = 20
"""Places in the log that show that a run passed; each sub-run has its own besides."""


class RunContext(NamedTuple):
    """A run with its sub-runs: judged ones as they were judged, the others as they look now."""

    run: Run
    cases: tuple[SubRunContext | None, ...]
    """None for a sub-run that was judged."""
    results: tuple[SubRunResult, ...]


def run_context(run: Run) -> RunContext:
    """Derive everything about a run's sub-runs."""
    cases = tuple(
        None if subrun.result is not None else subrun_context(run, subrun) for subrun in run.subruns
    )
    results = tuple(
        subrun.result or result_now(subrun_context(run, subrun) if case is None else case)
        for subrun, case in zip(run.subruns, cases, strict=True)
    )
    return RunContext(run, cases, results)


def result_now(case: SubRunContext) -> SubRunResult:
    """A sub-run that was not judged yet, as a user reads it while it goes on."""
    failing = subrun_failure(case)
    phase = Phase.RUNNING if case.subrun.children else Phase.PENDING
    going_on = make_reason("running" if phase is Phase.RUNNING else "pending")
    return result_of(case, phase, failing or going_on, failing=failing is not None)


def judge_run(case: RunContext) -> Decision:
    """The verdict of a run that is over, or whose limit passed, by `RUN_VERDICTS`."""
    for row in RUN_VERDICTS:
        found = RUN_CONDITIONS[row.condition](case)
        if found is not None:
            return Decision(row.phase, found)
    raise AssertionError("the last row of RUN_VERDICTS always holds")


def run_cancelled(case: RunContext) -> Reason | None:
    """A marker was there before the end."""
    cancel = case.run.cancel
    if cancel is None:
        return None
    return make_reason(
        "cancel-requested",
        [{"kind": "marker", "path": "cancel.json"}],
        who=cancel.who or "someone",
        why=cancel.why or "no reason given",
    )


def run_limit(case: RunContext) -> Reason | None:
    """A limit passed while the run was not over."""
    if case.run.over_watched_s is not None or not case.run.seen:
        return None
    return timeouts.limit_passed(case.run)


def ended_externally(case: RunContext) -> Reason | None:
    """The runner was ended from outside, or is gone without a record while something is unfinished."""
    run = case.run
    if run.exit is not None:
        return _outside_exit(case, run.exit)
    if run.vanished is None:
        return None
    at: list[Evidence] = [{"kind": "process", "pid": run.runner.pid if run.runner is not None else None}]
    at += log_evidence(run, run.log.end)
    if run.vanished.stop_requested:
        # As with an exit record: the request ended the runner, whatever it still had to do.
        return make_reason("runner-stopped", [*at, STOP_MARKER])
    if not (_unfinished(case) or hosts_not_begun(run, case.results)):
        return None
    if run.vanished.rebooted:
        return make_reason("host-rebooted", at)
    return and_last_lines(run, make_reason("runner-vanished", at))


def _outside_exit(case: RunContext, exit_: RunnerExited) -> Reason | None:
    record = exit_evidence(exit_)
    if exit_.stop_requested:
        return make_reason("runner-stopped", [*record, STOP_MARKER])
    if exit_.service_result == "oom-kill":
        return make_reason("out-of-memory", record)
    if exit_.signal is not None:
        return _signalled(record, exit_.signal, f"signal {exit_.signal}")
    if exit_.service_result in OUTSIDE_RESULTS:
        return make_reason("runner-signalled", record, detail=f"systemd ({exit_.service_result})")
    code = exit_.exit_code
    number = code - SHELL_SIGNAL_BASE if code is not None else 0
    incomplete = _unfinished(case) or bool(hosts_not_begun(case.run, case.results))
    if number in SIGNAL_NAMES and incomplete and _failing_tests(case) % 256 != code:
        # The count of failing tests, cut to 8 bits, is an exit code too.
        detail = (
            f"{SIGNAL_NAMES[number]} (exit code {code}, as a shell reports it, before everything had run)"
        )
        return and_last_lines(case.run, make_reason("runner-signalled", record, detail=detail))
    return None


def _signalled(record: list[Evidence], signal: str, detail: str) -> Reason:
    """Say that a signal ended the runner; one that a program brings on itself came from inside."""
    if signal in CRASHES:
        return Reason(
            code="runner-signalled", text=f"The runner crashed with {detail}.", evidence=tuple(record)
        )
    return make_reason("runner-signalled", record, detail=detail)


def exit_evidence(exit_: RunnerExited) -> list[Evidence]:
    """Evidence: the exit record."""
    return [
        {"kind": "exit", "path": "runner-exit.json", "exit_code": exit_.exit_code, "signal": exit_.signal}
    ]


def _failing_tests(case: RunContext) -> int:
    return sum(spec.failing for result in case.results for spec in result.specs)


def _unfinished(case: RunContext) -> bool:
    return any(found is not None and unfinished(found) is not None for found in case.cases)


def run_failure(case: RunContext) -> Reason | None:
    """A failure is certain in a sub-run, or a line in front of all of them reports one."""
    # A code of a later release is in no table, and a failure must not get lost for that.
    found = reason_of_subruns(*case, subrun_failure, lambda code: code not in MISSING_CODES)
    found = found or failure_unattributed(case.run, [line for line in case.run.unplaced if line.failing])
    return quiet_failure(case.run) or _and_idle(case, found)


def _and_idle(case: RunContext, found: Reason | None) -> Reason | None:
    """Name the hosts that nothing was planned for: the ledger counts them, and no sub-run's reason does."""
    idle = hosts_without_spec(case.run, case.results)
    if found is None or not idle:
        return found
    return and_text(found, f"Nothing ran for {hosts_named(idle)}.")


def log_truncated(case: RunContext) -> Reason | None:
    """Nobody saw the end and the log stops midway, or holds nothing: no proof of anything."""
    exit_ = case.run.exit
    if exit_ is None or not exit_.assumed:
        return None
    began = any(subrun.children for subrun in case.run.subruns)
    if began and not (_unfinished(case) or _cut_summary(case.run)):
        return None
    detail = "the log stops before the end of Cypress's summary, and how the runner ended is not known"
    return and_last_lines(
        case.run, make_reason("no-evidence", log_evidence(case.run, case.run.log.end), detail=detail)
    )


def _cut_summary(run: Run) -> bool:
    """Whether the log's last summary has no totals row, though it is one of specs: an empty run's never has one."""
    last = current_child(run)
    if last is None or not last.specs or last.finished_offset is None:
        return False
    return last.totals is None and last.recorded_offset is None


def run_missing(case: RunContext) -> Reason | None:
    """Something planned, or a requested host, has no result."""
    run = case.run
    if run.over_watched_s is None:
        # Judged by a limit while nothing has ended: then nothing can be called missing yet.
        return None
    if run.exit is not None and run.exit.error is not None:
        return make_reason("runner-not-started", exit_evidence(run.exit), detail=run.exit.error)
    if run.too_many:
        lost = "the groups beyond those that are kept"
        return make_reason(
            "results-missing", log_evidence(run, run.log.end), missing="Some", planned="the", names=lost
        )
    if log_kind(run) is not None:
        return None
    if any(subrun.children or subrun.wrapper is not None for subrun in run.subruns):
        found = reason_of_subruns(*case, subrun_missing, lambda code: code in MISSING_CODES)
        found = _and_idle(case, found)
        if found is not None and found.code != "host-pending":
            return _wrong_hosts(case) or found
        if run.words_unread is not None:
            return found  # row 6a: what seems to be missing may be in the lines that could not be read
        return _wrong_hosts(case) or found or _hosts_pending(case) or _never_began(run)
    if not run.request.requested_hosts:
        return None
    found = make_reason(
        "nothing-ran",
        log_evidence(run, run.log.end),
        detail=f" for {hosts_named(run.request.requested_hosts)}",
    )
    return and_nothing_read(run, _with_exit(run, found))


def _never_began(run: Run) -> Reason | None:
    """A child was launched under a label of its own, and the log does not show one line of it."""
    labels = {child.label for subrun in run.subruns for child in subrun.children}
    lost = [launch for launch in run.launched if launch.label not in labels]
    if not lost:
        return None
    told = f"those of {join_names([launch.label for launch in lost])}, launched and never begun"
    found = make_reason(
        "results-missing", log_evidence(run, lost[0].offset), missing="Some", planned="the", names=told
    )
    return and_last_lines(run, _with_exit(run, found), lost[0].offset)


def _with_exit(run: Run, found: Reason) -> Reason:
    code = run.exit.exit_code if run.exit is not None else None
    return and_text(found, f"The runner ended with exit code {code_text(code)}.") if code else found


def _hosts_without_pass(case: RunContext) -> tuple[str, ...]:
    passed = {spec.host for result in case.results for spec in result.specs if spec.detail == "completed"}
    return tuple(host for host in case.run.request.requested_hosts if host not in passed)


def _hosts_pending(case: RunContext) -> Reason | None:
    lacking = _hosts_without_pass(case)
    if not lacking:
        return None
    found = make_reason("host-pending", log_evidence(case.run, case.run.log.end), hosts=hosts_named(lacking))
    idle = hosts_not_begun(case.run, case.results)
    found = and_text(found, f"Nothing ran for {hosts_named(idle)}.") if idle else found
    return _with_exit(case.run, and_form(found, case.run.request, idle))


def _wrong_hosts(case: RunContext) -> Reason | None:
    """Requested hosts that nothing began for, while specs of hosts that nobody requested ran."""
    run = case.run
    idle = hosts_not_begun(run, case.results)
    if not idle:
        return None
    known = (*run.request.requested_hosts, *run.request.inventory)
    others = dict.fromkeys(
        spec.host
        for result in case.results
        for spec in result.specs
        if spec.host is not None
        and (spec.position is not None or spec.detail != "not_run")
        and spec.host not in run.request.requested_hosts
        and hosts_in_label(spec.host, known, run.request.dialect) == (spec.host,)
    )
    if not others:
        return None
    found = make_reason(
        "wrong-hosts", log_evidence(run, run.log.end), ran=hosts_named(list(others)), hosts=hosts_named(idle)
    )
    return and_form(found, run.request, idle)


def run_exit(case: RunContext) -> Reason | None:
    """The runner's exit code is not 0, or systemd says that it failed."""
    exit_ = case.run.exit
    if exit_ is None:
        return None
    code: object = exit_.exit_code
    if code is None and exit_.service_result not in (None, "success"):
        code = f"unknown ({exit_.service_result})"
    if not code:
        return None
    passed = any(result.ledger.passed for result in case.results)
    ran = "though everything that ran had passed" if passed else "before anything of Cypress had run"
    if log_kind(case.run) is not None:
        ran = "and the log does not show how its specs ended"
    found = make_reason("runner-failed", exit_evidence(exit_), exit=code_text(code), ran=ran)
    last = max((child.offset for subrun in case.run.subruns for child in subrun.children), default=0)
    return and_last_lines(case.run, found, last)


def run_unproven(case: RunContext) -> Reason | None:
    """The log proves nothing, or what seems to be missing may be in lines that could not be read."""
    run = case.run
    found = quiet_unproven(run)
    if found is not None or run.words_unread is None or log_kind(run) is not None:
        return found
    unread = any(result.reason.get("code") == "log-unreadable" for result in case.results) or any(
        subrun is not None and subrun_unread(subrun) is not None for subrun in case.cases
    )
    absent = unread or (_wrong_hosts(case) or _hosts_pending(case) or _never_began(run)) is not None
    return part_unread(run, run.words_unread) if absent else None


def run_nothing(case: RunContext) -> Reason | None:
    """Not one Cypress line and not one artifact of this run."""
    run = case.run
    if run.over_watched_s is None:
        return make_reason(
            "runner-never-started",
            [{"kind": "clock", "watched_s": round(run.watched_s, 3)}],
            limit=format_duration(run.request.settings.start_limit_s),
        )
    if any(subrun.children for subrun in run.subruns) or log_kind(run) is not None:
        return None
    detail = "the log does not show one line of Cypress, and no report was written"
    return and_last_lines(run, make_reason("no-evidence", log_evidence(run, run.log.end), detail=detail))


def run_passed(case: RunContext) -> Reason:
    """Everything planned passed, on every requested host."""
    alone = proof_by_reports(case.run)
    if alone is not None:
        return alone
    hosts = " on every requested host" if case.run.request.requested_hosts else "; hosts not checked"
    evidence = [item for result in case.results for item in reason_of(result).evidence][:RUN_EVIDENCE_MAX]
    evidence += exit_evidence(case.run.exit) if case.run.exit is not None else []
    found = passed_reason(run_ledger(case.run, case.results), evidence, hosts)
    if case.run.exit is not None and case.run.exit.assumed:
        return and_text(found, "The exit code was assumed.")
    if case.run.exit is None or case.run.exit.exit_code is None:
        return and_text(found, "The exit code is unknown: the runner left no record of it.")
    return found


RUN_CONDITIONS: dict[str, Callable[[RunContext], Reason | None]] = {
    "cancelled": run_cancelled,
    "limit": run_limit,
    "outside": ended_externally,
    "failure": run_failure,
    "cut": log_truncated,
    "missing": run_missing,
    "exit": run_exit,
    "unproven": run_unproven,
    "nothing": run_nothing,
    "passed": run_passed,
}
"""Condition name -> how it is found out."""
