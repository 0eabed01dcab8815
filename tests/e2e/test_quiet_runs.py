"""A run with `cypress run --quiet`: the log has no summary, so the planned specs of the start and the reports decide."""

from pathlib import Path

import pytest

from tests.support.controller import RUNNER, Controller

QUIET = "set -o pipefail; {} | grep -E '^ +[0-9]+ (passing|pending|failing)|✓'"


@pytest.mark.parametrize("categorized", [False, True])
@pytest.mark.parametrize(
    ("scenario", "phase", "words"),
    [
        ("all-green", "COMPLETED", "Only the reports prove it"),
        (
            "failing-test",
            "FAILED",
            "1 report of this run shows a failure: cypress/e2e/cmc-e2e/ubuntu24.04.cy.ts",
        ),
    ],
)
def test_a_quiet_run_is_decided_by_its_reports_and_reports_it_once(
    scenario: str, phase: str, words: str, tmp_path: Path, *, categorized: bool
) -> None:
    with Controller(tmp_path, scenario=scenario) as host:
        runner = QUIET.format(RUNNER + (" --categorize" if categorized else ""))
        started = host.start(runner=runner, categorize=categorized)
        # A runner that fails within the two seconds of the start, without a line of Cypress, is 69. Both codes are right here.
        assert started.returncode in (0, 69), started.stderr
        host.wait()
        state = host.state()
        (text,) = host.texts()

    assert state["phase"] == phase, state["reason"]
    assert words in state["reason"]["text"]
    assert words in text


def test_a_quiet_run_whose_specs_are_not_certain_at_the_start_is_unknown(tmp_path: Path) -> None:
    with Controller(tmp_path) as host:
        state = host.run(runner=QUIET.format(f"cd . && {RUNNER}"), categorize=False)

    assert (state["phase"], state["reason"]["code"]) == ("UNKNOWN", "no-summary")
