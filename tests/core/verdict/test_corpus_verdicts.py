"""Verdicts for every console output of the corpus, compared with its final tables, which are parsed independently here.

With `-s` a table is printed.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from atvm_pipeline.core.results import SubRunResult
from atvm_pipeline.core.snapshot import Snapshot, snapshot
from atvm_pipeline.core.transitions import EARLY_ENDS
from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log
from tests.support.reference_corpus import CONSOLE

FILES = sorted(CONSOLE.glob("*.txt"))

pytestmark = pytest.mark.corpus
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:120])

Row = tuple[int, ...]
"""Tests, passing, failing, pending, skipped."""

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CELLS = r"((?:\s+(?:-|\d+)){5})"
TABLE_ROW = re.compile(
    rf"  \S{{1,6}} \S{{1,6}}  \S.*?\s(?:SKIPPED|XX:XX|\d+ms|\d+(?::\d\d){{1,2}}){CELLS}\s*\S{{1,6}}"
)
TOTALS_ROW = re.compile(
    rf"    \S{{1,6}}  (All specs passed!|\d+ of \d+ failed \(\d+%\)|The run was canceled)\s+\S+{CELLS}"
)
RUNNING = re.compile(r"  Running:  \S.*\(\d+ of \d+\)")


class Told(NamedTuple):
    """Output of one child, read as plain text."""

    started: bool
    running: int
    """Number of `Running:` lines."""
    finished: bool
    rows: tuple[Row, ...]
    verdict: str | None
    """Words of the totals row; None without a totals row."""
    totals: Row

    @property
    def is_green(self) -> bool:
        return (
            self.verdict == "All specs passed!"
            and self.totals[0] > 0
            and not self.totals[2]
            and not self.totals[4]
            and all(row[0] for row in self.rows)
            and any(row[1] for row in self.rows)
        )

    @property
    def is_run(self) -> bool:
        """Whether the text contains any line of a run."""
        return self.started or self.running > 0 or self.finished


def paired(path: Path) -> list[tuple[Told, SubRunResult | None]]:
    """Pair the output of each child in a file with the sub-run that the product made of it.

    None replaces the sub-run if the file contains neither a line of a run nor an error block.
    """
    told, subruns = told_in(path), judged(path, categorized=True).subruns
    if not subruns and not told[0].is_run:
        return [(told[0], None)]
    return list(zip(told, subruns, strict=True))


def told_in(path: Path) -> list[Told]:
    """Return the output of each child in a file: cut at `(Run Starting)`, without any grammar."""
    lines = [ANSI.sub("", line).rstrip() for line in path.read_bytes().decode(errors="replace").split("\n")]
    cuts = [at for at, line in enumerate(lines) if line == "  (Run Starting)"] or [0]
    return [child_in(lines[begin:end]) for begin, end in zip(cuts, [*cuts[1:], None], strict=True)]


def child_in(lines: list[str]) -> Told:
    finish = next((at for at, line in enumerate(lines) if line == "  (Run Finished)"), None)
    below = lines[finish:] if finish is not None else []
    totals = next((found for found in map(TOTALS_ROW.fullmatch, below) if found), None)
    return Told(
        started=lines[0] == "  (Run Starting)",
        running=sum(RUNNING.fullmatch(line) is not None for line in lines),
        finished=finish is not None,
        rows=tuple(numbers(found[1]) for found in map(TABLE_ROW.fullmatch, below) if found),
        verdict=totals[1] if totals else None,
        totals=numbers(totals[2]) if totals else (),
    )


def numbers(cells: str) -> Row:
    return tuple(0 if cell == "-" else int(cell) for cell in cells.split())


@cache
def judged(path: Path, *, categorized: bool) -> Snapshot:
    """Evaluate the file like `atvm-pipeline inspect`, without an observed end of the run."""
    return snapshot(inspect_log(FinishedRun(log=path, categorized=categorized), on_bytes=lambda _: None))


def seen_in(subrun: SubRunResult) -> tuple[Row, ...]:
    return tuple(
        (spec.tests, spec.passing, spec.failing, spec.pending, spec.skipped) for spec in subrun.specs
    )


def without_table(told: Told, subrun: SubRunResult | None) -> str | None:
    """Return why a child's counts cannot be compared with a table; None if there is no explanation."""
    if subrun is None:
        return "no line of a run in it"
    code = subrun.reason["code"]
    if code in EARLY_ENDS:
        return f"ended early: {code}"
    if code == "nothing-ran" and told.finished and not told.running:
        return "an empty run: a summary without a table"
    if code in ("no-evidence", "results-missing", "tests-failed") and not told.finished:
        return "the output stops before the summary"
    return CUT_TABLES if code == "tests-failed" and not told.rows else None


CUT_TABLES = "Cypress's own snapshot is damaged: its table row and totals row were cut in the middle"


@each_file
def test_the_product_sees_what_the_final_table_states(path: Path) -> None:
    for child, subrun in paired(path):
        if child.verdict is None or subrun is None:
            assert without_table(child, subrun) is not None, subrun
            assert subrun is None or child.running == sum(spec.position is not None for spec in subrun.specs)
            continue
        assert seen_in(subrun) == child.rows
        assert tuple(map(sum, zip(*child.rows, strict=True))) == child.totals
        assert subrun.ledger.planned == len(child.rows)
        failed = re.match(r"(\d+) of (\d+) failed", child.verdict)
        if failed is not None:
            bad = subrun.ledger.failed + subrun.ledger.crashed
            assert (bad, len(child.rows)) == (int(failed[1]), int(failed[2]))


@each_file
def test_a_sub_run_is_completed_if_and_only_if_its_table_is_green(path: Path) -> None:
    for child, subrun in paired(path):
        assert (subrun is not None and subrun.phase == "COMPLETED") == child.is_green


@each_file
@pytest.mark.parametrize("categorized", [True, False], ids=["categorized", "whole"])
def test_no_output_with_anything_but_green_tables_is_completed(path: Path, *, categorized: bool) -> None:
    completed = judged(path, categorized=categorized).phase == "COMPLETED"

    assert not completed or all(child.is_green for child in told_in(path))


def test_the_corpus_as_the_product_sees_it() -> None:
    print(f"\n{'output':<70} starts sub-runs specs  tests/passing/failing/pending/skipped  verdict")
    compared = 0
    for path in FILES:
        view, told = judged(path, categorized=True), told_in(path)
        seen = [row for subrun in view.subruns for row in seen_in(subrun)]
        sums = "/".join(str(sum(column)) for column in zip(*seen, strict=True)) or "-"
        notes = [
            "as its table" if child.verdict is not None else without_table(child, subrun) or "UNEXPLAINED"
            for child, subrun in paired(path)
        ]
        compared += sum(child.verdict is not None for child in told)
        starts = sum(child.started for child in told)
        print(
            f"{path.stem[:70]:<70} {starts:>6} {len(view.subruns):>8} {len(seen):>5}  {sums:<38} "
            f"{view.phase} {view.reason['code']} ({'; '.join(notes)})"
        )

    assert compared > 300
