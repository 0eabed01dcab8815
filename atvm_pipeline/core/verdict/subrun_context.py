"""The current specs, hosts, sums, name and notes of a sub-run, derived from the facts, for a verdict or for display.

`subrun_verdict.py` and `run_verdict.py` decide the verdict itself.
"""

from typing import NamedTuple

from msgspec import convert
from msgspec.structs import replace

from atvm_pipeline.core.hosts.host_names import group_name, hosts_in_label
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.results import HostResult, Ledger, SpecResult, SubRunResult
from atvm_pipeline.core.spec_names import base_name
from atvm_pipeline.core.state import RECORDED_URL_CHARS_MAX, Reason, Run, SubRun
from atvm_pipeline.core.subruns.summary_facts import adopted
from atvm_pipeline.core.text import join_names, one_line, plural

from .ledger import add_ledgers, host_results, known_hosts, ledger_of, spec_results
from .log_notes import log_notes
from .quiet_log import log_kind, reports_ledger
from .report_notes import subrun_report_notes
from .report_results import overwritten_group_report

CONFLICTS_SHOWN = 15
"""Notes about specs whose sources differ; the others are counted."""


class SubRunContext(NamedTuple):
    """One sub-run with everything that can be derived about it."""

    run: Run
    subrun: SubRun
    specs: tuple[SpecResult, ...]
    hosts: tuple[HostResult, ...]
    ledger: Ledger


class Name(NamedTuple):
    """The label and the name of a sub-run."""

    label: str | None
    name: str
    trusted: bool | None
    """None if there is no label, or no known host to compare it with."""


def subrun_context(run: Run, subrun: SubRun) -> SubRunContext:
    """Derive everything about one sub-run."""
    if any(child.held is not None for child in subrun.children):
        subrun = replace(subrun, children=tuple(map(adopted, subrun.children)))
    specs = spec_results(run, subrun)
    return SubRunContext(run, subrun, specs, host_results(run, specs), ledger_of(subrun, specs))


def name_of(case: SubRunContext) -> Name:
    """Return label and name; if the label does not match the hosts that ran, the name is derived from those hosts."""
    run, subrun = case.run, case.subrun
    build_name = run.request.build_name or "run"
    if not run.request.categorized:
        return Name(_label(subrun), build_name, None)
    label = _label(subrun)
    known = known_hosts(run)
    dialect = run.request.dialect
    ran = real_hosts(case, began_only=True)
    inferred = group_name(build_name, run.request.requested_hosts, ran) if ran else None
    if label is None:
        return Name(None, inferred or f"{build_name}#{subrun.index}", None)
    named = hosts_in_label(label, known, dialect)
    if not ran or not named:
        return Name(label, label if named or inferred is None else inferred, None)
    complete = case.ledger.not_run == 0
    spelled, seen = ({host.casefold() for host in hosts} for hosts in (named, ran))
    fits = spelled == seen if complete else seen <= spelled
    return Name(label, label if fits or inferred is None else inferred, fits)


def _label(subrun: SubRun) -> str | None:
    labels = [child.label for child in subrun.children if child.label is not None]
    groups = [
        child.described.group
        for child in subrun.children
        if child.described is not None and child.described.group
    ]
    if subrun.wrapper is not None and subrun.wrapper.group is not None:
        groups.append(subrun.wrapper.group)
    return next(iter((*labels, *groups)), None)


def real_hosts(case: SubRunContext, *, began_only: bool) -> tuple[str, ...]:
    """Return the hosts of the sub-run's specs that are certain: requested, in the inventory, or in the form of a host."""
    known = known_hosts(case.run)
    hosts = (
        spec.host
        for spec in case.specs
        if spec.host is not None and (not began_only or spec.detail != "not_run" or spec.position is not None)
    )
    return tuple(
        dict.fromkeys(
            host for host in hosts if hosts_in_label(host, known, case.run.request.dialect) == (host,)
        )
    )


def notes_of(case: SubRunContext, name: Name, code: str) -> tuple[str, ...]:
    """Return the sentences about a mismatch, a conflict or a recovered result; `code` is that of the reason."""
    # Notes about reports come first, so that no other note displaces them from a message.
    notes = list(subrun_report_notes(case.run, case.subrun.index))
    if name.trusted is False and code == "wrong-hosts":
        # The reason names the hosts that ran.
        notes.append(f"The label of this group is {name.label}.")
    elif name.trusted is False:
        notes.append(label_mismatch(case, name.label, name.name))
    # Several specs may have the same conflict, and a note about the report may contain it already.
    texts = dict.fromkeys(spec.conflict for spec in case.specs if spec.conflict is not None)
    conflicts = [f"Sources differ: {conflict}." for conflict in texts if f"{conflict}." not in notes]
    notes += conflicts[:CONFLICTS_SHOWN]
    if len(conflicts) > CONFLICTS_SHOWN:
        notes.append(f"Sources differ for {plural(len(conflicts) - CONFLICTS_SHOWN, 'more spec')}.")
    recovered = [spec.spec for spec in case.specs if spec.sources == ("xml",)]
    if recovered:
        notes.append(f"Result taken from the report because the log has none: {join_names(recovered)}.")
    non_hosts = frozenset(base_name(spec.spec) for spec in case.specs if spec.host is None)
    grouped = overwritten_group_report(case.run, case.subrun, non_hosts) if non_hosts else None
    if grouped is not None:
        own = sum(1 for host in case.hosts if host.artifact is not None)
        notes.append(
            f"The grouped report {grouped} contains only {join_names(sorted(non_hosts))}; the results are from the log and "
            f"from the hosts' own reports ({own} of {plural(len(case.hosts), 'host')})."
        )
    return tuple(notes)


def label_mismatch(case: SubRunContext, label: str | None, name: str) -> str:
    """Return the note that the label does not match the hosts that ran, and under which name the sub-run is reported."""
    ran = join_names(real_hosts(case, began_only=True))
    return f"The label {label} does not match the hosts that ran ({ran}); the group is reported as {name}."


def result_of(case: SubRunContext, phase: Phase, reason: Reason, *, failing: bool) -> SubRunResult:
    """Return the sub-run as it is shown to users."""
    name = name_of(case)
    subrun = case.subrun
    return SubRunResult(
        index=subrun.index,
        label=name.label,
        name=name.name,
        label_trusted=name.trusted,
        phase=phase.value,
        failing=failing,
        reason=reason_dict(reason),
        started_at=subrun.started_at,
        finished_at=subrun.ended_at,
        gap_before_s=_gap_before_s(case.run, subrun),
        recorded_url=_recorded_url(subrun),
        ledger=case.ledger,
        specs=case.specs,
        hosts=case.hosts,
        notes=(*notes_of(case, name, reason.code), *log_notes(case.run, subrun, reason.code)),
    )


def _gap_before_s(run: Run, subrun: SubRun) -> float | None:
    """Return the seconds in which nothing of the run was reported before a sub-run started; None if that is not known."""
    if subrun.started_at is None or run.request.offline:
        return None
    before = run.request.at if subrun.index == 1 else run.subruns[subrun.index - 2].ended_at
    if before is None:
        return None
    return max(0.0, round((subrun.started_at - before).total_seconds(), 3))


def _recorded_url(subrun: SubRun) -> str | None:
    """Return the last address that Cypress printed: below a final table, else in a header box."""
    printed = [child.recorded_url for child in subrun.children if child.recorded_url]
    if printed:
        return printed[-1]
    headers = [child.described.run_url for child in subrun.children if child.described is not None]
    return next((one_line(url, RECORDED_URL_CHARS_MAX) for url in reversed(headers) if url), None)


def reason_dict(reason: Reason) -> dict[str, object]:
    """Return a reason in the form of the state files."""
    return {"code": reason.code, "text": reason.text, "evidence": [dict(item) for item in reason.evidence]}


def reason_of(result: SubRunResult) -> Reason:
    """Return a sub-run's reason: the reverse of `reason_dict`."""
    return convert(result.reason, Reason)


def run_ledger(run: Run, results: tuple[SubRunResult, ...]) -> Ledger:
    """Return the run's sums over its sub-runs, plus the requested hosts without a planned spec in any of them."""
    proven = reports_ledger(run)
    if proven is not None:
        return proven
    if log_kind(run) is not None:
        return add_ledgers([result.ledger for result in results], 0)
    return add_ledgers([result.ledger for result in results], _hosts_not_planned(run, results))


def _hosts_not_planned(run: Run, results: tuple[SubRunResult, ...]) -> int:
    """Count the requested hosts without a planned spec in any sub-run's ledger.

    A ledger also counts specs without a name: Cypress cuts a long list of specs, or the log lost its header box. Such a spec
    can belong to any requested host; in a categorized run, only to a host that the label of its sub-run names.
    """
    hosts = hosts_without_spec(run, results)
    for result in results:
        unnamed = result.ledger.planned - len(result.specs)
        if hosts and unnamed:
            counted = [host for host in hosts if _may_plan(run, result, host)][:unnamed]
            hosts = tuple(host for host in hosts if host not in counted)
    return len(hosts)


def _may_plan(run: Run, result: SubRunResult, host: str) -> bool:
    if not run.request.categorized:
        return True
    if result.label is None or result.label_trusted is False:
        return False
    return host in hosts_in_label(result.label, known_hosts(run), run.request.dialect)


def hosts_without_spec(run: Run, results: tuple[SubRunResult, ...]) -> tuple[str, ...]:
    """Return the requested hosts without any spec, neither one that started nor one that is planned by name."""
    named = {spec.host for result in results for spec in result.specs}
    return tuple(host for host in run.request.requested_hosts if host not in named)


def hosts_not_begun(run: Run, results: tuple[SubRunResult, ...]) -> tuple[str, ...]:
    """Return the requested hosts of which no spec started in any sub-run."""
    began = {
        spec.host
        for result in results
        for spec in result.specs
        if spec.position is not None or spec.detail != "not_run"
    }
    return tuple(host for host in run.request.requested_hosts if host not in began)
