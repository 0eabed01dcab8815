"""Chooses, for every spec, the report that counts in addition to the log.

A failing report decides, even if another report or the log shows a pass. Without a failure, the newest report that fits the
log is a second source; a difference is reported and changes nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from atvm_pipeline.core.events import ArtifactWritten
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit.report import ReportedSpec
from atvm_pipeline.core.spec_names import base_name
from atvm_pipeline.core.state import Run, Spec, SubRun
from atvm_pipeline.core.subruns.spec_facts import log_counts

from .report_matching import Owned, Ownership, fresh_suites, ownership
from .report_notes import candidate_names, shared_text
from .report_windows import counts_fit

OTHERS_NAMED_MAX = 3
"""Contradicting reports that are listed in addition to the one that counts."""


class Match(NamedTuple):
    """The report that counts for a spec."""

    artifact: ArtifactWritten
    reported: ReportedSpec
    fits: bool
    """Whether its counts agree with those of the log, or the log has no counts."""
    name: str
    """Its path, and in brackets whether it was overwritten or is incomplete."""
    others: tuple[tuple[str, Counts], ...] = ()
    """Name and counts of further reports of the spec that differ."""


class Doubt(NamedTuple):
    """A failing report that may belong to this spec or to another one."""

    path: str
    text: str


def match_reports(run: Run, subrun: SubRun) -> list[Match | None]:
    """Return, for every spec of a sub-run, the report that counts, or None."""
    found = ownership(run)
    specs = [spec for child in subrun.children for spec in child.specs]
    return [_choose(spec, found.owned.get((subrun.index, at), ()), found) for at, spec in enumerate(specs)]


def report_doubts(run: Run, subrun: SubRun) -> dict[int, Doubt]:
    """Return, by the place of a spec in its sub-run, why it cannot count as passed, whatever the log shows."""
    doubts: dict[int, Doubt] = {}
    for shared in ownership(run).shared:
        failing = next((suite for suite in shared.suites if suite.reported.counts.failing), None)
        if failing is None:
            continue
        doubt = Doubt(failing.artifact.path, shared_text(failing, candidate_names(shared)))
        for index, place in (running.key for running in shared.runnings):
            if index == subrun.index:
                doubts.setdefault(place, doubt)
    return doubts


def _choose(spec: Spec, owned: Sequence[Owned], found: Ownership) -> Match | None:
    """Return the newest failing report, else the newest of all; one that fits the log before one that does not."""
    log = log_counts(spec)
    complete = [own for own in reversed(owned) if not own.suite.reported.incomplete]
    failing = [own for own in (*complete, *reversed(owned)) if own.suite.reported.counts.failing]
    usable = failing or [own for own in complete if log is not None or own.certain]
    if not usable:
        return None
    fitting = (own for own in usable if log is None or counts_fit(log, own.suite.reported))
    chosen = next(fitting, None)
    fits = chosen is not None
    chosen = chosen or usable[0]
    return Match(*chosen.suite, fits, _named(chosen, found), _others(chosen, complete, found))


def _others(chosen: Owned, complete: Sequence[Owned], found: Ownership) -> tuple[tuple[str, Counts], ...]:
    """Return the reports that contradict the one that counts, without earlier passing versions of the same file."""
    path, counts = chosen.suite.artifact.path, chosen.suite.reported.counts
    others = [own for own in complete if own.suite.reported.counts != counts]
    others = [own for own in others if own.suite.artifact.path != path or own.suite.reported.counts.failing]
    return tuple((_named(own, found), own.suite.reported.counts) for own in others[:OTHERS_NAMED_MAX])


def _named(own: Owned, found: Ownership) -> str:
    artifact = own.suite.artifact
    overwritten = found.newest.get(artifact.path) != artifact.seq
    about = ("since overwritten",) if overwritten else ()
    if own.suite.reported.incomplete:
        about = (*about, "only partly readable")
    return f"{artifact.path} ({', '.join(about)})" if about else artifact.path


def overwritten_group_report(run: Run, subrun: SubRun, non_hosts: frozenset[str]) -> str | None:
    """Return the path of a grouped report of this sub-run whose last version has only specs that stand for no host.

    A group's fixed-name report is overwritten spec by spec: such a file had other specs before, or is named after the
    group's label. `non_hosts` are the base names of this sub-run's specs that stand for no host.
    """
    own = {
        owned.suite.artifact.seq
        for (index, _), suites in ownership(run).owned.items()
        if index == subrun.index
        for owned in suites
    }
    versions: dict[str, list[set[str]]] = {}
    for artifact in fresh_suites(run):
        if artifact.report is not None and artifact.seq in own:
            held = {base_name(reported.spec) for reported in artifact.report.specs}
            versions.setdefault(artifact.path, []).append(held)
    labels = {child.label for child in subrun.children if child.label}
    for path, names in versions.items():
        labelled = base_name(path).removesuffix(".xml") in labels
        if names[-1] <= non_hosts and (labelled or any(before - names[-1] for before in names)):
            return path
    return None
