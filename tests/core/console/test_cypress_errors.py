"""docs/cypress-errors.md lists the errors of Cypress 12.17.4; every row matches the program's behaviour."""

import re
from pathlib import Path

import pytest

from atvm_pipeline.core.console.error_blocks import error_in, is_held
from atvm_pipeline.core.console.error_catalog import ERROR_TABLE
from atvm_pipeline.core.reasons import REASONS
from atvm_pipeline.core.snapshot import Snapshot, snapshot
from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log
from tests.support.project import PROJECT

TEXT = (PROJECT / "docs" / "cypress-errors.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (`?[^|]+?`?) \| `` (?P<line>.+?) `` \| (?P<kind>.+?) \|$", re.MULTILINE)
ROWS = [(found["line"].replace("…", "8080"), found["kind"]) for found in ROW.finditer(TEXT)]
WITH_CODE = [(line, kind.strip("`")) for line, kind in ROWS if re.fullmatch(r"`[a-z-]+`", kind)]
QUOTED = [line for line, kind in ROWS if kind == "quoted"]
NO_ERROR = [line for line, kind in ROWS if kind in ("warning", "not in a run")]


def inspected(
    lines: list[str], tmp_path: Path, exit_code: int = 1, build_name: str = "e2e-redhat9.6"
) -> Snapshot:
    log = tmp_path / "runner.log"
    log.write_text("\n".join([*lines, ""]))
    finished = FinishedRun(log=log, build_name=build_name, exit_code=exit_code)
    return snapshot(inspect_log(finished, on_bytes=lambda _: None))


def test_every_row_has_a_kind_that_the_page_explains() -> None:
    others = ("held: a retry follows", "`record-plan-exceeded`, by the line below it")
    rest = [kind for line, kind in ROWS if line not in {*dict(WITH_CODE), *QUOTED, *NO_ERROR}]

    assert set(rest) <= set(others)
    assert len(ROWS) > 150
    assert {code for _, code in WITH_CODE} <= set(REASONS)


@pytest.mark.parametrize(("line", "code"), WITH_CODE)
def test_the_first_line_is_recognised_with_its_code(line: str, code: str, tmp_path: Path) -> None:
    found = error_in(line)

    assert found is not None
    assert found.code == code
    assert is_held(line) == (line.startswith("We encountered an unexpected error"))
    if code not in ("heap-exhausted", "automation-lost"):
        view = inspected([line, "", "Read the manual."], tmp_path)
        assert view.phase == "FAILED"
        assert view.reason["code"] == (
            "config-invalid" if code == "plugin-error" and "configFile" in line else code
        )


@pytest.mark.parametrize(
    "line", [line for line, code in WITH_CODE if code in ("heap-exhausted", "automation-lost")]
)
def test_a_line_that_proves_nothing_alone_is_quoted_where_nothing_started(line: str, tmp_path: Path) -> None:
    text = inspected(["Starting", line], tmp_path).reason["text"]

    assert line in text or line == "<--- Last few GCs --->"


@pytest.mark.parametrize("line", QUOTED)
def test_a_quoted_line_is_no_proof_and_is_quoted_where_nothing_started(line: str, tmp_path: Path) -> None:
    view = inspected([line, *(f"step {number}" for number in range(40))], tmp_path)

    assert error_in(line) is None
    assert (view.phase, view.reason["code"]) == ("FAILED", "nothing-ran")
    assert line in view.reason["text"]
    assert "ci-build-id" not in view.reason["text"]


@pytest.mark.parametrize("line", NO_ERROR)
def test_a_warning_is_no_error(line: str) -> None:
    assert error_in(line) is None


def test_every_line_of_the_table_is_on_the_page_or_of_another_version() -> None:
    older = [start for start, _, _ in ERROR_TABLE if not any(line.startswith(start[:40]) for line, _ in ROWS)]

    # Cypress 10 to 15 print it, but 12.17.4 does not print it as the first line.
    assert older == OLDER


OLDER = [
    "The specified browser was not found on your system",
    "We could not find a Cypress Dashboard project with the projectId:",
    "To continue recording tests this month you must upgrade your account.",
    "We encountered an unexpected error talking to our servers.",
]
