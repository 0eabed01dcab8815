"""The verdict tables as a golden file: a changed row or cell fails here first.

If this fails, run `pytest --rewrite tests/cli/test_verdict_tables.py`, and commit the diff only if it is desired.
"""

import re

from atvm_pipeline.cli.verdict_tables import as_data, diagram, event_tags, render_tables
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.state import Stage
from atvm_pipeline.core.transitions import (
    CHILD_TRANSITIONS,
    CHILD_TRIGGERS,
    PHASE_TRANSITIONS,
    RUN_VERDICTS,
    SUBRUN_VERDICTS,
)
from atvm_pipeline.core.verdict import run_verdict, subrun_verdict
from tests.support.project import PROJECT

GOLDEN = PROJECT / "fixtures" / "verdicts.txt"


def test_the_tables_are_those_of_the_golden_file(*, rewrite: bool) -> None:
    if rewrite:
        GOLDEN.write_text(render_tables())

    assert GOLDEN.read_text() == render_tables()


def test_the_tables_have_no_cell_without_a_change_and_fit_80_columns() -> None:
    lines = render_tables().splitlines()

    assert [line for line in lines if len(line) > 80 or line.endswith(" -")] == []
    assert "  PENDING    -> RUNNING     runner-started, runner-exited, processes-seen," in lines


def test_every_phase_and_stage_has_a_row_and_every_cell_names_what_exists() -> None:
    assert set(PHASE_TRANSITIONS) == set(Phase)
    assert set(CHILD_TRANSITIONS) == set(Stage)
    assert {tag for row in PHASE_TRANSITIONS.values() for tag in row} <= set(event_tags())
    assert {name for row in CHILD_TRANSITIONS.values() for name in row} <= set(CHILD_TRIGGERS)


def test_every_row_of_a_verdict_table_has_its_condition_and_the_last_always_holds() -> None:
    assert [row.condition for row in RUN_VERDICTS] == list(run_verdict.RUN_CONDITIONS)
    assert [row.condition for row in SUBRUN_VERDICTS] == list(subrun_verdict.SUBRUN_CONDITIONS)
    assert RUN_VERDICTS[-1].condition == SUBRUN_VERDICTS[-1].condition == "passed"


def test_the_diagram_has_every_phase_and_no_character_that_ends_a_label() -> None:
    text = diagram()

    assert all(phase in text for phase in Phase)
    assert not [line for line in text.splitlines() if re.search(r":.*[;:]", line)]


def test_the_data_form_has_the_same_rows() -> None:
    data = as_data()

    assert [row["condition"] for row in data["run"]] == [row.condition for row in RUN_VERDICTS]
    assert data["phases"]["PENDING"]["runner-started"] == "RUNNING"
