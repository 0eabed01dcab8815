"""How one sub-run ended: the conditions that the rows of `transitions.SUBRUN_VERDICTS` name.

A condition looks at facts and gives a Reason if it holds.  Which phase follows is the table's word, not its.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .children import early_ends
from .facts import ErrorReported
from .judging import Case, real_hosts
from .results import SpecResult
from .state import SPECS_MAX, Child, Phase, Reason, Run, SubRun
from .transitions import EARLY_ENDS, SUBRUN_VERDICTS
from .words import NAMES_SHOWN, Evidence, and_text, hosts_named, log_at, names, reason


class Judged(NamedTuple):
    """What a table says."""

    phase: Phase
    reason: Reason


def subrun_failure(case: Case) -> Reason | None:
    """A failure that is certain: an early end, a crashed spec, a failing test, or a totals row that counts one."""
    run = case.run
    for child in case.subrun.children:
        fatal = early_ends(child)
        if fatal:
            first = fatal[0]
            told = [*log_at(run, first.offset)]
            return _error_told(first, told, names="the time between two specs")
        if child.totals is not None and child.totals.verdict == "canceled":
            return reason("run-canceled", log_at(run, child.totals.offset))
    crashed = [spec for spec in case.specs if spec.detail == "crashed"]
    if crashed:
        return reason(
            "spec-crashed", _spec_evidence(run, crashed), names=names([spec.spec for spec in crashed])
        )
    failed = [spec for spec in case.specs if spec.detail == "failed"]
    if failed:
        return _failed(case, failed)
    return _failing_totals(case)


def _error_told(error: ErrorReported, told: Sequence[Evidence], *, names: str) -> Reason:
    """The sentence of an error block; one whose code is of a later release is quoted."""
    if error.code != "spec-crashed" and error.code not in EARLY_ENDS:
        return Reason(code=error.code, text=error.text, evidence=tuple(told))
    return reason(error.code, told, detail=_signal_in(error.text), names=names)


def _signal_in(text: str) -> str:
    return next((word for word in text.split() if word.startswith("SIG")), "unknown")


def _spec_evidence(run: Run, specs: Sequence[SpecResult]) -> list[Evidence]:
    evidence: list[Evidence] = []
    for spec in specs[:NAMES_SHOWN]:
        if "log" in spec.sources:
            evidence.extend(log_at(run, spec.offset))
        if spec.artifact is not None:
            evidence.append({"kind": "artifact", "path": spec.artifact})
    return evidence


def _failed(case: Case, failed: list[SpecResult]) -> Reason:
    errors = {
        spec.error.code: spec.error
        for child in case.subrun.children
        for spec in child.specs
        if spec.error is not None
    }
    told = _spec_evidence(case.run, failed)
    if len(errors) == 1 and len(failed) == 1:
        return _error_told(next(iter(errors.values())), told, names=failed[0].spec)
    base = reason(
        "tests-failed",
        told,
        failed=len(failed),
        planned=case.ledger.planned,
        names=names([spec.spec for spec in failed]),
    )
    conflict = next((spec.conflict for spec in failed if spec.conflict is not None), None)
    return base if conflict is None else and_text(base, f"{conflict}.")


def _failing_totals(case: Case) -> Reason | None:
    for child in case.subrun.children:
        totals = child.totals
        if totals is not None and (totals.verdict == "failed" or totals.counts.failing):
            base = reason(
                "tests-failed",
                log_at(case.run, totals.offset),
                failed=totals.failed if totals.failed is not None else 1,
                planned=case.ledger.planned,
                names="see the final table",
            )
            return and_text(base, "Only the totals row says so; it was believed.")
    return None


def subrun_missing(case: Case) -> Reason | None:
    """Something planned without a result, or a requested host of this sub-run without a passed spec."""
    run, ledger = case.run, case.ledger
    place = log_at(
        run, next((child.finished_offset or child.offset for child in reversed(case.subrun.children)), None)
    )
    if any(child.too_many for child in case.subrun.children):
        lost = f"the specs beyond the {SPECS_MAX} of one Cypress run that are kept"
        return reason("results-missing", place, missing="Some", planned="the", names=lost)
    finished = unfinished(case) is None
    ran = ledger.passed + ledger.pending + ledger.skipped + ledger.no_report
    if not ran and finished:
        return reason("nothing-ran", place)
    lacking = [spec for spec in case.specs if spec.detail in ("no_report", "not_run", "skipped")]
    missing = ledger.no_report + ledger.not_run + ledger.skipped
    if missing:
        unnamed = missing - len(lacking)
        listed = [spec.spec for spec in lacking] + ([f"{unnamed} that never began"] if unnamed else [])
        told = _spec_evidence(run, lacking) or place
        return reason("results-missing", told, missing=missing, planned=ledger.planned, names=names(listed))
    if not finished:
        listed = ["the summary, which was never printed"]
        return reason("results-missing", place, missing=1, planned=ledger.planned, names=names(listed))
    foreign = _foreign_hosts(case)
    if foreign:
        wanted = hosts_named(run.request.requested_hosts)
        return reason("wrong-hosts", place, ran=hosts_named(foreign), hosts=wanted)
    pending = _hosts_without_pass(case)
    if pending:
        return reason("host-pending", place, hosts=hosts_named(pending))
    if not ledger.passed:
        return reason("nothing-ran", place)
    return None


def summarised(child: Child) -> bool:
    """Whether the child printed its summary to the end, as far as an end can be seen."""
    return child.finished_offset is not None or child.totals is not None or child.recorded_offset is not None


def unfinished(case: Case) -> Child | SubRun | None:
    """The child (or the wrapper's sub-run) that did not print its end; None if all is finished."""
    wrapper = case.subrun.wrapper
    if wrapper is not None and wrapper.finished_offset is None:
        return case.subrun
    return next((child for child in case.subrun.children if not summarised(child)), None)


def _foreign_hosts(case: Case) -> tuple[str, ...]:
    """The hosts that ran, if none of them was requested."""
    requested = set(case.run.request.requested_hosts)
    ran = real_hosts(case, began_only=True)
    return ran if requested and ran and not requested & set(ran) else ()


def _hosts_without_pass(case: Case) -> list[str]:
    requested = set(case.run.request.requested_hosts)
    passed = {spec.host for spec in case.specs if spec.detail == "completed"}
    return [host for host in real_hosts(case, began_only=True) if host in requested and host not in passed]


def subrun_passed(case: Case) -> Reason:
    """Everything planned passed."""
    place = log_at(
        case.run,
        next((c.totals.offset for c in reversed(case.subrun.children) if c.totals is not None), None),
    )
    pending = f" ({case.ledger.pending} pending)" if case.ledger.pending else ""
    return reason("all-passed", place, planned=case.ledger.planned, hosts=pending)


SUBRUN_CONDITIONS: dict[str, Callable[[Case], Reason | None]] = {
    "failure": subrun_failure,
    "missing": subrun_missing,
    "passed": subrun_passed,
}


def judge_subrun(case: Case) -> Judged:
    """The verdict of a sub-run that has ended, by `SUBRUN_VERDICTS`."""
    for row in SUBRUN_VERDICTS:
        found = SUBRUN_CONDITIONS[row.condition](case)
        if found is not None:
            return Judged(row.phase, found)
    raise AssertionError("the last row of SUBRUN_VERDICTS always holds")
