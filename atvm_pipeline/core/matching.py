"""Whose artifact is it: which report speaks of which spec of this run (contract §4).

A report counts only if its spec file (else its host), its time and its counts fit a spec that this run's log ran.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from msgspec.structs import replace

from .children import same_spec
from .events import ArtifactWritten
from .facts import Counts
from .naming import hosts_in_label
from .recognise.dialect import Dialect
from .recognise.reports import ReportedSpec
from .results import is_worse
from .state import Child, Run, Spec, SubRun

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


def match_reports(run: Run, subrun: SubRun, hosts: Sequence[str | None]) -> list[Match | None]:
    """The report of every spec of a sub-run (`hosts`: one for each); the newest that fits, else the worst that contradicts.

    A report speaks of one spec. Specs of which the log tells a result choose first.
    """
    specs = [(child, spec) for child in subrun.children for spec in child.specs]
    index = index_artifacts(run)
    specs_of_host = Counter(hosts)
    taken: set[tuple[int, str]] = set()
    found: list[Match | None] = [None] * len(specs)
    for at in sorted(range(len(specs)), key=lambda at: log_counts(specs[at][1]) is None):
        child, spec = specs[at]
        alone = specs_of_host[hosts[at]] == 1
        candidates = [
            (artifact, reported)
            for artifact in (*index.get(_base(spec.spec), ()), *index.get("", ()))
            if in_time(run, child, spec, artifact)
            for reported in _spoken_of(artifact, spec, hosts[at], run.request.dialect, alone=alone)
            if (artifact.seq, reported.spec) not in taken
        ]
        found[at] = match = _choose(run, spec, candidates)
        if match is not None and match.fits:
            taken.add((match.artifact.seq, match.reported.spec))
    return found


def _choose(run: Run, spec: Spec, candidates: list[tuple[ArtifactWritten, ReportedSpec]]) -> Match | None:
    log = log_counts(spec)
    for artifact, reported in candidates:
        if log is None or counts_fit(log, reported.counts):
            return Match(artifact, reported, fits=True)
    if run.request.offline:
        # Without times, what fits another group's run of the same spec is that one's.
        candidates = [pair for pair in candidates if not _fits_another(run, spec, pair[1])]
    if not candidates:
        return None
    artifact, reported = next((pair for pair in candidates if pair[1].counts.failing), candidates[0])
    return Match(artifact, reported, fits=False)


def _fits_another(run: Run, spec: Spec, reported: ReportedSpec) -> bool:
    others = (other for subrun in run.subruns for child in subrun.children for other in child.specs)
    return any(
        other is not spec and same_spec(other.spec, spec.spec) and counts_fit(log, reported.counts)
        for other in others
        if (log := log_counts(other)) is not None
    )


def log_counts(spec: Spec) -> Counts | None:
    """What the log says of a spec: its box or its row of the final table, the worse where they differ."""
    if spec.box is None or spec.row is None:
        return spec.box or spec.row
    # SKIPPED says that the spec did not run, not that its failures do not count.
    counts_too = spec.row.failing or not spec.row_skipped
    return spec.row if counts_too and is_worse(spec.row, spec.box) else spec.box


def in_time(run: Run, child: Child, spec: Spec, artifact: ArtifactWritten) -> bool:
    """Whether the report was written between the spec's begin and the settling of its child."""
    if run.request.offline:
        return True
    # Differences alone: a sum may fall off the end of the calendar.
    if (spec.since or child.at) - artifact.mtime > EARLY:
        return False
    if child.ended_at is None:
        return True
    return (artifact.mtime - child.ended_at).total_seconds() <= run.request.settings.settle_s


def _spoken_of(
    artifact: ArtifactWritten, spec: Spec, host: str | None, dialect: Dialect, *, alone: bool
) -> Iterator[ReportedSpec]:
    """What a report says of a spec: by the spec's file, else by its host or its own name."""
    assert artifact.report is not None
    for reported in artifact.report.specs:
        if reported.spec:
            if same_spec(reported.spec, spec.spec):
                yield reported
        elif host is not None and _names(artifact, reported, host, dialect, spec if not alone else None):
            yield reported


def _names(
    artifact: ArtifactWritten, reported: ReportedSpec, host: str, dialect: Dialect, spec: Spec | None
) -> bool:
    """Whether file name or suites of a report name the host, and the spec too where the host has several."""
    texts = (_base(artifact.path).removesuffix(".xml"), *reported.suites)
    if not any(host in hosts_in_label(text, (host,), dialect) for text in texts):
        return False
    return spec is None or any(_base(spec.spec).split(".cy.")[0] in text for text in texts)


def counts_fit(log: Counts, reported: Counts) -> bool:
    """Whether a report's counts can be those of the log.

    Failures must be equal, and without one the passing tests too. A report declares fewer tests where a root hook
    failed (`tests="0" failures="1"`).
    """
    if log.failing != reported.failing:
        return False
    if log.failing:
        return reported.tests <= log.tests
    return (log.tests, log.passing) == (reported.tests, reported.passing)


def overwritten_group_report(run: Run, subrun: SubRun, non_hosts: frozenset[str]) -> str | None:
    """Path of a grouped report of this sub-run that in the end holds only specs that stand for no host.

    A group's fixed-name report is overwritten spec by spec: such a path held other specs before, or bears the label.
    `non_hosts`: base names of this sub-run's specs that stand for no host.
    """
    first = next(((child, spec) for child in subrun.children for spec in child.specs), None)
    if first is None:
        return None
    whole = replace(first[0], ended_at=subrun.ended_at)
    versions: dict[str, list[set[str]]] = {}
    for artifact in run.artifacts:
        if artifact.report is not None and not artifact.stale and in_time(run, whole, first[1], artifact):
            names = {_base(reported.spec) for reported in artifact.report.specs}
            versions.setdefault(artifact.path, []).append(names)
    labels = {child.label for child in subrun.children if child.label}
    for path, held in versions.items():
        stem = _base(path).removesuffix(".xml")
        if held[-1] and held[-1] <= non_hosts and (stem in labels or any(names - held[-1] for names in held)):
            return path
    return None
