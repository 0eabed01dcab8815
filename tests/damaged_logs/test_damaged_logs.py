"""The short form of `python -m tests.damaged_logs`: two runs in one log, runs that die, damaged lines."""

import random
from pathlib import Path

import pytest

from . import dying, lines, weaving

WEAVES = 800
DEATHS = 150
SHARE = 0.01
"""The share of lines in each recorded log that are damaged, each in five ways."""


@pytest.mark.parametrize("part", range(4))
def test_no_interleaving_of_a_red_run_with_another_is_completed(part: int, tmp_path: Path) -> None:
    seeds = range(part * WEAVES // 4, (part + 1) * WEAVES // 4)
    checked = [weaving.check(seed, tmp_path / "runner.log") for seed in seeds]

    assert [(weave.seed, wrong) for weave, _, wrong in checked if wrong is not None] == []
    # Both of these must occur, otherwise the test proves nothing.
    assert any(view.phase == "COMPLETED" for _, view, _ in checked)
    assert {"log-mixed", "failure-unattributed"} <= {view.reason["code"] for _, view, _ in checked}


def test_a_green_run_behind_one_that_died_keeps_its_verdict(tmp_path: Path) -> None:
    checked = [(seed, *dying.check(seed, tmp_path / "runner.log")) for seed in range(DEATHS)]

    assert [(seed, wrong) for seed, _, wrong in checked if wrong is not None] == []
    assert sum(not death.proven for _, death, _ in checked) > DEATHS / 2


def test_one_damaged_line_makes_no_red_log_green_and_costs_no_green_one_its_verdict(tmp_path: Path) -> None:
    rng = random.Random(0)  # noqa: S311 - to be repeated
    found = [
        damage
        for log in (*lines.recorded_logs(), *lines.made_logs(4))
        for damage in lines.damages(log, tmp_path / "runner.log", SHARE, rng)
    ]

    assert [damage for damage in found if damage.is_false_green] == []
    assert [damage for damage in found if damage.is_lost_green] == []
    assert {damage.how for damage in found} == set(lines.DAMAGES)
    assert sum(damage.was == "COMPLETED" for damage in found) > 20
