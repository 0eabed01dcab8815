"""The benches can be run, and print their tables. Times are for people to read: none is asserted here."""

import importlib

import pytest

from tests.bench.table import Row, percentile, print_table

BENCHES = {
    "recognise": (
        ["--mb", "1", "--rounds", "1", "--subruns", "4", "--specs", "8"],
        """
        recognise + parse + reduce
        grep -cE
        ratio
        peak memory
        one line of
        reduce alone
        """,
    ),
    "reaction": (
        ["--rounds", "1", "--stimuli", "1"],
        """
        report closed -> state.json, 1 times
        last log line -> message, 1 times
        last log line -> state.json, 1 times
        runner's command ends -> state.json, 1 times
        runner's command ends -> message, 1 times
        record of that end is there -> state.json, 1 times
        nothing but waiting and replacing a file, 50 times
        the same with a line and the file synced, 50 times
        a loop that looks every second
        p99 <= 5
        >= 200
        """,
    ),
    "idle": (
        ["--watchers", "2", "--seconds", "0.3", "--settle", "0", "--reports", "60"],
        """
        1 watcher: CPU, % of a core each
        1 watcher, 60 reports read every second: CPU
        2 watchers: CPU, % of a core each
        wake-ups per second each
        memory (PSS) each, MiB
        processes of this machine
        """,
    ),
    "startup": (
        ["--rounds", "1"],
        """
        python -c pass, ms
        --help, ms
        status, no build, ms
        status, one build, ms
        bin/atvm-pipeline --help, ms
        times python -c pass
        """,
    ),
}
"""Module -> its arguments for one short round, and the rows of its table."""


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_measures_a_short_round_and_prints_its_table(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, rows = BENCHES[name]
    code = importlib.import_module(f"tests.bench.{name}").main(arguments)

    table = capsys.readouterr().out
    assert code in (0, 1)
    assert [row for row in rows.split("\n") if row.strip() not in table] == []


def test_a_percentile_is_a_figure_that_was_measured() -> None:
    found = [5.0, 1.0, 3.0, 2.0, 4.0]

    assert [percentile(found, percent) for percent in (1, 50, 99, 100)] == [1.0, 3.0, 5.0, 5.0]
    assert percentile(range(1, 201), 99) == 198


def test_a_missed_goal_is_reported_and_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    met, missed = Row("one", "1", "2", "<= 3"), Row("other", "1", "4", "<= 3", missed=True)

    assert print_table([met]) == 0
    assert print_table([met, missed]) == 1
    assert "other         1         4  <= 3  MISSED" in capsys.readouterr().out
