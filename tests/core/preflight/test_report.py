"""Result of each comparison of the preflight: passed, a finding, or not checkable with the reason."""

from typing import Any

import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.requested_hosts import HostSource, RequestedHosts
from atvm_pipeline.core.preflight.report import PreflightCheck, compare_request

BUILD = "e2e-redhat9.6-w2k25-fc"
RUNNER = f"run --config_file a.ts --build_name {BUILD} --categorize"
SPECS = ("cypress/e2e/redhat9.6.cy.ts", "cypress/e2e/w2k25.cy.ts")


def requested(*hosts: str) -> RequestedHosts:
    sources: dict[str, HostSource] = dict.fromkeys(hosts, "inventory")
    return RequestedHosts(sources)


def compared(**changes: Any) -> dict[str, PreflightCheck]:
    """Return the last result of each subject."""
    fitting: dict[str, Any] = {
        "build_name": BUILD,
        "requested": requested("redhat9.6", "w2k25"),
        "template_command": "template --config_file a.ts",
        "runner_command": RUNNER,
        "config_file": "a.ts",
        "categorize": True,
        "matched_specs": SPECS,
        "specs_unknown": "",
        "known": ("redhat9.6", "w2k25"),
        "dialect": Dialect(),
    }
    found = compare_request(**(fitting | changes))
    assert [check.check for check in found if check.check != "spec pattern"] == [
        "build name",
        "same config file",
        "categorize",
    ]
    return {check.check: check for check in found}


def test_a_request_that_fits_passes_every_check() -> None:
    found = compared()

    assert {check.outcome for check in found.values()} == {"ok"}
    assert found["build name"].text == "the runner command has the same --build_name"
    assert (
        found["same config file"].text
        == "no difference between the template command, the runner command and --config-file"
    )
    assert found["spec pattern"].text == "the config selects 2 spec files, also for redhat9.6, w2k25"
    assert found["categorize"].text == "in request and runner command"


@pytest.mark.parametrize(
    ("changes", "subject", "outcome", "words"),
    [
        ({"runner_command": "run --build_name other --categorize"}, "build name", "mismatch", "other"),
        ({"runner_command": "run --config_file b.ts --categorize"}, "same config file", "mismatch", "b.ts"),
        ({"matched_specs": ()}, "spec pattern", "mismatch", "matches no spec file"),
        ({"requested": requested("redhat9.6")}, "spec pattern", "notice", "w2k25"),
        ({"categorize": False}, "categorize", "notice", "add it to this command"),
    ],
)
def test_a_finding_is_the_result_of_its_check(
    changes: dict[str, Any], subject: str, outcome: str, words: str
) -> None:
    check = compared(**changes)[subject]

    assert check.outcome == outcome
    assert words in check.text
    assert check.code


@pytest.mark.parametrize(
    ("changes", "subject", "text"),
    [
        ({"runner_command": None}, "build name", "the runner command has no --build_name"),
        (
            {"runner_command": "run --build_name $B"},
            "build name",
            "the shell expands the --build_name of the runner command",
        ),
        (
            {"runner_command": None, "template_command": None, "config_file": None},
            "same config file",
            "neither a command nor --config-file names a config file",
        ),
        (
            {"runner_command": None, "template_command": None},
            "same config file",
            "only --config-file names a config file",
        ),
        (
            {"matched_specs": None, "specs_unknown": "the config file is not known"},
            "spec pattern",
            "the config file is not known",
        ),
        ({"runner_command": None}, "categorize", "there is no runner command that can be read"),
    ],
)
def test_a_check_that_is_not_possible_states_why(changes: dict[str, Any], subject: str, text: str) -> None:
    check = compared(**changes)[subject]

    assert (check.outcome, check.text, check.code) == ("not-checked", text, "")


def test_without_hosts_and_groups_the_checks_pass_too() -> None:
    found = compared(
        requested=requested(), runner_command="run", categorize=False, matched_specs=("a.cy.ts",)
    )

    assert found["spec pattern"].text == "the config selects 1 spec file; no host is checked"
    assert found["categorize"].text == "in neither of the two"
