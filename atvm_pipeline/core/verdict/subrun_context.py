"""What a sub-run looks like right now: its specs, hosts, sums, name and notes, ready to be judged or shown.

Derives from the facts; the verdict itself is `run_verdict.py`'s.
"""

from typing import NamedTuple

from msgspec import convert
from msgspec.structs import replace

from atvm_pipeline.core.hosts.host_names import group_name, hosts_in_label
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.results import HostResult, Ledger, SpecResult, SubRunResult
from atvm_pipeline.core.spec_names import base_name
from atvm_pipeline.core.state import Reason, Run, SubRun
from atvm_pipeline.core.subruns.final_tables import adopted
from atvm_pipeline.core.text import join_names

from .ledger import add_ledgers, host_results, known_hosts, ledger_of, spec_results
from .log_notes import log_notes
from .quiet_log import log_kind, reports_ledger
from .report_matching import overwritten_group_report
from .report_notes import subrun_report_notes

CONFLICTS_SHOWN = 15
"""Notes about specs of which two sources say different things; the rest is counted."""


class SubRunContext(NamedTuple):
    """One sub-run with everything that can be derived about it."""

    run: Run
    subrun: SubRun
    specs: tuple[SpecResult, ...]
    hosts: tuple[HostResult, ...]
    ledger: Ledger


class Name(NamedTuple):
    """What a sub-run is called."""

    label: str | None
    name: str
    trusted: bool | None
    """None where there is no label, or no known host to hold it against."""


def subrun_context(run: Run, subrun: SubRun) -> SubRunContext:
    """Derive everything about one sub-run."""
    if any(child.held is not None for child in subrun.children):
        subrun = replace(subrun, children=tuple(map(adopted, subrun.children)))
    specs = spec_results(run, subrun)
    return SubRunContext(run, subrun, specs, host_results(run, specs), ledger_of(subrun, specs))


def name_of(case: SubRunContext) -> Name:
    """Label and name (contract §4): a label that does not fit the hosts that really ran gives way to them."""
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
    """Hosts of the sub-run's specs that are hosts for sure (requested, in the inventory, or of a host's form)."""
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


def notes_of(case: SubRunContext, name: Name) -> tuple[str, ...]:
    """Sentences about a mismatch, a conflict or a recovered result."""
    # First, so that nothing pushes them out of a message.
    notes = list(subrun_report_notes(case.run, case.subrun.index))
    if name.trusted is False:
        notes.append(label_mismatch(case, name.label, name.name))
    # Several specs may have the same conflict, and a note about the report may contain it already.
    said = dict.fromkeys(spec.conflict for spec in case.specs if spec.conflict is not None)
    conflicts = [f"Sources differ: {conflict}." for conflict in said if f"{conflict}." not in notes]
    notes += conflicts[:CONFLICTS_SHOWN]
    if len(conflicts) > CONFLICTS_SHOWN:
        notes.append(f"Sources differ about {len(conflicts) - CONFLICTS_SHOWN} more specs.")
    recovered = [spec.spec for spec in case.specs if spec.sources == ("xml",)]
    if recovered:
        notes.append(f"Recovered from reports because the log has no result: {join_names(recovered)}.")
    non_hosts = frozenset(base_name(spec.spec) for spec in case.specs if spec.host is None)
    grouped = overwritten_group_report(case.run, case.subrun, non_hosts) if non_hosts else None
    if grouped is not None:
        own = sum(1 for host in case.hosts if host.artifact is not None)
        notes.append(
            f"The grouped report {grouped} holds only {join_names(sorted(non_hosts))}; "
            f"results were taken from the log and the hosts' own reports ({own} of {len(case.hosts)})."
        )
    return tuple(notes)


def label_mismatch(case: SubRunContext, label: str | None, name: str) -> str:
    """Say that the label does not fit the hosts that ran, so that the sub-run is reported under another name."""
    ran = join_names(real_hosts(case, began_only=True))
    return f"The label {label} does not fit the hosts that ran ({ran}); it is reported as {name}."


def result_of(case: SubRunContext, phase: Phase, reason: Reason, *, failing: bool) -> SubRunResult:
    """The sub-run as a user reads it."""
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
        ledger=case.ledger,
        specs=case.specs,
        hosts=case.hosts,
        notes=(*notes_of(case, name), *log_notes(case.run, subrun, reason.code)),
    )


def reason_dict(reason: Reason) -> dict[str, object]:
    """A reason as the user's files hold it."""
    return {"code": reason.code, "text": reason.text, "evidence": [dict(item) for item in reason.evidence]}


def reason_of(result: SubRunResult) -> Reason:
    """Return a sub-run's reason as it was before `reason_dict`."""
    return convert(result.reason, Reason)


def run_ledger(run: Run, results: tuple[SubRunResult, ...]) -> Ledger:
    """The run's sums over its sub-runs and the requested hosts that none of them has planned a spec for."""
    proven = reports_ledger(run)
    if proven is not None:
        return proven
    if log_kind(run) is not None:
        return add_ledgers([result.ledger for result in results], 0)
    return add_ledgers([result.ledger for result in results], _hosts_not_planned(run, results))


def _hosts_not_planned(run: Run, results: tuple[SubRunResult, ...]) -> int:
    """Count the requested hosts without a planned spec in any sub-run's ledger.

    A ledger also counts specs without a name: Cypress cuts a long list of specs, or the log lost its header box.  One
    that never began can be any requested host's; in a categorized run it can only be of a host that its label names.
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
    """Requested hosts that no spec of any sub-run stands for, neither one that began nor one planned by name."""
    named = {spec.host for result in results for spec in result.specs}
    return tuple(host for host in run.request.requested_hosts if host not in named)


def hosts_not_begun(run: Run, results: tuple[SubRunResult, ...]) -> tuple[str, ...]:
    """Requested hosts of which no spec began in any sub-run."""
    began = {
        spec.host
        for result in results
        for spec in result.specs
        if spec.position is not None or spec.detail != "not_run"
    }
    return tuple(host for host in run.request.requested_hosts if host not in began)
