"""Assigns every suite of every report of a run to the one spec that it is about.

A suite belongs to the spec with the longest matching path; without a file, to the spec of the host that it names.
This is repeated for every state that is saved, so each step uses an index: the work grows linearly with the run.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from atvm_pipeline.core.events import ArtifactWritten
from atvm_pipeline.core.hosts.host_names import host_of_spec, hosts_in_label
from atvm_pipeline.core.junit.report import ReportedSpec
from atvm_pipeline.core.spec_names import base_name
from atvm_pipeline.core.state import Child, Run, Spec
from atvm_pipeline.core.subruns.spec_facts import log_counts

from .report_paths import SpecNames, plain_path
from .report_windows import Placed, Window, Writing, place_by_order, place_by_time

Key = tuple[int, int]
"""Index of a sub-run, and the place of a spec among all specs of it."""


class Suite(NamedTuple):
    """The part of one version of a report that belongs to one spec."""

    artifact: ArtifactWritten
    reported: ReportedSpec


class Owned(NamedTuple):
    """A suite that is about a spec."""

    suite: Suite
    certain: bool
    """Whether it can only belong to this execution of the spec, so that it can prove a pass."""


class SpecRun(NamedTuple):
    """One execution of a spec."""

    key: Key
    child: Child
    spec: Spec


class Shared(NamedTuple):
    """Suites that match the same specs equally, so that they belong to none of them."""

    runnings: tuple[SpecRun, ...]
    suites: list[Suite]


class Ownership(NamedTuple):
    """The owner of every suite of a run's reports, and the suites without one."""

    owned: dict[Key, list[Owned]]
    """The oldest first."""
    shared: list[Shared]
    """Suites that match several specs equally."""
    rivalled: list[tuple[Suite, int | None]]
    """Suites that also match a spec of another running build, with the index of the sub-run whose notes mention them."""
    strangers: list[Suite]
    """Suites of specs that the log does not show."""
    unreadable: list[tuple[ArtifactWritten, int | None]]
    """Reports without any suite, with the index of the sub-run whose notes mention them."""
    newest: dict[str, int]
    """Path -> `seq` of its newest version."""


class SameNames:
    """Cache key of a run's log and reports.  They are frozen and large, so they are compared by identity."""

    def __init__(self, run: Run) -> None:
        """Wrap a run."""
        self.run = run

    def __hash__(self) -> int:
        return hash((id(self.run.artifacts), id(self.run.subruns)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SameNames)
            and self.run.artifacts is other.run.artifacts
            and self.run.subruns is other.run.subruns
            and self.run.request is other.run.request
        )


def ownership(run: Run) -> Ownership:
    """Return the owner of every suite."""
    return _ownership(SameNames(run))


@lru_cache(maxsize=1)
def _ownership(same: SameNames) -> Ownership:
    return _Assignment(same.run).result()


def fresh_suites(run: Run) -> Iterator[ArtifactWritten]:
    """Return the versions of reports that were written during the run, the oldest first."""
    return (artifact for artifact in run.artifacts if not artifact.stale)


class ReportWords:
    """Specs by a word that a report may contain as a separate word: their host, or the name of their file."""

    def __init__(self, run: Run, names: dict[str, list[str]]) -> None:
        """Index the specs; `names` is word -> names of specs."""
        self._names = names
        self._words = tuple(names)
        self._dialect = run.request.dialect
        self._found: dict[str, tuple[str, ...]] = {}

    def named_in(self, texts: Iterable[str]) -> dict[str, None]:
        """Return the specs that the texts name, in order and without repeats."""
        found: dict[str, None] = {}
        for text in texts:
            # Most reports hold the same few texts.
            if text not in self._found:
                self._found[text] = hosts_in_label(text, self._words, self._dialect)
            for word in self._found[text]:
                found.update(dict.fromkeys(self._names.get(word, ())))
        return found


class _Assignment:
    """One assignment of all suites of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._settle_s = run.request.settings.settle_s
        newest = {artifact.path: artifact.seq for artifact in run.artifacts}
        self._found = Ownership({}, [], [], [], [], newest)
        self._by_name: dict[str, list[SpecRun]] = {}
        self._names = SpecNames(())
        self._suites: dict[str, list[Suite]] = {}
        """By the name of the spec that they are about."""
        self._owners: dict[tuple[tuple[str, ...], int | None], str | Shared] = {}
        """By the names that a suite matches, and the sub-run that was running when it was written."""

    def result(self) -> Ownership:
        """Assign everything."""
        fresh = list(fresh_suites(self._run))
        if fresh:
            self._index_specs()
        for suite in _without_repeats(fresh):
            self._name(suite)
        for artifact in fresh:
            if artifact.report is None or not artifact.report.specs:
                self._found.unreadable.append((artifact, self._subrun_of(artifact)))
        for name, own in self._suites.items():
            self._place(self._by_name[name], own)
        return self._found

    def _index_specs(self) -> None:
        planned: set[str] = set()
        for subrun in self._run.subruns:
            place = 0
            for child in subrun.children:
                planned.update(plain_path(name) for name in _planned(child))
                for spec in child.specs:
                    running = SpecRun((subrun.index, place), child, spec)
                    self._by_name.setdefault(plain_path(spec.spec), []).append(running)
                    place += 1
        self._names = SpecNames({*self._by_name, *planned})

    @cached_property
    def _hosts(self) -> ReportWords:
        """Specs by host; a spec that stands for no host by its own name."""
        known = (*self._run.request.requested_hosts, *self._run.request.inventory)
        hosts: dict[str, list[str]] = {}
        for name in self._by_name:
            host = host_of_spec(name, known, self._run.request.dialect) or base_name(name).split(".")[0]
            hosts.setdefault(host, []).append(name)
        return ReportWords(self._run, hosts)

    @cached_property
    def _stems(self) -> ReportWords:
        """Specs by the name of their file."""
        stems: dict[str, list[str]] = {}
        for name in self._by_name:
            stems.setdefault(base_name(name).split(".cy.")[0], []).append(name)
        return ReportWords(self._run, stems)

    def _name(self, suite: Suite) -> None:
        """Find the spec that a suite is about: by its file, else by the host that it names."""
        reported = suite.reported
        names = self._names.match(reported.spec) if reported.spec else self._by_host(suite)
        if not names and reported.within:
            names = self._names.match(reported.within)
        if not any(name in self._by_name for name in names):
            self._found.strangers.append(suite)
        elif suite.artifact.rivals:
            self._found.rivalled.append((suite, subrun_at(self._run, suite.artifact)))
        elif len(names) == 1:
            self._suites.setdefault(names[0], []).append(suite)
        else:
            self._share(suite, names)

    def _share(self, suite: Suite, names: tuple[str, ...]) -> None:
        """Assign a suite that matches several specs equally."""
        index = None if self._run.request.offline else subrun_at(self._run, suite.artifact)
        owner = self._owners.get((names, index))
        if owner is None:
            owner = self._owners[names, index] = self._choose(names, index)
        if isinstance(owner, Shared):
            owner.suites.append(suite)
        else:
            self._suites.setdefault(owner, []).append(suite)

    def _choose(self, names: tuple[str, ...], index: int | None) -> str | Shared:
        """Choose by time between specs of several sub-runs; if several still match, the suite belongs to none of them."""
        runnings = [running for name in names for running in self._by_name.get(name, ())]
        near = tuple(running for running in runnings if running.key[0] == index) or tuple(runnings)
        left = {plain_path(running.spec.spec) for running in near}
        if len(left) == 1:
            return left.pop()
        shared = Shared(near, [])
        self._found.shared.append(shared)
        return shared

    def _by_host(self, suite: Suite) -> tuple[str, ...]:
        """Return the specs of the host that a suite names; if there are several, those that it also names by file."""
        file = report_name(suite.artifact)
        for texts in (suite.reported.suites, (file,)):
            names = self._hosts.named_in(texts)
            if len(names) > 1:
                own = self._stems.named_in((*suite.reported.suites, file))
                names = {name: None for name in own if name in names} or names
            if names:
                return tuple(names)
        return ()

    def _subrun_of(self, artifact: ArtifactWritten) -> int | None:
        """Return the sub-run whose notes mention an unreadable report: by the host in its file name, and by its time."""
        named = self._hosts.named_in((report_name(artifact),))
        subruns = dict.fromkeys(running.key[0] for name in named for running in self._by_name[name])
        current = None if self._run.request.offline else subrun_at(self._run, artifact)
        if current is not None and (not subruns or current in subruns):
            return current
        if not subruns:
            subruns = dict.fromkeys(subrun.index for subrun in self._run.subruns)
        return next(iter(subruns)) if len(subruns) == 1 else None

    def _place(self, runnings: Sequence[SpecRun], suites: list[Suite]) -> None:
        suites.sort(key=_written)
        placed: Sequence[Placed]
        if self._run.request.offline:
            if _are_dated(suites):
                suites.sort(key=lambda suite: suite.reported.started_at or suite.artifact.mtime)
            placed = place_by_order(_windows(runnings), _writings(suites))
        else:
            placed = place_by_time(_windows(runnings), _writings(suites), self._settle_s)
        for suite, (at, certain) in zip(suites, placed, strict=True):
            self._found.owned.setdefault(runnings[at].key, []).append(Owned(suite, certain))


def _without_repeats(artifacts: Iterable[ArtifactWritten]) -> Iterator[Suite]:
    """Yield every suite once: a report that grows or is merged contains suites of earlier reports again."""
    first: dict[tuple[str, ReportedSpec], int] = {}
    for artifact in artifacts:
        specs = artifact.report.specs if artifact.report is not None else ()
        for reported in specs:
            # A suite without a time of its own can only be repeated by the same file, and its failure may be another one.
            dated = reported.started_at is not None
            key = ("" if dated else artifact.path, reported)
            once = len(specs) <= first.setdefault(key, len(specs))
            if once or (reported.counts.failing and not dated):
                yield Suite(artifact, reported)


def _planned(child: Child) -> tuple[str, ...]:
    """Return the specs that the header box lists, if it lists all."""
    described = child.described
    if described is None or described.specs_found != len(described.spec_names):
        return ()
    return described.spec_names


def _written(suite: Suite) -> tuple[float, int]:
    return suite.artifact.mtime.timestamp(), suite.artifact.seq


def _are_dated(suites: Sequence[Suite]) -> bool:
    """Return whether the suites contain the order in which they ran: a copied file has the time of the copy."""
    times = {suite.reported.started_at for suite in suites}
    return None not in times and len(times) == len(suites)


def _windows(runnings: Sequence[SpecRun]) -> list[Window]:
    return [
        Window(
            since=(running.spec.since or running.child.at).timestamp(),
            ended=running.child.ended_at.timestamp() if running.child.ended_at is not None else float("inf"),
            log=log_counts(running.spec),
        )
        for running in runnings
    ]


def _writings(suites: Sequence[Suite]) -> list[Writing]:
    return [Writing(suite.artifact.mtime.timestamp(), suite.reported) for suite in suites]


def report_name(artifact: ArtifactWritten) -> str:
    """Return the report's file name without its extension."""
    return base_name(artifact.path).removesuffix(".xml")


def subrun_at(run: Run, artifact: ArtifactWritten) -> int | None:
    """Return the index of the sub-run that was running when a report was written, else of the last one."""
    for subrun in run.subruns:
        if subrun.ended_at is None or artifact.mtime <= subrun.ended_at:
            return subrun.index
    return run.subruns[-1].index if run.subruns else None
