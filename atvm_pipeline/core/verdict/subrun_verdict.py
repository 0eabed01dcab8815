"""How one sub-run ended: the conditions of the rows of `transitions.SUBRUN_VERDICTS`.

A condition returns a Reason if it holds, and the table decides which phase follows.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from atvm_pipeline.core.facts import ErrorReported, LineUnplaced, TotalsReported, WrapperTotals
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.reason_parts import (
    QUOTED_LINE_CHARS_MAX,
    all_specs,
    and_text,
    hosts_named,
    log_evidence,
    make_reason,
    specs_named,
)
from atvm_pipeline.core.results import Ledger, SpecResult
from atvm_pipeline.core.state import SPECS_MAX, Child, Evidence, Reason, Run, SubRun
from atvm_pipeline.core.subruns.children import early_ends
from atvm_pipeline.core.text import NAMES_JOINED_MAX, cut_middle, join_names, one_line, plural
from atvm_pipeline.core.transitions import ABSENT_CODES, EARLY_ENDS, SUBRUN_VERDICTS

from .exit_code_text import signal_advice
from .log_checks import find_contradiction, find_mix, has_second_run, unattributed
from .log_notes import lines_reporting, quote_lines
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
"""Errors with many texts for one code: the reason quotes the line."""
WITHOUT_CAUSE = QUOTED_ERRORS | {"record-server-error"}
"""Errors whose cause is in the lines below them."""


class Decision(NamedTuple):
    """The phase and the reason that a table returns."""

    phase: Phase
    reason: Reason


def subrun_failure(case: SubRunContext) -> Reason | None:
    """Return the reason if a failure is certain: an early end, a crashed spec, a failing test, or a failing totals row."""
    run = case.run
    for child in case.subrun.children:
        fatal = early_ends(child)
        if not fatal and child.doubtful and has_second_run(run, case.subrun, child):
            fatal = child.doubtful
        if fatal:
            first = fatal[0]
            evidence = [*log_evidence(run, first.offset)]
            return _and_cause(case, first, _error_reason(first, evidence, names="the time between two specs"))
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
    """Return the reason for lines of the log with a failure of no known spec; None without such a line."""
    if not lines:
        return None
    evidence = [item for line in lines[:NAMES_JOINED_MAX] for item in log_evidence(run, line.offset)]
    return make_reason(
        "failure-unattributed", evidence, lines_report=lines_reporting(len(lines)), names=quote_lines(lines)
    )


def _error_reason(error: ErrorReported, evidence: Sequence[Evidence], *, names: str) -> Reason:
    """Return the reason of an error block; a code of a later release has the text of the log."""
    if error.code != "spec-crashed" and error.code not in EARLY_ENDS:
        return Reason(code=error.code, text=error.text, evidence=tuple(evidence))
    signal = _signal_in(error.text)
    found = make_reason(error.code, evidence, detail=signal, advice=signal_advice(signal), names=names)
    quoted = error.code in QUOTED_ERRORS
    return (
        and_text(found, f'The log shows: "{cut_middle(error.text, QUOTED_LINE_CHARS_MAX)}".')
        if quoted
        else found
    )


def _and_cause(case: SubRunContext, error: ErrorReported, found: Reason) -> Reason:
    """Add the last lines of the log to an error that does not include its cause."""
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
    evidence = _spec_evidence(case.run, failed)
    if len(errors) == 1 and len(failed) == 1:
        return _error_reason(next(iter(errors.values())), evidence, names=failed[0].spec)
    base = make_reason(
        "tests-failed",
        evidence,
        failed=len(failed),
        specs=plural(case.ledger.planned, "spec"),
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
    table = wrapper.totals if wrapper is not None else None
    if table is not None and (table.failed or table.counts.failing):
        return _believed_totals(case, table, table.failed or 1, table.total or 0, "wrapper's table")
    return None


def _believed_totals(
    case: SubRunContext, totals: TotalsReported | WrapperTotals, failed: int, total: int, source: str
) -> Reason:
    base = make_reason(
        "tests-failed",
        log_evidence(case.run, totals.offset),
        failed=failed,
        # The row may count more specs than the rest of the log shows.
        specs=plural(max(case.ledger.planned, total, failed), "spec"),
        names="see the final table",
    )
    return and_text(base, f"Only the {source} shows this.")


def subrun_missing(case: SubRunContext) -> Reason | None:
    """Return the reason if a planned spec has no result, or if no spec of a requested host of this sub-run passed."""
    found = _lacking(case)
    return None if subrun_unread(case) is not None else found


def subrun_unread(case: SubRunContext) -> Reason | None:
    """Return the reason if the missing results may be in lines of Cypress that could not be parsed."""
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
        lost = f"the specs beyond the limit of {SPECS_MAX} per Cypress run"
        return make_reason(
            "results-missing", place, missing="Some", specs="the planned specs", have="have", names=lost
        )
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
        found = make_reason(
            "results-missing",
            _spec_evidence(run, lacking) or place,
            missing=missing,
            specs=plural(ledger.planned, "planned spec"),
            have="has" if missing == 1 else "have",
            names=listed,
        )
        doubt = next(
            (spec.conflict for spec in lacking if spec.detail == "no_report" and spec.conflict), None
        )
        found = found if doubt is None else and_text(found, f"{doubt}.")
        return found if finished else and_subrun_end(run, found, case.subrun)
    if not finished:
        found = Reason(code="results-missing", text=_no_summary(case), evidence=tuple(place))
        return and_subrun_end(run, found, case.subrun)
    others = _other_hosts(case)
    if others:
        wanted = hosts_named(run.request.requested_hosts)
        return make_reason("wrong-hosts", place, ran=hosts_named(others), hosts=wanted)
    pending = _hosts_without_pass(case)
    if pending:
        return make_reason("host-pending", place, hosts=hosts_named(pending))
    if not ledger.passed:
        return _nothing_ran(case, place)
    return None


def _nothing_ran(case: SubRunContext, place: Sequence[Evidence]) -> Reason:
    """Return the reason why nothing ran: an empty summary points to a reused ci-build-id; else the last lines are quoted."""
    if any(child.finished_offset is not None and not child.specs for child in case.subrun.children):
        detail = ": check whether the ci-build-id was used before, or whether the specs contain no tests"
        return make_reason("nothing-ran", place, detail=detail)
    if case.specs and not unfinished(case):
        return make_reason(
            "nothing-ran",
            place,
            detail=f": no result for {join_names([spec.spec for spec in case.specs])}",
        )
    return and_subrun_end(case.run, make_reason("nothing-ran", place, detail=""), case.subrun)


def _no_summary(case: SubRunContext) -> str:
    """Return the sentence for a sub-run whose specs all have a result, but whose log lacks its last lines."""
    planned = case.ledger.planned
    if not planned:
        return "Cypress started, but the log ends before its first spec."
    had = f"{all_specs(planned)} {'has' if planned == 1 else 'have'} a result"
    wrapper = case.subrun.wrapper
    if wrapper is not None and wrapper.finished_offset is None:
        return f"{had}, but the log does not show the end line of {wrapper.name}; there may be more specs."
    return f"{had}, but the log does not show Cypress's final table; the runner or the log may have been cut off."


def has_summary(child: Child) -> bool:
    """Return whether any part of the child's summary was read."""
    if child.finished_offset is not None or child.totals is not None or child.recorded_offset is not None:
        return True
    return any(spec.row is not None for spec in child.specs)


def unfinished(case: SubRunContext) -> Child | SubRun | None:
    """Return the child (or the wrapper's sub-run) that did not print its end; None if everything is finished."""
    wrapper = case.subrun.wrapper
    if wrapper is not None and wrapper.finished_offset is None:
        return case.subrun
    return next((child for child in case.subrun.children if not has_summary(child)), None)


def _other_hosts(case: SubRunContext) -> tuple[str, ...]:
    """Return the hosts that ran, if none of them was requested."""
    requested = set(case.run.request.requested_hosts)
    ran = real_hosts(case, began_only=True)
    return ran if requested and ran and not requested & set(ran) else ()


def _hosts_without_pass(case: SubRunContext) -> list[str]:
    requested = set(case.run.request.requested_hosts)
    passed = {spec.host for spec in case.specs if spec.detail == "completed"}
    return [host for host in real_hosts(case, began_only=True) if host in requested and host not in passed]


def subrun_passed(case: SubRunContext) -> Reason:
    """Return the reason of a sub-run in which everything planned passed."""
    place = log_evidence(
        case.run,
        next((c.totals.offset for c in reversed(case.subrun.children) if c.totals is not None), None),
    )
    return passed_reason(case.ledger, place)


def passed_reason(ledger: Ledger, evidence: Sequence[Evidence], hosts: str = "") -> Reason:
    """Return the reason of a pass; it counts pending specs, which have not passed, separately."""
    if not ledger.pending:
        return make_reason("all-passed", evidence, specs=all_specs(ledger.planned), hosts=hosts)
    specs = plural(ledger.planned, "planned spec")
    text = f"{ledger.passed} of {specs} passed{hosts}, {ledger.pending} pending."
    return Reason(code="all-passed", text=text, evidence=tuple(evidence))


SUBRUN_CONDITIONS: dict[str, Callable[[SubRunContext], Reason | None]] = {
    "failure": subrun_failure,
    "missing": subrun_missing,
    "unread": subrun_unread,
    "passed": subrun_passed,
}


def judge_subrun(case: SubRunContext) -> Decision:
    """Return the verdict, by `SUBRUN_VERDICTS`, of a sub-run that has ended."""
    for row in SUBRUN_VERDICTS:
        found = SUBRUN_CONDITIONS[row.condition](case)
        if found is not None:
            return Decision(row.phase, found)
    raise AssertionError("the last row of SUBRUN_VERDICTS always holds")
