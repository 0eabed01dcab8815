"""How a run ended: the conditions of the rows of `transitions.RUN_VERDICTS`.

A run's phase is derived from its sub-runs and the runner's end; nothing sets it. A condition returns a Reason if it holds,
and the table decides which phase follows.
"""

from collections.abc import Callable

from msgspec.structs import replace

from atvm_pipeline.core import timeouts
from atvm_pipeline.core.hosts.host_names import hosts_in_label
from atvm_pipeline.core.reason_parts import (
    and_form,
    and_text,
    hosts_named,
    log_evidence,
    make_reason,
)
from atvm_pipeline.core.state import Evidence, Reason, Run
from atvm_pipeline.core.subruns.children import current_child
from atvm_pipeline.core.text import format_duration, join_names
from atvm_pipeline.core.transitions import RUN_VERDICTS

from .exit_code_text import code_text
from .failed_subruns import reason_of_subruns
from .log_quotes import and_last_lines, and_nothing_read
from .quiet_log import log_kind, part_unread, proof_by_reports, quiet_failure, quiet_unproven
from .run_context import RunContext, has_unfinished
from .runner_exit import ended_externally, exit_evidence, run_exit
from .subrun_context import (
    hosts_not_begun,
    hosts_without_spec,
    reason_of,
    run_ledger,
)
from .subrun_verdict import (
    Decision,
    failure_unattributed,
    passed_reason,
    subrun_failure,
    subrun_missing,
    subrun_unread,
)

MISSING_CODES = next(row.codes for row in RUN_VERDICTS if row.condition == "missing")
"""A failed sub-run with any other code matches the row "failure"."""
RUN_EVIDENCE_MAX = 20
"""Places in the log that show that a run passed; each sub-run has its own evidence in addition."""


def judge_run(case: RunContext) -> Decision:
    """Return the verdict, by `RUN_VERDICTS`, of a run that is over or whose limit passed."""
    for row in RUN_VERDICTS:
        found = RUN_CONDITIONS[row.condition](case)
        if found is not None:
            return Decision(row.phase, found)
    raise AssertionError("the last row of RUN_VERDICTS always holds")


def run_cancelled(case: RunContext) -> Reason | None:
    """Return the reason if a cancel was requested before the end."""
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
    """Return the reason if a time limit passed before the run was over."""
    if case.run.over_watched_s is not None or not case.run.seen:
        return None
    return timeouts.limit_passed(case.run)


def run_failure(case: RunContext) -> Reason | None:
    """Return the reason if a sub-run, or a line before the first of them, shows a failure."""
    # A code of a later release is in no table, and its failure must not get lost.
    found = reason_of_subruns(*case, subrun_failure, lambda code: code not in MISSING_CODES)
    found = found or failure_unattributed(case.run, [line for line in case.run.unplaced if line.failing])
    return quiet_failure(case.run) or _and_idle(case, found)


def _and_idle(case: RunContext, found: Reason | None) -> Reason | None:
    """Add the hosts for which nothing was planned: the ledger counts them, but no sub-run's reason does."""
    idle = hosts_without_spec(case.run, case.results)
    if found is None or not idle:
        return found
    return and_text(found, f"Nothing ran for {hosts_named(idle)}.")


def log_truncated(case: RunContext) -> Reason | None:
    """Return the reason if the end is unknown and the log is empty or stops midway: then it proves nothing."""
    exit_ = case.run.exit
    if exit_ is None or not exit_.assumed:
        return None
    began = any(subrun.children for subrun in case.run.subruns)
    if began and not (has_unfinished(case) or _cut_summary(case.run)):
        return None
    detail = "the log stops before the end of Cypress's summary, and the exit code of the runner is not known"
    return and_last_lines(
        case.run, make_reason("no-evidence", log_evidence(case.run, case.run.log.end), detail=detail)
    )


def _cut_summary(run: Run) -> bool:
    """Return whether the log's last summary lacks its totals row; the summary of an empty run never has one."""
    last = current_child(run)
    if last is None or not last.specs or last.finished_offset is None:
        return False
    return last.totals is None and last.recorded_offset is None


def run_missing(case: RunContext) -> Reason | None:
    """Return the reason if a planned spec or a requested host has no result."""
    run = case.run
    if run.over_watched_s is None:
        # The run is being decided by a timeout and has not ended, so no result counts as missing yet.
        return None
    if run.exit is not None and run.exit.error is not None:
        return make_reason("runner-not-started", exit_evidence(run.exit), detail=run.exit.error)
    if run.too_many:
        return _some_missing(log_evidence(run, run.log.end), "the groups beyond the limit of this program")
    if log_kind(run) is not None:
        return None
    if any(subrun.children or subrun.wrapper is not None for subrun in run.subruns):
        found = reason_of_subruns(*case, subrun_missing, lambda code: code in MISSING_CODES)
        found = _and_idle(case, found)
        if found is not None and found.code != "host-pending":
            return _wrong_hosts(case) or found
        if _may_be_unread(case):
            return found  # row 6a: the missing results may be in the lines that could not be parsed
        return _wrong_hosts(case) or found or _hosts_pending(case) or _never_began(run)
    if not run.request.requested_hosts:
        return None
    found = make_reason(
        "nothing-ran",
        log_evidence(run, run.log.end),
        detail=f" for {hosts_named(run.request.requested_hosts)}",
    )
    return and_nothing_read(run, _with_exit(run, found))


def _some_missing(evidence: list[Evidence], names: str) -> Reason:
    return make_reason(
        "results-missing", evidence, missing="Some", specs="the planned specs", have="have", names=names
    )


def _never_began(run: Run) -> Reason | None:
    """Return the reason if a child was launched with a label of its own and the log shows no line of it."""
    labels = {child.label for subrun in run.subruns for child in subrun.children}
    lost = [launch for launch in run.launched if launch.label not in labels]
    if not lost:
        return None
    names = f"those of {join_names([launch.label for launch in lost])}, which never started"
    found = _some_missing(log_evidence(run, lost[0].offset), names)
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
    nothing = f"Nothing ran for the requested {hosts_named(idle)}." if idle else ""
    found = replace(found, text=nothing if idle == lacking else f"{found.text} {nothing}".rstrip())
    return _with_exit(case.run, and_form(found, case.run.request, idle))


def _wrong_hosts(case: RunContext) -> Reason | None:
    """Return the reason if no spec of some requested hosts started, while specs of other hosts ran."""
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


def run_unproven(case: RunContext) -> Reason | None:
    """Return the reason if the log proves nothing, or if the missing results may be in lines that could not be parsed."""
    run = case.run
    found = quiet_unproven(run)
    if found is not None or run.words_unread is None or log_kind(run) is not None:
        return found
    return part_unread(run, run.words_unread) if _has_unread_subrun(case) else None


def _may_be_unread(case: RunContext) -> bool:
    """Whether a host or a group without a result may have it in lines that could not be read."""
    unread = case.run.words_unread
    return unread is not None and (not unread.only_absence or _has_unread_subrun(case))


def _has_unread_subrun(case: RunContext) -> bool:
    return any(result.reason.get("code") == "log-unreadable" for result in case.results) or any(
        subrun is not None and subrun_unread(subrun) is not None for subrun in case.cases
    )


def run_nothing(case: RunContext) -> Reason | None:
    """Return the reason if the run has neither a line of Cypress nor an artifact."""
    run = case.run
    if run.over_watched_s is None:
        return make_reason(
            "runner-never-started",
            [{"kind": "clock", "watched_s": round(run.watched_s, 3)}],
            limit=format_duration(run.request.settings.start_limit_s),
        )
    if any(subrun.children for subrun in run.subruns) or log_kind(run) is not None:
        return None
    detail = "the log contains no Cypress output, and no report was written"
    return and_last_lines(run, make_reason("no-evidence", log_evidence(run, run.log.end), detail=detail))


def run_passed(case: RunContext) -> Reason:
    """Return the reason of a run in which everything planned passed, on every requested host."""
    alone = proof_by_reports(case.run)
    if alone is not None:
        return alone
    hosts = " on every requested host" if case.run.request.requested_hosts else "; hosts not checked"
    evidence = [item for result in case.results for item in reason_of(result).evidence][:RUN_EVIDENCE_MAX]
    evidence += exit_evidence(case.run.exit) if case.run.exit is not None else []
    found = passed_reason(run_ledger(case.run, case.results), evidence, hosts)
    if case.run.exit is not None and case.run.exit.assumed:
        return and_text(found, "The exit code is not known; 0 was assumed.")
    if case.run.exit is None or case.run.exit.exit_code is None:
        return and_text(found, "The exit code is unknown: the runner left no exit record.")
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
"""Name of a condition -> its function."""
