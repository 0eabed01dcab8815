"""`inspect` accepts a log as it is: with any modification time, and with any durations in it."""

import os
from pathlib import Path

import pytest

from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log, since_from
from tests.support import cypress_output as prints

AGES_S = [-99_999_999_999, -1, 0, 253_402_300_799, 253_402_300_800, 2**40]


@pytest.mark.parametrize("modified_s", AGES_S)
def test_a_log_of_any_year_is_evaluated(tmp_path: Path, modified_s: int) -> None:
    log = tmp_path / "runner.log"
    log.write_bytes(prints.encoded(prints.whole_run("redhat9.6.cy.ts")))
    os.utime(log, (0, modified_s))
    finished = FinishedRun(log=log, artifacts=tmp_path)

    run = inspect_log(finished, on_bytes=lambda _: None)

    assert run.verdict is not None
    assert since_from(run, finished) < run.request.at


def test_durations_of_thousands_of_years_are_no_time_to_go_back(tmp_path: Path) -> None:
    log = tmp_path / "runner.log"
    whole = prints.encoded(prints.whole_run("a.cy.ts", "b.cy.ts")).decode()
    lines = [
        f"  │ Duration:     {'999999999 minutes, 1 second':<61}│" if "Duration:" in line else line
        for line in whole.splitlines()
    ]
    log.write_text("\n".join(lines) + "\n")
    finished = FinishedRun(log=log, artifacts=tmp_path)

    run = inspect_log(finished, on_bytes=lambda _: None)

    assert [spec.duration_s for spec in run.subruns[0].children[0].specs] == [59999999941.0] * 2
    assert since_from(run, finished).year > 2000
