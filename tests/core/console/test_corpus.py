"""In every console output of the corpus, the results boxes, the final table and the totals row agree.

With `-s` a table is printed.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.reasons import REASONS
from tests.support.reference_corpus import CONSOLE

FILES = sorted(CONSOLE.glob("*.txt"))
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

_CUT = "Cypress's own snapshot is damaged: its table row and totals row were cut in the middle"
EXPLAINED: dict[str, str] = {
    "v12.17.4__form_submissions_spec__e2e-forms-submissions-with-jquery-XHR-POST-failing": _CUT,
    "v13.15.0__form_submissions_spec__e2e-forms-submissions-with-jquery-XHR-POST-failing": _CUT,
}
"""Prefix of a file name -> why its sources differ."""

pytestmark = pytest.mark.corpus


def facts_of(data: bytes) -> list[f.Fact]:
    scanner = Scanner(Dialect())
    scan = scanner.scan(ScannerState(), data)
    return [*scan.facts, *scanner.finish(scan.state).facts]


def children(facts: list[f.Fact]) -> list[list[f.Fact]]:
    """Group the facts by child."""
    found: list[list[f.Fact]] = [[]]
    for fact in facts:
        if isinstance(fact, f.ChildStarted):
            found.append([])
        found[-1].append(fact)
    return [child for child in found if child]


def differences(child: list[f.Fact]) -> list[str]:
    """Return the contradictions between a child's boxes, its table and its totals row."""
    begun = [fact.spec for fact in child if isinstance(fact, f.SpecStarted)]
    boxes = [(fact.spec, fact.counts) for fact in child if isinstance(fact, f.SpecReported)]
    rows = [fact for fact in child if isinstance(fact, f.SpecSummarised)]
    totals = [fact for fact in child if isinstance(fact, f.TotalsReported)]
    if not totals:
        return []
    found = []
    if begun and begun != [row.spec for row in rows]:
        found.append(f"began {begun}, rows {[row.spec for row in rows]}")
    ran = [(row.spec, row.counts) for row in rows if not row.skipped]
    if begun and ran != boxes:
        found.append(f"boxes {boxes}, rows {ran}")
    for name in ("tests", "passing", "failing", "pending", "skipped"):
        if sum(getattr(row.counts, name) for row in rows) != getattr(totals[0].counts, name):
            found.append(f"{name} of rows and totals differ")
    failed = sum(row.mark == "failed" for row in rows)
    if totals[0].verdict == "failed" and (totals[0].failed, totals[0].total) != (failed, len(rows)):
        found.append(f"{totals[0].failed} of {totals[0].total} failed, rows have {failed} of {len(rows)}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:120])
def test_boxes_table_and_totals_of_every_output_agree(path: Path) -> None:
    facts = facts_of(path.read_bytes())

    found = [difference for child in children(facts) for difference in differences(child)]
    assert found == [] or any(path.name.startswith(start) for start in EXPLAINED), found
    assert [fact.offset for fact in facts] == sorted({fact.offset for fact in facts})
    assert {fact.code for fact in facts if isinstance(fact, f.ErrorReported)} <= set(REASONS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:120])
def test_no_structural_line_of_any_output_is_lost(path: Path) -> None:
    """The facts are counted and compared with the matches of plain regular expressions."""
    data = path.read_bytes()
    lines = [ANSI.sub("", line).rstrip() for line in data.decode(errors="replace").split("\n")]
    facts = Counter(type(fact).__name__ for fact in facts_of(data))
    plain = {
        "ChildStarted": sum(line == "  (Run Starting)" for line in lines),
        "SpecStarted": sum(bool(re.match(r"  Running:  \S.*\(\d+ of \d+\)$", line)) for line in lines),
        "RunFinished": sum(line == "  (Run Finished)" for line in lines),
        "RunRecorded": sum(line.startswith("  Recorded Run: ") for line in lines),
        "TotalsReported": sum(
            bool(re.match(r"    \S{1,6}  (All specs passed!|\d+ of \d+ failed|The run was canceled) ", line))
            for line in lines
        ),
    }
    if not re.search("\n  Running:  ", data.decode(errors="replace").replace("\x1b[0m", "")):
        return  # a log that starts in the middle of a run: its only box belongs to no spec
    plain["SpecReported"] = sum(line == "  (Results)" for line in lines)

    found = {name: facts[name] for name in plain}
    assert found == plain or any(path.name.startswith(start) for start in EXPLAINED)


def test_the_corpus_in_numbers() -> None:
    kinds: dict[str, Counter[str]] = {}
    for path in FILES:
        group = path.name.split("__")[0]
        kinds.setdefault(group, Counter())["files"] += 1
        for fact in facts_of(path.read_bytes()):
            name = fact.code if isinstance(fact, f.ErrorReported) else type(fact).__name__
            kinds[group][name] += 1
    for group, counted in kinds.items():
        print(f"{group:36}", dict(counted))

    assert sum(counted["TotalsReported"] for counted in kinds.values()) > 300
