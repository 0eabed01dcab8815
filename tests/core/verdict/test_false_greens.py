"""Runs that appear green to a naive reader but are not: each is a directory in fixtures/false-greens; none is COMPLETED.

A directory holds `runner.log`, `ABOUT` (one sentence), `options.json` (further facts about the run) and, where it
matters, `cmcReporter/`. They were written from the grammar of Cypress's output; `cmp` two of them to see the difference.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from atvm_pipeline.core.snapshot import Snapshot, snapshot
from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log
from tests.support.cypress_output import encoded, whole_run
from tests.support.project import PROJECT

FOLDER = PROJECT / "fixtures" / "false-greens"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts about the run that are not in its files."""

    build_name: str
    categorize: bool
    exit_code: int | None = None
    """None without a signal means that the end was not observed."""
    signal: str | None = None
    reports_older_by_s: int = 0
    """Age difference between the reports and the log: the reports are older by this time."""


def log_reads_green(folder: Path, options: Options) -> bool:
    """The log contains `All specs passed!`."""
    data = (folder / "runner.log").read_bytes()
    text = data.decode("utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data.decode(errors="replace")
    return re.search("All specs passed!", text) is not None


def exit_reads_green(folder: Path, options: Options) -> bool:
    """The runner's exit code is 0."""
    return options.exit_code == 0


def both_read_green(folder: Path, options: Options) -> bool:
    """The log contains `All specs passed!`, and the runner's exit code is 0."""
    return log_reads_green(folder, options) and exit_reads_green(folder, options)


def reports_read_green(folder: Path, options: Options) -> bool:
    """There are reports, and none counts a failure."""
    texts = [path.read_text() for path in (folder / "cmcReporter").iterdir()]
    return bool(texts) and not any(re.search(r'failures="[1-9]', text) for text in texts)


LOG, EXIT, BOTH, REPORTS = log_reads_green, exit_reads_green, both_read_green, reports_read_green
Reading = Callable[[Path, Options], bool]

FALSE_GREENS: dict[str, tuple[Reading, str, str]] = {
    # the log ends too early
    "cut-after-the-first-group": (BOTH, "FAILED", "host-pending"),
    "cut-before-the-second-group-prints": (BOTH, "FAILED", "host-pending"),
    "cut-within-the-second-group": (BOTH, "FAILED", "results-missing"),
    "cut-in-the-table-with-a-box-lost": (BOTH, "FAILED", "results-missing"),
    "cut-and-nobody-saw-the-end": (LOG, "UNKNOWN", "no-evidence"),
    "cut-in-the-table": (LOG, "UNKNOWN", "no-evidence"),
    "zero-bytes-in-between": (BOTH, "FAILED", "results-missing"),
    # a planned spec, host or group did not run
    "a-table-row-is-missing": (BOTH, "FAILED", "results-missing"),
    "another-specs-box": (BOTH, "FAILED", "results-missing"),
    "three-found-two-ran": (BOTH, "FAILED", "results-missing"),
    "a-skipped-row": (BOTH, "FAILED", "results-missing"),
    "a-recorded-group-without-a-table": (EXIT, "FAILED", "results-missing"),
    "a-group-never-ran": (BOTH, "FAILED", "host-pending"),
    "a-group-launched-and-never-begun": (BOTH, "FAILED", "results-missing"),
    "a-hosts-second-group-never-began": (BOTH, "FAILED", "results-missing"),
    # nothing was tested
    "an-empty-run": (EXIT, "FAILED", "nothing-ran"),
    "an-empty-group-after-a-green-one": (BOTH, "FAILED", "nothing-ran"),
    "a-parallel-child-that-ran-nothing": (EXIT, "FAILED", "nothing-ran"),
    "zero-tests": (BOTH, "FAILED", "nothing-ran"),
    "all-pending": (BOTH, "FAILED", "host-pending"),
    "all-pending-and-no-host-asked-for": (BOTH, "FAILED", "nothing-ran"),
    "all-skipped": (BOTH, "FAILED", "results-missing"),
    "only-the-check-ran": (BOTH, "FAILED", "host-pending"),
    "the-runner-echoes-the-phrase": (BOTH, "FAILED", "nothing-ran"),
    # the wrong hosts
    "other-hosts-specs": (BOTH, "FAILED", "wrong-hosts"),
    "a-similar-host": (BOTH, "FAILED", "wrong-hosts"),
    "a-misspelt-host": (BOTH, "FAILED", "host-pending"),
    "a-misspelt-host-alone": (BOTH, "FAILED", "wrong-hosts"),
    "an-unknown-operating-system": (BOTH, "FAILED", "host-pending"),
    "an-unknown-host-of-a-categorized-run": (BOTH, "FAILED", "host-pending"),
    "one-host-twice-under-two-labels": (BOTH, "FAILED", "host-pending"),
    # two runs in one log, and lines that belong to no run or spec
    "two-runs-line-by-line": (BOTH, "FAILED", "failure-unattributed"),
    "a-second-run-whose-title-is-torn": (BOTH, "FAILED", "tests-failed"),
    "two-green-runs-mixed": (BOTH, "FAILED", "log-mixed"),
    "a-header-of-another-run": (BOTH, "FAILED", "log-mixed"),
    "a-red-table-behind-the-end": (BOTH, "FAILED", "failure-unattributed"),
    "a-failing-box-behind-the-end": (BOTH, "FAILED", "failure-unattributed"),
    # numbers that contradict each other
    "three-boxes-and-a-table-of-two": (BOTH, "FAILED", "totals-contradict"),
    "the-totals-are-less-than-the-rows": (BOTH, "FAILED", "totals-contradict"),
    "a-box-and-its-row-differ": (BOTH, "FAILED", "totals-contradict"),
    "a-row-that-nothing-agrees-with": (BOTH, "FAILED", "results-missing"),
    "the-wrappers-table-counts-a-failure": (BOTH, "FAILED", "tests-failed"),
    # output that is not Cypress's own for this run
    "a-test-prints-a-summary": (BOTH, "FAILED", "results-missing"),
    "a-test-prints-its-own-box-and-summary": (BOTH, "FAILED", "tests-failed"),
    "a-test-prints-a-whole-run": (BOTH, "FAILED", "tests-failed"),
    "a-failure-text-holds-a-summary": (BOTH, "FAILED", "tests-failed"),
    "the-phrase-in-a-failing-tests-title": (BOTH, "FAILED", "tests-failed"),
    "a-spec-is-named-after-the-phrase": (BOTH, "FAILED", "tests-failed"),
    "yesterdays-summary-in-front": (BOTH, "FAILED", "no-specs-found"),
    # the exit code
    "256-failures": (EXIT, "FAILED", "tests-failed"),
    "a-failing-hook": (EXIT, "FAILED", "tests-failed"),
    "the-runner-swallows-the-exit-code": (EXIT, "FAILED", "tests-failed"),
    "green-and-a-failing-runner": (LOG, "FAILED", "runner-failed"),
    "green-and-killed-between-groups": (LOG, "TERMINATED", "runner-signalled"),
    # a failure before or after the green one
    "a-first-attempt-failed": (BOTH, "FAILED", "tests-failed"),
    "a-canceled-group-before-a-green-one": (BOTH, "FAILED", "run-canceled"),
    "no-spec-files": (BOTH, "FAILED", "no-specs-found"),
    "the-summary-then-a-signal": (BOTH, "FAILED", "cypress-signalled"),
    "the-browser-closed": (EXIT, "FAILED", "browser-closed"),
    "the-heap-was-exhausted": (EXIT, "FAILED", "heap-exhausted"),
    "the-devtools-connection-was-lost": (EXIT, "FAILED", "automation-lost"),
    "cypress-was-not-found": (EXIT, "FAILED", "nothing-ran"),
    "the-recording-server-gives-up": (REPORTS, "FAILED", "record-server-error"),
    "a-plugin-throws-after-the-run": (REPORTS, "FAILED", "plugin-error"),
    # sources that contradict each other
    "the-totals-contradict-a-row": (BOTH, "FAILED", "tests-failed"),
    "the-totals-count-a-failure": (BOTH, "FAILED", "tests-failed"),
    "the-box-contradicts-the-totals": (BOTH, "FAILED", "tests-failed"),
    "the-epilogue-contradicts-a-box": (BOTH, "FAILED", "results-missing"),
    "the-report-contradicts-the-log": (BOTH, "FAILED", "tests-failed"),
    "a-row-is-marked-as-failed": (BOTH, "FAILED", "tests-failed"),
    "a-crash-in-a-green-run": (BOTH, "FAILED", "spec-crashed"),
    # reports
    "a-crash-leaves-no-report": (REPORTS, "FAILED", "spec-crashed"),
    "a-stale-report": (REPORTS, "FAILED", "results-missing"),
    "a-report-of-a-similar-host": (REPORTS, "FAILED", "results-missing"),
    "a-report-without-any-log": (REPORTS, "UNKNOWN", "no-summary"),
    "only-the-checks-report": (BOTH, "FAILED", "tests-failed"),
    "a-report-with-control-characters": (BOTH, "FAILED", "tests-failed"),
    "a-report-in-latin-1": (BOTH, "FAILED", "tests-failed"),
    "a-report-cut-after-a-failure": (BOTH, "FAILED", "tests-failed"),
    "two-documents-in-one-report": (BOTH, "FAILED", "tests-failed"),
    "a-report-with-a-document-type": (BOTH, "FAILED", "tests-failed"),
    "a-report-with-an-unknown-entity": (BOTH, "FAILED", "tests-failed"),
    "a-test-case-names-its-file": (BOTH, "FAILED", "tests-failed"),
    "a-report-that-names-only-the-host": (BOTH, "FAILED", "tests-failed"),
    "one-name-in-two-folders": (BOTH, "FAILED", "tests-failed"),
    "two-reports-of-one-spec": (BOTH, "FAILED", "tests-failed"),
    "a-report-that-fits-two-specs": (BOTH, "FAILED", "results-missing"),
    # the bytes
    "utf-16": (BOTH, "UNKNOWN", "log-unreadable"),
    "mojibake": (BOTH, "FAILED", "tests-failed"),
    "mojibake-that-cannot-be-undone": (BOTH, "FAILED", "tests-failed"),
    "carriage-returns-only": (BOTH, "UNKNOWN", "log-unreadable"),
    "crlf-and-colours": (BOTH, "FAILED", "tests-failed"),
    "one-line-for-all": (BOTH, "UNKNOWN", "log-unreadable"),
    # wrappers
    "a-wrapper-without-its-end": (BOTH, "FAILED", "results-missing"),
    "a-wrapper-that-left-a-spec-out": (BOTH, "FAILED", "results-missing"),
    "a-wrapper-whose-first-spec-failed": (BOTH, "FAILED", "tests-failed"),
    "a-wrapper-that-ran-nothing": (EXIT, "FAILED", "nothing-ran"),
    "a-wrapper-that-was-cancelled": (BOTH, "FAILED", "results-missing"),
    "a-wrapper-whose-cypress-failed": (BOTH, "FAILED", "results-missing"),
}
"""Directory -> the naive reading that calls it green, and the phase and reason code that this program reports."""


def options_of(folder: Path) -> Options:
    return msgspec.json.decode((folder / "options.json").read_bytes(), type=Options)


def inspected(folder: Path, options: Options) -> Snapshot:
    """Evaluate the directory like `atvm-pipeline inspect`."""
    artifacts = folder / "cmcReporter"
    finished = FinishedRun(
        log=folder / "runner.log",
        artifacts=artifacts if artifacts.is_dir() else None,
        build_name=options.build_name,
        categorized=options.categorize,
        exit_code=options.exit_code,
        signal=options.signal,
    )
    return snapshot(inspect_log(finished, on_bytes=lambda _: None))


def laid_out(name: str, tmp_path: Path) -> Path:
    """Copy the directory and set the times of its files according to its options."""
    folder = Path(shutil.copytree(FOLDER / name, tmp_path / "run"))
    written = (folder / "runner.log").stat().st_mtime
    for report in folder.glob("cmcReporter/*"):
        age_s = options_of(folder).reports_older_by_s
        os.utime(report, (written - age_s, written - age_s))
    return folder


@pytest.mark.parametrize("name", FALSE_GREENS)
def test_what_a_naive_reading_calls_green_is_not_completed(name: str, tmp_path: Path) -> None:
    reading, phase, code = FALSE_GREENS[name]
    folder = laid_out(name, tmp_path)
    options = options_of(folder)
    view = inspected(folder, options)

    assert reading(folder, options), f"proves nothing: not green where {reading.__doc__}"
    assert view.phase != "COMPLETED"
    assert (view.phase, view.reason["code"]) == (phase, code)


@pytest.mark.parametrize("name", FALSE_GREENS)
def test_a_false_green_is_not_completed_either_if_the_end_was_not_seen(name: str, tmp_path: Path) -> None:
    """Without the exit code there is less evidence; only findings that depend on it are lost."""
    folder = laid_out(name, tmp_path)
    options = msgspec.structs.replace(options_of(folder), exit_code=None, signal=None)

    assert inspected(folder, options).phase != "COMPLETED" or name in ONLY_THE_EXIT_TELLS


ONLY_THE_EXIT_TELLS = {"green-and-a-failing-runner"}


def test_every_false_green_is_in_the_table_and_states_what_it_is_about() -> None:
    folders = {folder.name: (folder / "ABOUT").read_text() for folder in FOLDER.iterdir()}

    assert set(folders) == set(FALSE_GREENS)
    assert [name for name, about in folders.items() if not re.fullmatch(r"\S.*\.\n", about)] == []
    assert len(set(folders.values())) == len(folders)


def test_a_green_run_is_completed(tmp_path: Path) -> None:
    """The counterexample: a green run is reported as such, otherwise the tests above prove nothing."""
    (tmp_path / "runner.log").write_bytes(encoded(whole_run("redhat9.6.cy.ts", "check-xml-files.ts")))
    options = Options(build_name="e2e-redhat9.6-fc", categorize=False, exit_code=0)

    assert both_read_green(tmp_path, options)
    assert inspected(tmp_path, options).phase == "COMPLETED"
