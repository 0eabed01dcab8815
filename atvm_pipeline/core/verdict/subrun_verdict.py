"""How one sub-run ended: the conditions that the rows of `transitions.SUBRUN_VERDICTS` name.

A condition looks at facts and gives a Reason if it holds.  Which phase follows is the table's word, not its.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from atvm_pipeline.core.facts import ErrorReported, LineUnplaced, TotalsReported, WrapperTotals
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.results import Ledger, SpecResult
from atvm_pipeline.core.sentences import (
    QUOTED_LINE_CHARS_MAX,
    and_text,
    hosts_named,
    log_evidence,
    make_reason,
    plural,
    specs_named,
)
from atvm_pipeline.core.state import SPECS_MAX, Child, Evidence, Reason, Run, SubRun
from atvm_pipeline.core.subruns.children import early_ends
from atvm_pipeline.core.text import NAMES_JOINED_MAX, join_names, one_line
from atvm_pipeline.core.transitions import ABSENT_CODES, EARLY_ENDS, SUBRUN_VERDICTS

from .exit_meaning import signal_advice
from .log_checks import find_contradiction, find_mix, has_second_run, unattributed
from .log_notes import quote_lines
from .log_quotes import and_subrun_end, and_subrun_lines
from .quiet_log import part_unread
from .subrun_context import SubRunContext, real_hosts

QUOTED_ERRORS = frozenset(
    {
        "arguments-invalid",
        "automation-lost",
        "config-invalid",
        "cypress-error",
        "cypress-not-installed",
        "plugin-error",
        "reporter-error",
        "xvfb-failed",
    }
)
"""Errors of which many texts have one code: the reason quotes the line."""
WITHOUT_CAUSE = QUOTED_ERRORS | {"record-server-error"}
"""Errors whose cause stands in the lines below."""


class Decision(NamedTuple):
    """What a table says."""

    phase: Phase
    reason: Reason


def subrun_failure(case: SubRunContext) -> Reason | None:
    """A failure that is certain: an early end, a crashed spec, a failing test, or a totals row that counts one."""
    run = case.run
    for child in case.subrun.children:
        fatal = early_ends(child)
        if not fatal and child.doubtful and has_second_run(run, case.subrun, child):
            fatal = child.doubtful
        if fatal:
            first = fatal[0]
            told = [*log_evidence(run, first.offset)]
            return _and_cause(case, first, _error_told(first, told, names="the time between two specs"))
        if child.totals is not None and child.totals.verdict == "canceled":
            return make_reason("run-canceled", log_evidence(run, child.totals.offset))
    crashed = [spec for spec in case.specs if spec.detail == "crashed"]
    if crashed:
        return make_reason(
            "spec-crashed", _spec_evidence(run, crashed), names=join_names([spec.spec for spec in crashed])
        )
    failed = [spec for spec in case.specs if spec.detail == "failed"]
    if failed:
        return _failed(case, failed)
    return _failing_totals(case) or _unattributed(case)


def _unattributed(case: SubRunContext) -> Reason | None:
    return failure_unattributed(case.run, unattributed(case.run, case.subrun))


def failure_unattributed(run: Run, lines: Sequence[LineUnplaced]) -> Reason | None:
    """Lines of the log that report a failure and fit no spec; None without one."""
    if not lines:
        return None
    evidence = [item for line in lines[:NAMES_JOINED_MAX] for item in log_evidence(run, line.offset)]
    return make_reason(
        "failure-unattributed", evidence, lines=plural(len(lines), "line"), names=quote_lines(lines)
    )


def _error_told(error: ErrorReported, told: Sequence[Evidence], *, names: str) -> Reason:
    """The sentence of an error block; one whose code is of a later release is quoted."""
    if error.code != "spec-crashed" and error.code not in EARLY_ENDS:
        return Reason(code=error.code, text=error.text, evidence=tuple(told))
    signal = _signal_in(error.text)
    found = make_reason(error.code, told, detail=signal, advice=signal_advice(signal), names=names)
    quoted = error.code in QUOTED_ERRORS
    return (
        and_text(found, f'The log says: "{one_line(error.text, QUOTED_LINE_CHARS_MAX)}".')
        if quoted
        else found
    )


def _and_cause(case: SubRunContext, error: ErrorReported, found: Reason) -> Reason:
    """Add the last lines below an error that names no cause by itself."""
    if error.code not in WITHOUT_CAUSE:
        return found
    return and_subrun_lines(case.run, found, case.subrun, error.offset + 1)


def _signal_in(text: str) -> str:
    return next((word for word in text.split() if word.startswith("SIG")), "unknown")


def _spec_evidence(run: Run, specs: Sequence[SpecResult]) -> list[Evidence]:
    evidence: list[Evidence] = []
    for spec in specs[:NAMES_JOINED_MAX]:
        if "log" in spec.sources:
            evidence.extend(log_evidence(run, spec.offset))
        if spec.artifact is not None:
            evidence.append({"kind": "artifact", "path": spec.artifact})
    return evidence


def _failed(case: SubRunContext, failed: list[SpecResult]) -> Reason:
    errors = {
        spec.error.code: spec.error
        for child in case.subrun.children
        for spec in child.specs
        if spec.error is not None
    }
    told = _spec_evidence(case.run, failed)
    if len(errors) == 1 and len(failed) == 1:
        return _error_told(next(iter(errors.values())), told, names=failed[0].spec)
    base = make_reason(
        "tests-failed",
        told,
        failed=len(failed),
        planned=case.ledger.planned,
        names=join_names([spec.spec for spec in failed]),
    )
    conflict = next((spec.conflict for spec in failed if spec.conflict is not None), None)
    return base if conflict is None else and_text(base, f"{conflict}.")


def _failing_totals(case: SubRunContext) -> Reason | None:
    for child in case.subrun.children:
        totals = child.totals
        if totals is not None and (totals.verdict == "failed" or totals.counts.failing):
            return _believed_totals(case, totals, totals.failed or 1, totals.total or 0, "totals row")
    wrapper = case.subrun.wrapper
    said = wrapper.totals if wrapper is not None else None
    if said is not None and (said.failed or said.counts.failing):
        return _believed_totals(case, said, said.failed or 1, said.total or 0, "wrapper's table")
    return None


def _believed_totals(
    case: SubRunContext, totals: TotalsReported | WrapperTotals, failed: int, total: int, source: str
) -> Reason:
    base = make_reason(
        "tests-failed",
        log_evidence(case.run, totals.offset),
        failed=failed,
        # The row may know of more specs than the rest of the log shows.
        planned=max(case.ledger.planned, total, failed),
        names="see the final table",
    )
    return and_text(base, f"Only the {source} says so; it was believed.")


def subrun_missing(case: SubRunContext) -> Reason | None:
    """Something planned without a result, or a requested host of this sub-run without a passed spec."""
    found = _lacking(case)
    return None if subrun_unread(case) is not None else found


def subrun_unread(case: SubRunContext) -> Reason | None:
    """What seems to be missing may be in lines of Cypress that could not be read."""
    unread, found = case.run.words_unread, _lacking(case)
    if unread is None or found is None or found.code not in ABSENT_CODES:
        return None
    return part_unread(case.run, unread)


def _lacking(case: SubRunContext) -> Reason | None:
    run, ledger = case.run, case.ledger
    place = log_evidence(
        run, next((child.finished_offset or child.offset for child in reversed(case.subrun.children)), None)
    )
    mix = find_mix(run, case.subrun)
    if mix is not None:
        return make_reason(
            "log-mixed", log_evidence(run, mix.offset), line=one_line(mix.line, QUOTED_LINE_CHARS_MAX)
        )
    if any(child.too_many for child in case.subrun.children):
        lost = f"the specs beyond the {SPECS_MAX} of one Cypress run that are kept"
        return make_reason("results-missing", place, missing="Some", planned="the", names=lost)
    finished = unfinished(case) is None
    ran = ledger.passed + ledger.pending + ledger.skipped + ledger.no_report
    if not ran and finished:
        return _nothing_ran(case, place)
    contradiction = find_contradiction(case.subrun)
    if contradiction is not None:
        return make_reason(
            "totals-contradict", log_evidence(run, contradiction.offset), detail=contradiction.text
        )
    lacking = [spec for spec in case.specs if spec.detail in ("no_report", "not_run", "skipped")]
    missing = ledger.no_report + ledger.not_run + ledger.skipped
    if missing:
        listed = specs_named([spec.spec for spec in lacking], missing)
        told = _spec_evidence(run, lacking) or place
        found = make_reason("results-missing", told, missing=missing, planned=ledger.planned, names=listed)
        doubt = next(
            (spec.conflict for spec in lacking if spec.detail == "no_report" and spec.conflict), None
        )
        found = found if doubt is None else and_text(found, f"{doubt}.")
        return found if finished else and_subrun_end(run, found, case.subrun)
    if not finished:
        found = Reason(code="results-missing", text=_no_summary(case), evidence=tuple(place))
        return and_subrun_end(run, found, case.subrun)
    foreign = _foreign_hosts(case)
    if foreign:
        wanted = hosts_named(run.request.requested_hosts)
        return make_reason("wrong-hosts", place, ran=hosts_named(foreign), hosts=wanted)
    pending = _hosts_without_pass(case)
    if pending:
        return make_reason("host-pending", place, hosts=hosts_named(pending))
    if not ledger.passed:
        return _nothing_ran(case, place)
    return None


def _nothing_ran(case: SubRunContext, place: Sequence[Evidence]) -> Reason:
    """Say why nothing ran: an empty summary is what a reused ci-build-id leaves; else the log's last lines are quoted."""
    if any(child.finished_offset is not None and not child.specs for child in case.subrun.children):
        detail = ": look for a ci-build-id that was used before, or for specs that hold no tests"
        return make_reason("nothing-ran", place, detail=detail)
    if case.specs and not unfinished(case):
        return make_reason(
            "nothing-ran",
            place,
            detail=f": {join_names([spec.spec for spec in case.specs])} had no result to count",
        )
    return and_subrun_end(case.run, make_reason("nothing-ran", place, detail=""), case.subrun)


def _no_summary(case: SubRunContext) -> str:
    """The sentence for a sub-run whose specs all have a result, and whose log lacks the lines that end it."""
    planned = case.ledger.planned
    if not planned:
        return "Cypress started, and the log ends before its first spec."
    had = "The planned spec has a result" if planned == 1 else f"All {planned} planned specs have a result"
    wrapper = case.subrun.wrapper
    if wrapper is not None and wrapper.finished_offset is None:
        return f"{had}, but the log does not show the end line of {wrapper.name}: more may have been planned."
    return f"{had}, but the log does not show Cypress's final table: the runner or the log may have been cut off."


def has_summary(child: Child) -> bool:
    """Return whether the child's summary was read, as far as an end can be seen."""
    if child.finished_offset is not None or child.totals is not None or child.recorded_offset is not None:
        return True
    return any(spec.row is not None for spec in child.specs)


def unfinished(case: SubRunContext) -> Child | SubRun | None:
    """The child (or the wrapper's sub-run) that did not print its end; None if all is finished."""
    wrapper = case.subrun.wrapper
    if wrapper is not None and wrapper.finished_offset is None:
        return case.subrun
    return next((child for child in case.subrun.children if not has_summary(child)), None)


def _foreign_hosts(case: SubRunContext) -> tuple[str, ...]:
    """The hosts that ran, if none of them was requested."""
    requested = set(case.run.request.requested_hosts)
    ran = real_hosts(case, began_only=True)
    return ran if requested and ran and not requested & set(ran) else ()


def _hosts_without_pass(case: SubRunContext) -> list[str]:
    requested = set(case.run.request.requested_hosts)
    passed = {spec.host for spec in case.specs if spec.detail == "completed"}
    return [host for host in real_hosts(case, began_only=True) if host in requested and host not in passed]


def subrun_passed(case: SubRunContext) -> Reason:
    """Everything planned passed."""
    place = log_evidence(
        case.run,
        next((c.totals.offset for c in reversed(case.subrun.children) if c.totals is not None), None),
    )
    return passed_reason(case.ledger, place)


def passed_reason(ledger: Ledger, evidence: Sequence[Evidence], hosts: str = "") -> Reason:
    """Say that everything planned passed, or how many are pending: a pending spec has not passed."""
    if not ledger.pending:
        return make_reason("all-passed", evidence, planned=ledger.planned, hosts=hosts)
    text = f"{ledger.passed} of {ledger.planned} planned specs passed{hosts}, {ledger.pending} pending."
    return Reason(code="all-passed", text=text, evidence=tuple(evidence))


SUBRUN_CONDITIONS: dict[str, Callable[[SubRunContext], Reason | None]] = {
    "failure": subrun_failure,
    "missing": subrun_missing,
    "unread": subrun_unread,
    "passed": subrun_passed,
}


def judge_subrun(case: SubRunContext) -> Decision:
    """The verdict of a sub-run that has ended, by `SUBRUN_VERDICTS`."""
    for row in SUBRUN_VERDICTS:
        found = SUBRUN_CONDITIONS[row.condition](case)
        if found is not None:
            return Decision(row.phase, found)
    raise AssertionError("the last row of SUBRUN_VERDICTS always holds")
