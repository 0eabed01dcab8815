"""Runs whose log proves nothing: `--quiet`, or lines that cannot be parsed. Their reports alone decide, by a strict rule.

A quiet log has only Mocha's lines and none of a Cypress run, or no such line at all while the run has fresh reports. An
unreadable log contains Cypress's words and no line that can be parsed. A failure is certain where a fresh report or an
epilogue counts one. A pass needs a fresh passing report for every spec that the config's specPattern certainly matches.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from atvm_pipeline.core.facts import WordsUnread
from atvm_pipeline.core.hosts.host_names import host_of_spec, hosts_in_label
from atvm_pipeline.core.junit.report import ReportedSpec
from atvm_pipeline.core.reason_parts import (
    QUOTED_LINE_CHARS_MAX,
    all_specs,
    and_text,
    log_evidence,
    make_reason,
)
from atvm_pipeline.core.results import Ledger, kind_of
from atvm_pipeline.core.spec_names import same_spec
from atvm_pipeline.core.state import Child, Evidence, Reason, Run
from atvm_pipeline.core.text import join_names, plural

REPORT_EVIDENCE_MAX = 20
"""Reports in the evidence of a pass."""
PART_UNREAD = (
    "Some Cypress lines of the log could not be parsed. The first looks like this: {line}. "
    "Let the runner write the lines as Cypress prints them, or with one fixed prefix."
)
_FAILING = re.compile(r"(?<![0-9.])[1-9][0-9]{0,8} failing(?![0-9A-Za-z])")
NO_SUMMARY = "The log has no Cypress summary (cypress run --quiet prints none)"


class FreshReport(NamedTuple):
    """The newest report of this run about one spec."""

    path: str
    reported: ReportedSpec


def log_kind(run: Run) -> Literal["quiet", "unreadable"] | None:
    """Return why the log proves nothing; None if a line of a Cypress run was read, or if there is no sign of one."""
    if any(_is_read(child) for subrun in run.subruns for child in subrun.children):
        return None
    if run.words_unread is not None:
        return "unreadable"
    if run.epilogue_passing or run.epilogue_failing or next(_fresh(run), None) is not None:
        return "quiet"
    return None


def _is_read(child: Child) -> bool:
    return bool(child.started or child.specs or child.totals) or child.finished_offset is not None


def fresh_reports(run: Run) -> tuple[FreshReport, ...]:
    """Return the newest report of each spec, and of each file that names none."""
    newest: dict[str, FreshReport] = {}
    for report in _fresh(run):
        newest[report.reported.spec or report.path] = report
    return tuple(newest.values())


def _fresh(run: Run) -> Iterator[FreshReport]:
    for artifact in run.artifacts:
        if artifact.report is not None and not artifact.stale and not artifact.rivals:
            for reported in artifact.report.specs:
                yield FreshReport(artifact.path, reported)


def quiet_failure(run: Run) -> Reason | None:
    """Return the reason if a fresh report of a requested host, or an epilogue, counts a failure."""
    if log_kind(run) is None:
        return None
    failing = [found for found in fresh_reports(run) if found.reported.counts.failing and is_ours(run, found)]
    if failing:
        evidence: list[Evidence] = [{"kind": "artifact", "path": found.path} for found in failing]
        said = join_names([found.reported.spec or found.path for found in failing])
        text = f"{plural(len(failing), 'report')} of this run {'shows' if len(failing) == 1 else 'show'} a failure: {said}. {_why(run)}."
        return Reason(code="tests-failed", text=text, evidence=tuple(evidence))
    if run.epilogue_failing:
        tests = plural(run.epilogue_failing, "failing test")
        text = f"The log shows {tests} and {run.epilogue_passing} passing. {_why(run)}."
        return Reason(code="tests-failed", text=text, evidence=tuple(log_evidence(run, run.log.end)))
    return None


def is_ours(run: Run, found: FreshReport) -> bool:
    """Return whether a report is about a requested host, or about no host: other runs may share the directory."""
    requested = run.request.requested_hosts
    if not requested:
        return True
    dialect, spec = run.request.dialect, found.reported.spec
    if spec:
        host = host_of_spec(spec, requested, dialect)
        return host is None or host in requested
    texts = (found.path.rsplit("/", 1)[-1], *found.reported.suites)
    named = {host for text in texts for host in hosts_in_label(text, requested, dialect)}
    return not named or bool(named & set(requested))


def quiet_unproven(run: Run) -> Reason | None:
    """Return the reason if the log proves nothing and the reports do not prove a pass either."""
    kind, unread = log_kind(run), run.words_unread
    if reports_suffice(run) or (kind is None and unread is None):
        return None
    if unread is not None and kind is not None:
        return make_reason(
            "log-unreadable", log_evidence(run, unread.offset), line=unread.text[:QUOTED_LINE_CHARS_MAX]
        )
    if unread is not None:
        return None if unread.only_absence else part_unread(run, unread)
    found = make_reason("no-summary", log_evidence(run, run.log.end))
    reports = fresh_reports(run)
    return and_text(
        found, f"{plural(len(reports), 'fresh report')} without a failure." if reports else "No fresh report."
    )


def part_unread(run: Run, unread: WordsUnread) -> Reason:
    """Return the reason of a run or a sub-run in whose log some lines of Cypress could not be parsed."""
    text = PART_UNREAD.format(line=unread.text[:QUOTED_LINE_CHARS_MAX])
    return Reason(code="log-unreadable", text=text, evidence=tuple(log_evidence(run, unread.offset)))


def reports_suffice(run: Run) -> bool:
    """Return whether the reports alone prove a pass: exit code 0, no error, and a passing report of each certainly planned spec."""
    planned, exit_ = run.request.planned_specs, run.exit
    if not planned or log_kind(run) is None or run.epilogue_failing:
        return False
    if run.words_unread is not None and _FAILING.search(run.words_unread.text):
        return False
    if exit_ is None or exit_.assumed or exit_.exit_code != 0:
        return False
    if any(child.errors or child.doubtful for subrun in run.subruns for child in subrun.children):
        return False
    hosts = {host_of_spec(spec, run.request.requested_hosts, run.request.dialect) for spec in planned}
    if not hosts.issuperset(run.request.requested_hosts):
        return False
    reports = fresh_reports(run)
    return all(_is_green(spec, reports) for spec in planned)


def _is_green(spec: str, reports: tuple[FreshReport, ...]) -> bool:
    own = [
        found.reported for found in reports if found.reported.spec and same_spec(found.reported.spec, spec)
    ]
    return len(own) == 1 and kind_of(own[0].counts) == "passed"


def reports_ledger(run: Run) -> Ledger | None:
    """Return the counts of a run that its reports alone prove; None for any other."""
    if not reports_suffice(run):
        return None
    planned = len(run.request.planned_specs or ())
    return Ledger(planned=planned, planned_source="reports", passed=planned)


def proof_by_reports(run: Run) -> Reason | None:
    """Return the reason of a run that its reports alone prove; None for any other."""
    ledger = reports_ledger(run)
    if ledger is None:
        return None
    hosts = " on every requested host" if run.request.requested_hosts else "; hosts not checked"
    evidence: list[Evidence] = [
        {"kind": "artifact", "path": found.path} for found in fresh_reports(run)[:REPORT_EVIDENCE_MAX]
    ]
    found = make_reason("all-passed", evidence, specs=all_specs(ledger.planned), hosts=hosts)
    return and_text(found, f"Only the reports prove it. {_why(run)}.")


def _why(run: Run) -> str:
    return "The lines of the log cannot be parsed" if log_kind(run) == "unreadable" else NO_SUMMARY
