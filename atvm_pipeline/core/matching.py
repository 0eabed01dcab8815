"""Whose artifact is it: which report speaks of which spec of this run (contract §4).

A report counts only if its spec file (else its host), its time and its counts fit a spec that this run's log ran.
"""

from datetime import timedelta
from typing import NamedTuple

from .children import same_spec
from .events import ArtifactWritten
from .facts import Counts
from .naming import hosts_in_label
from .recognise.dialect import Dialect
from .recognise.reports import ReportedSpec
from .state import Run, Spec, SubRun

EARLY = timedelta(seconds=2)
"""A file's mtime comes from the kernel's coarse clock and may lie a little before the line that was read earlier."""


class Match(NamedTuple):
    """A report that speaks of a spec."""

    artifact: ArtifactWritten
    reported: ReportedSpec
    fits: bool
    """Whether its counts are those of the log, or the log has none."""


Index = dict[str, list[ArtifactWritten]]
"""Base name of a spec file ("" where a report names none) -> the readable reports that speak of it, newest first."""


def index_artifacts(run: Run) -> Index:
    """The reports that can count at all, by the spec they speak of."""
    index: Index = {}
    for artifact in reversed(run.artifacts):
        if artifact.stale or artifact.rivals or artifact.report is None:
            continue
        for base in {_base(reported.spec) for reported in artifact.report.specs}:
            index.setdefault(base, []).append(artifact)
    return index


def _base(spec: str) -> str:
    return spec.replace("\\", "/").rsplit("/", 1)[-1]


def match_spec(run: Run, subrun: SubRun, spec: Spec, host: str | None, index: Index) -> Match | None:
    """The report of `spec`, the newest that fits first, else the newest that contradicts; None without any."""
    contradicting: Match | None = None
    for artifact in (*index.get(_base(spec.spec), ()), *index.get("", ())):
        if not in_time(run, subrun, spec, artifact):
            continue
        reported = _spoken_of(artifact, spec, host, run.request.dialect)
        if reported is None:
            continue
        log = spec.box or spec.row
        if log is None or counts_fit(log, reported.counts):
            return Match(artifact, reported, fits=True)
        contradicting = contradicting or Match(artifact, reported, fits=False)
    return contradicting


def in_time(run: Run, subrun: SubRun, spec: Spec, artifact: ArtifactWritten) -> bool:
    """Whether the report was written between the spec's begin and the settling of its sub-run."""
    if run.request.offline:
        return True
    began = spec.at or subrun.started_at
    assert began is not None, "a sub-run that has a spec has begun"
    if artifact.mtime < began - EARLY:
        return False
    late = timedelta(seconds=run.request.settings.settle_s)
    return subrun.ended_at is None or artifact.mtime <= subrun.ended_at + late


def _spoken_of(
    artifact: ArtifactWritten, spec: Spec, host: str | None, dialect: Dialect
) -> ReportedSpec | None:
    assert artifact.report is not None
    for reported in artifact.report.specs:
        if reported.spec:
            if same_spec(reported.spec, spec.spec):
                return reported
        elif host is not None and _names_host(artifact, reported, host, dialect):
            return reported
    return None


def _names_host(artifact: ArtifactWritten, reported: ReportedSpec, host: str, dialect: Dialect) -> bool:
    base = artifact.path.rsplit("/", 1)[-1].removesuffix(".xml")
    return any(host in hosts_in_label(text, (host,), dialect) for text in (base, *reported.suites))


def counts_fit(log: Counts, reported: Counts) -> bool:
    """Whether a report's counts can be those of the log's box.

    Failures must be equal. A report declares fewer tests where a root hook failed (`tests="0" failures="1"`).
    """
    if log.failing != reported.failing:
        return False
    return log.tests == reported.tests or (log.failing > 0 and reported.tests <= log.tests)


def overwritten_group_report(run: Run, subrun: SubRun, non_hosts: frozenset[str]) -> str | None:
    """Path of a grouped report of this sub-run that in the end holds only specs that stand for no host.

    A group's fixed-name report is overwritten spec by spec: such a path held other specs before, or bears the label.
    `non_hosts`: base names of this sub-run's specs that stand for no host.
    """
    first = next((spec for child in subrun.children for spec in child.specs), None)
    if first is None:
        return None
    versions: dict[str, list[set[str]]] = {}
    for artifact in run.artifacts:
        if artifact.report is not None and not artifact.stale and in_time(run, subrun, first, artifact):
            names = {_base(reported.spec) for reported in artifact.report.specs}
            versions.setdefault(artifact.path, []).append(names)
    labels = {child.label for child in subrun.children if child.label}
    for path, held in versions.items():
        stem = _base(path).removesuffix(".xml")
        if held[-1] and held[-1] <= non_hosts and (stem in labels or any(names - held[-1] for names in held)):
            return path
    return None
