"""Notes about reports that cannot be used, or only in part: file, line, reason.

A sub-run has the notes about reports of its specs, and about unreadable ones that were written while it ran. The run has
the others, and those that arrived after a sub-run's verdict.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from atvm_pipeline.core.events import ArtifactWritten
from atvm_pipeline.core.state import Run
from atvm_pipeline.core.text import join_names, one_line, plural

from .quiet_log import FreshReport, is_ours, log_kind
from .report_matching import Ownership, SameNames, Shared, Suite, fresh_suites, ownership

REPORT_NOTES_MAX = 10
"""Notes about reports kept for a sub-run and for the run; the others are counted."""
NOTE_PATH_CHARS_MAX = 200
PROBLEM_CHARS_MAX = 200


class Notes(NamedTuple):
    """All notes about the reports of a run, each once."""

    subruns: dict[int, dict[str, None]]
    """Index of a sub-run -> its notes."""
    run: dict[str, None]

    def add(self, indexes: Iterable[int | None], note: str) -> None:
        """Add a note to the sub-runs, or to the run if `indexes` is empty."""
        for index in dict.fromkeys(indexes) or (None,):
            (self.run if index is None else self.subruns.setdefault(index, {}))[note] = None


def subrun_report_notes(run: Run, index: int) -> tuple[str, ...]:
    """Return the current notes of one sub-run."""
    return _bounded(_notes(run).subruns.get(index, {}))


def run_report_notes(run: Run) -> tuple[str, ...]:
    """Return the notes that no sub-run contains: those of the run, and late ones of sub-runs that have a verdict."""
    notes = _notes(run)
    found = dict(notes.run)
    for subrun in run.subruns:
        if subrun.result is not None and subrun.index in notes.subruns:
            now = _bounded(notes.subruns[subrun.index])
            found.update(dict.fromkeys(note for note in now if note not in subrun.result.notes))
    return _bounded(found)


def _bounded(notes: Iterable[str]) -> tuple[str, ...]:
    every = tuple(notes)
    more = len(every) - REPORT_NOTES_MAX
    if more <= 0:
        return every
    return (*every[:REPORT_NOTES_MAX], f"{plural(more, 'more note')} about reports not shown.")


def _notes(run: Run) -> Notes:
    return _all_notes(SameNames(run))


@lru_cache(maxsize=1)
def _all_notes(same: SameNames) -> Notes:
    """Collect all notes; those about lost evidence come first."""
    found = ownership(same.run)
    notes = Notes({}, {})
    subruns = _subruns_by_report(found)
    for artifact in _damaged(same.run, found):
        # A report of specs that only the log of another running build shows belongs to that build.
        if artifact.seq in subruns or not artifact.rivals:
            notes.add(subruns.get(artifact.seq, ()), _damage(artifact, found))
    _add_unused(same.run, notes, found)
    return notes


def _add_unused(run: Run, notes: Notes, found: Ownership) -> None:
    """Add the suites that belong to no spec, to several, or to another run as well."""
    for shared in found.shared:
        indexes = dict.fromkeys(running.key[0] for running in shared.runnings)
        names = candidate_names(shared)
        for suite in shared.suites:
            notes.add(indexes, f"{shared_text(suite, names)}.")
    for suite, index in found.rivalled:
        if suite.reported.counts.failing:
            others = join_names(suite.artifact.rivals)
            text = (
                f"Report {_path(suite)} also matches the running {others} and was not used{_failing(suite)}."
            )
            notes.add((index,), text)
    strangers: dict[str, list[Suite]] = {}
    for suite in found.strangers:
        if suite.reported.counts.failing and not suite.artifact.rivals and not _decides(run, suite):
            strangers.setdefault(suite.artifact.path, []).append(suite)
    for suites in strangers.values():
        specs = join_names(list(dict.fromkeys(suite.reported.spec or "no spec file" for suite in suites)))
        text = f"Report {_path(suites[0])} is about {specs}, which the log does not show, and was not used{_failing(*suites)}."
        notes.add((), text)


def _decides(run: Run, suite: Suite) -> bool:
    """Return whether a failing suite that matches no spec of the log has nevertheless decided the run."""
    return log_kind(run) is not None and is_ours(run, FreshReport(suite.artifact.path, suite.reported))


def candidate_names(shared: Shared) -> str:
    """Return the names of the specs that suites match equally, for a sentence."""
    return join_names(list(dict.fromkeys(running.spec.spec for running in shared.runnings)))


def shared_text(suite: Suite, specs: str) -> str:
    """Return the note about a suite that matches several specs equally."""
    return f"Report {_path(suite)} matches {specs} equally and was not used{_failing(suite)}"


def _path(suite: Suite) -> str:
    return one_line(suite.artifact.path, NOTE_PATH_CHARS_MAX)


def _failing(*suites: Suite) -> str:
    failing = sum(suite.reported.counts.failing for suite in suites)
    return f"; it shows {plural(failing, 'failing test')}" if failing else ""


def _damaged(run: Run, found: Ownership) -> Iterable[ArtifactWritten]:
    """Return the newest damaged version of each report, without half-written ones that were continued later."""
    damaged: dict[str, ArtifactWritten] = {}
    for artifact in fresh_suites(run):
        problem = artifact.refusal if artifact.report is None else artifact.report.problem
        if problem and (not artifact.unfinished or found.newest[artifact.path] == artifact.seq):
            damaged[artifact.path] = artifact
    return damaged.values()


def _damage(artifact: ArtifactWritten, found: Ownership) -> str:
    path = one_line(artifact.path, NOTE_PATH_CHARS_MAX)
    if found.newest[artifact.path] != artifact.seq:
        path += " (since overwritten)"
    report = artifact.report
    if report is None:
        return f"Report {path} cannot be used: {one_line(artifact.refusal or '', PROBLEM_CHARS_MAX)}."
    problem = one_line(report.problem, PROBLEM_CHARS_MAX)
    if report.incomplete:
        return f"Report {path} is only partly readable: {problem}; only its failing tests count."
    return f"Report {path} is damaged: {problem}; all results could be read."


def _subruns_by_report(found: Ownership) -> dict[int, dict[int | None, None]]:
    """Return, by the `seq` of a report, the sub-runs whose notes mention it."""
    subruns: dict[int, dict[int | None, None]] = {}
    for (index, _), owned in found.owned.items():
        for own in owned:
            subruns.setdefault(own.suite.artifact.seq, {})[index] = None
    for shared in found.shared:
        indexes: dict[int | None, None] = dict.fromkeys(running.key[0] for running in shared.runnings)
        for suite in shared.suites:
            subruns.setdefault(suite.artifact.seq, {}).update(indexes)
    for suite, rival in found.rivalled:
        subruns.setdefault(suite.artifact.seq, {})[rival] = None
    subruns.update((artifact.seq, {index: None}) for artifact, index in found.unreadable)
    return subruns
