"""Results of every spec and host of a sub-run, combined from all sources, and their sums.

This module decides no phase. The worst result of all sources in time counts, and a difference between them is reported.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from msgspec.structs import replace

from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.hosts.host_names import host_of_spec
from atvm_pipeline.core.hosts.inventory import kernel_of
from atvm_pipeline.core.junit.report import FailedCase
from atvm_pipeline.core.results import (
    KIND_BY_DETAIL,
    RESULT_WORDS,
    FailedTest,
    HostResult,
    Ledger,
    SpecResult,
    counts_text,
    is_worse,
    kind_of,
    lines_agree,
)
from atvm_pipeline.core.signature import signature_of
from atvm_pipeline.core.state import Child, Failure, Run, Spec, SubRun
from atvm_pipeline.core.subruns.children import early_ends
from atvm_pipeline.core.subruns.spec_facts import log_counts
from atvm_pipeline.core.subruns.summary_facts import adds_up

from .report_results import Doubt, Match, match_reports, report_doubts
from .spec_changes import with_changes
from .spec_times import SpecTimes, spec_times

DEATHS = frozenset({"spec-crashed", "browser-closed", "cypress-signalled", "heap-exhausted"})
"""Errors after the death of a browser or of Cypress itself: the spec that was running has crashed."""


class Planned(NamedTuple):
    """The number of planned specs, and its source."""

    specs: int
    source: str


def known_hosts(run: Run) -> tuple[str, ...]:
    """Return every host name that is certain: requested, or in the inventory."""
    return tuple(dict.fromkeys((*run.request.requested_hosts, *run.request.inventory)))


def planned_specs(child: Child) -> Planned:
    """Return the number of specs that one child was to run, and the source of the number.

    It is N of `(i of N)`. In a parallel group, N is the number of the group. If i jumps without `Parallel: true`, a line was
    lost or the server counts for the group: then the totals row shows whether the named specs are complete.
    """
    began = [spec for spec in child.specs if spec.began]
    positions = [spec.position for spec in began if spec.position is not None]
    if positions:
        total = next((spec.total for spec in reversed(began) if spec.total is not None), 0)
        parallel = child.described is not None and child.described.parallel
        # In a recorded parallel run, positions count the instances of the complete group: they may jump or start late.
        if parallel:
            return Planned(len(child.specs), "began")
        jumps = positions[0] > 1 or any(after - before > 1 for before, after in pairwise(positions))
        if jumps and adds_up(child):
            return Planned(len(child.specs), "began")
        return Planned(max(total, len(child.specs)), "running-line")
    if child.described is not None and child.described.parallel:
        return Planned(len(child.specs), "began")
    if child.described is not None and child.described.specs_found is not None:
        return Planned(max(child.described.specs_found, len(child.specs)), "specs-found")
    return Planned(len(child.specs), "began" if child.specs else "none")


def _planned(subrun: SubRun) -> Planned:
    if subrun.wrapper is not None and subrun.wrapper.total is not None:
        seen = sum(len(child.specs) for child in subrun.children)
        return Planned(max(subrun.wrapper.total, seen), "wrapper")
    plans = [planned_specs(child) for child in subrun.children]
    sources = {plan.source for plan in plans if plan.source != "none"}
    source = "none" if not sources else sources.pop() if len(sources) == 1 else "mixed"
    return Planned(sum(plan.specs for plan in plans), source)


def spec_results(run: Run, subrun: SubRun) -> tuple[SpecResult, ...]:
    """Return every spec of the sub-run in order; planned ones that never started come last, if their names are known."""
    known = known_hosts(run)
    specs = [(child, spec) for child in subrun.children for spec in child.specs]
    hosts = [host_of_spec(spec.spec, known, run.request.dialect) for _, spec in specs]
    victims = {id(_victim(child)) for child in subrun.children}
    offline = run.request.offline
    times = [times for child in subrun.children for times in spec_times(child, offline=offline)]
    matches = match_reports(run, subrun)
    results = [
        _spec_result(spec, host, match, when, died=id(spec) in victims)
        for (_, spec), host, match, when in zip(specs, hosts, matches, times, strict=True)
    ]
    for place, doubt in report_doubts(run, subrun).items():
        results[place] = _doubted(results[place], doubt)
    if run.history is not None:
        results = [
            with_changes(run.history, result, match) for result, match in zip(results, matches, strict=True)
        ]
    for child in subrun.children:
        for name in _names_not_begun(child):
            result, detail = RESULT_WORDS["not_run"]
            host = host_of_spec(name, known, run.request.dialect)
            results.append(SpecResult(spec=name, result=result, detail=detail, host=host))
    return tuple(results)


def _names_not_begun(child: Child) -> tuple[str, ...]:
    described = child.described
    if described is None or described.parallel or planned_specs(child).specs != len(described.spec_names):
        return ()
    seen = {spec.spec for spec in child.specs}
    return tuple(name for name in described.spec_names if name not in seen)


def _victim(child: Child) -> Spec | None:
    """Return the spec that was running when the child's browser or Cypress itself died."""
    died = any(error.code in DEATHS for error in early_ends(child))
    last = child.specs[-1] if child.specs else None
    return last if died and last is not None and last.began and last.box is None else None


def _spec_result(
    spec: Spec, host: str | None, match: Match | None, when: SpecTimes, *, died: bool
) -> SpecResult:
    log = log_counts(spec)
    reported = match.reported if match is not None else None
    fits = match is not None and match.fits
    counts = log or (reported.counts if reported is not None else Counts())
    sources: tuple[str, ...] = ("log",) if log is not None or reported is None else ()
    believed = reported is not None and not fits and _is_believed(reported.counts, counts)
    if fits or believed:
        sources = (*sources, "xml")
    if believed and reported is not None:
        counts = reported.counts
    kind = "crashed" if died else _kind(spec, counts)
    if kind in ("passed", "pending") and not (fits or _has_own_source(spec)):
        kind = "no_report"
    conflict = _conflict(spec, match, believed=believed)
    result, detail = RESULT_WORDS[kind]
    named: Sequence[Failure | FailedCase] = spec.failures
    if not named and reported is not None:
        named = reported.failed
    failures = tuple(
        FailedTest(title=test.title, error=test.error, signature=signature_of(test.error)) for test in named
    )
    flaky = spec.flaky or (reported.flaky if reported is not None and fits else ())
    duration_s = spec.duration_s
    if duration_s is None and reported is not None and fits:
        duration_s = reported.duration_s
    return SpecResult(
        spec=spec.spec,
        position=spec.position,
        result=result,
        detail=detail,
        tests=counts.tests,
        passing=counts.passing,
        failing=counts.failing,
        pending=counts.pending,
        skipped=counts.skipped,
        started_at=when.started_at,
        finished_at=when.finished_at,
        running=when.running,
        duration_s=duration_s,
        host=host,
        flaky=spec.flaky,
        flaky_tests=flaky,
        failures=failures,
        sources=sources,
        artifact=match.artifact.path if match is not None and "xml" in sources else None,
        offset=spec.box_offset if spec.box_offset is not None else spec.offset,
        conflict=conflict,
    )


def _is_believed(reported: Counts, log: Counts) -> bool:
    """Return whether the report decides: only a failure does, other differences are a note."""
    return reported.failing > 0 and is_worse(reported, log)


def _doubted(result: SpecResult, doubt: Doubt) -> SpecResult:
    """Return the spec without a result, because a failing report may belong to it."""
    if result.result == "FAIL" or result.detail == "not_run":
        return result
    word, detail = RESULT_WORDS["no_report"]
    counts = dict.fromkeys(Counts.__struct_fields__, 0)
    return replace(result, result=word, detail=detail, artifact=doubt.path, conflict=doubt.text, **counts)


def _has_own_source(spec: Spec) -> bool:
    """Return whether another source than the final table shows how the spec ended; a row alone proves nothing."""
    if spec.box is not None or spec.row is None:
        return True
    return spec.counted is not None and lines_agree(spec.counted, spec.row)


def _kind(spec: Spec, counts: Counts) -> str:
    if spec.error is not None and spec.error.code == "spec-crashed":
        return "crashed"
    if spec.error is not None or spec.row_mark == "failed":
        return "failed"
    if spec.box is None and spec.row is None and counts == Counts():
        return "no_report" if spec.began else "not_run"
    return "skipped" if spec.row_skipped and not counts.failing else kind_of(counts)


def _conflict(spec: Spec, match: Match | None, *, believed: bool) -> str | None:
    box, row = spec.box, spec.row
    if box is not None and row is not None and not spec.row_skipped and box != row:
        return f"{spec.spec}: its result box shows {counts_text(box)}, the final table {counts_text(row)}; the worse result counts"
    if box is not None and not box.failing and spec.row_mark == "failed":
        return f"{spec.spec}: its result box shows {counts_text(box)}, the final table marks it as failed; the failure counts"
    if match is not None and (not match.fits or match.others):
        log = log_counts(spec)
        shown = [
            f"{name} shows {counts_text(counts)}"
            for name, counts in ((match.name, match.reported.counts), *match.others)
        ]
        if log is not None:
            shown.insert(0, f"the log shows {counts_text(log)}")
        believed_name = match.artifact.path if match.others else "the report"
        which = "the log" if log is not None and not believed else believed_name
        return f"{spec.spec}: {', '.join(shown)}; {which} counts"
    return None


def ledger_of(subrun: SubRun, specs: Sequence[SpecResult]) -> Ledger:
    """Return the sums over a sub-run's specs; planned specs without a name count as not_run, so that the sums balance."""
    planned = _planned(subrun)
    counted = dict.fromkeys(RESULT_WORDS, 0)
    for spec in specs:
        counted[KIND_BY_DETAIL[spec.detail]] += 1
    total = max(planned.specs, len(specs))
    counted["not_run"] += total - len(specs)
    flaky = sum(1 for spec in specs if spec.flaky)
    return Ledger(planned=total, planned_source=planned.source, flaky=flaky, **counted)


def add_ledgers(ledgers: Sequence[Ledger], hosts_not_planned: int) -> Ledger:
    """Return the run's ledger: the sums of its sub-runs, plus one planned and not run spec per host in `hosts_not_planned`."""
    sources = {ledger.planned_source for ledger in ledgers if ledger.planned_source != "none"}
    source = "none" if not sources else sources.pop() if len(sources) == 1 else "mixed"
    sums = {
        name: sum(getattr(ledger, name) for ledger in ledgers) for name in ("planned", *RESULT_WORDS, "flaky")
    }
    sums["planned"] += hosts_not_planned
    sums["not_run"] += hosts_not_planned
    return Ledger(planned_source=source, **sums)


def host_results(run: Run, specs: Sequence[SpecResult]) -> tuple[HostResult, ...]:
    """Return one result per host in order of appearance: the worst of its specs, with summed counts and durations."""
    by_host: dict[str, list[SpecResult]] = {}
    for spec in specs:
        if spec.host is not None:
            by_host.setdefault(spec.host, []).append(spec)
    return tuple(_host_result(run, host, own) for host, own in by_host.items())


def _host_result(run: Run, host: str, specs: Sequence[SpecResult]) -> HostResult:
    order = list(RESULT_WORDS)
    worst = min(specs, key=lambda spec: order.index(KIND_BY_DETAIL[spec.detail]))
    durations = [spec.duration_s for spec in specs if spec.duration_s is not None]
    return HostResult(
        host=host,
        kernel=kernel_of(run.request.inventory, host),
        result=worst.result,
        detail=worst.detail,
        tests=sum(spec.tests for spec in specs),
        passing=sum(spec.passing for spec in specs),
        failing=sum(spec.failing for spec in specs),
        pending=sum(spec.pending for spec in specs),
        skipped=sum(spec.skipped for spec in specs),
        duration_s=sum(durations) if durations else None,
        sources=tuple(dict.fromkeys(source for spec in specs for source in spec.sources)),
        artifact=next((spec.artifact for spec in specs if spec.artifact is not None), None),
    )
