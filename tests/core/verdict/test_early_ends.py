"""Every early end that Cypress prints, from console text to verdict: each has its own code and an actionable sentence."""

import re
from pathlib import Path

import pytest

from atvm_pipeline.core.reasons import REASONS
from atvm_pipeline.core.snapshot import Snapshot, snapshot
from atvm_pipeline.core.transitions import EARLY_ENDS
from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log
from tests.support import cypress_output as prints

FIRST, SECOND = "redhat9.6.cy.ts", "ubuntu24.04.cy.ts"
SERVER = [
    "We encountered an unexpected error communicating with our servers.",
    "",
    'StatusCodeError: 500 - "Internal Server Error"',
    "",
]

BEFORE: list[tuple[str, list[str]]] = [
    (
        "no-specs-found",
        [
            "Can't run because no spec files were found.",
            "",
            "We searched for specs matching this glob pattern:",
            "",
            "  > cypress/e2e/cmc-e2e/ubuntu24.04.cy.ts",
        ],
    ),
    ("config-invalid", ["Your configFile is invalid: /root/cdc/cypress.config.ts", "", "It must export."]),
    ("config-invalid", ["Your configFile threw an error from: cypress.config.ts", "", "ReferenceError: x"]),
    ("config-invalid", ["Could not find a Cypress configuration file in this folder: /root/cdc"]),
    (
        "browser-not-found",
        ["Can't run because you've entered an invalid browser name.", "", "Browser: chrome was not found"],
    ),
    (
        "server-unreachable",
        [
            "Cypress could not verify that this server is running:",
            "",
            "  > https://cmc.example.test",
            "",
            "We are verifying this server because it has been configured as your baseUrl.",
            "",
            "Cypress automatically waits until your server is accessible before running tests.",
            "",
            "We will try connecting to it 3 more times...",
            "We will try connecting to it 2 more times...",
            "We will try connecting to it 1 more time...",
            "",
            "Cypress failed to verify that your server is running.",
            "",
            "Please start this server and then run Cypress again.",
        ],
    ),
    (
        "cypress-not-installed",
        ["No version of Cypress is installed in: /root/.cache/Cypress/12.17.4/Cypress"],
    ),
    ("cypress-not-installed", ["Cypress verification timed out.", "", "This command failed:"]),
    ("cypress-not-installed", ["Cypress verification failed.", "", "Cypress Version: 12.17.4"]),
    (
        "dependency-missing",
        ["Your system is missing the dependency: Xvfb", "", "Install Xvfb and run Cypress again."],
    ),
    ("xvfb-failed", ["Xvfb exited with a non zero exit code.", "", "There was a problem spawning Xvfb."]),
    ("arguments-invalid", ["`--headed` and `--headless` cannot both be passed.", "", "Either pass one."]),
    ("cypress-error", ["Can't run project because port is currently in use: 8080", "", "Assign a port."]),
    ("cypress-error", ["Port 8080 is already in use.", "", "Error: listen EADDRINUSE"]),
    ("config-invalid", ["Your cypress.json file threw an error.", "", "Error: nope"]),
    ("reporter-error", ["Error loading the reporter: cypress-multi-reporters", "", "We searched for:"]),
    (
        "record-key-invalid",
        ["You passed the --record flag but did not provide us your Record Key.", "", "You can pass us:"],
    ),
    ("record-key-invalid", ["Your Record Key f858a...ee7e1 is not valid with this projectId: cdc"]),
    ("record-project-unknown", ["We could not find a Cypress Cloud project with the projectId: cdc"]),
    (
        "record-group-used",
        [
            "You passed the --group flag, but this group name has already been used for this run.",
            "",
            "The existing run is: https://cloud.example.test/runs/1",
        ],
    ),
    (
        "record-parallel-invalid",
        [
            "You passed the --parallel flag, but this run group was originally created without the --parallel flag.",
        ],
    ),
    (
        "record-run-stale",
        [
            "You are attempting to pass the --parallel flag to a run that was completed over 24 hours ago.",
        ],
    ),
    (
        "record-run-stale",
        ["The run you are attempting to access is already complete and will not accept new groups."],
    ),
    (
        "record-flags-invalid",
        [
            "You passed the --group or --parallel flag but we could not automatically determine or generate a ciBuildId.",
        ],
    ),
    (
        "record-flags-invalid",
        ["You passed the --ci-build-id flag but did not provide either a --group or --parallel flag."],
    ),
    (
        "record-plan-exceeded",
        [
            "You've exceeded the limit of test results under your free plan this month. The limit is 500 test results.",
            "",
            "To continue recording tests this month you must upgrade your account. Please visit your billing.",
        ],
    ),
    ("record-plan-exceeded", ["Grouping is not included under your current billing plan."]),
    ("record-server-error", [*SERVER, "The --group flag you passed was: e2e-ubuntu24.04-fc"]),
]
"""Reason code and lines that Cypress prints instead of a run."""

MIDWAY: list[tuple[str, list[str]]] = [
    (
        "record-server-error",
        [
            *SERVER,
            "We will retry 1 more time in 2 minutes...",
            "",
            *SERVER,
            "The --group flag you passed was: e2e-ubuntu24.04-fc",
            "The --ciBuildId flag you passed was: e2e-ubuntu24.04-fc",
        ],
    ),
    (
        "plugin-error",
        [
            "An error was thrown in your plugins file while executing the handler for the after:spec event.",
            "",
            "The error we received was:",
            "",
            "Error: ENOSPC: no space left on device, write",
        ],
    ),
    (
        "browser-closed",
        ["We detected that the Chrome browser process closed unexpectedly.", "", "We have failed the spec."],
    ),
    (
        "browser-closed",
        ["We detected that the electron tab running Cypress tests closed unexpectedly.", ""],
    ),
    (
        "cypress-signalled",
        [
            "The Test Runner unexpectedly exited via a close event with signal SIGKILL",
            "",
            "Please search Cypress documentation for possible solutions:",
            "",
            "----------",
            "",
            "Platform: linux-x64 (Ubuntu - 22.04)",
            "Cypress Version: 12.17.4",
        ],
    ),
    (
        "automation-lost",
        [
            "There was an error reconnecting to the Chrome DevTools protocol. Please restart the browser.",
            "",
            "Error: connect ECONNREFUSED 127.0.0.1:44137",
        ],
    ),
    ("automation-lost", ["The automation client disconnected. Cannot continue running tests."]),
    (
        "heap-exhausted",
        [
            "  1 passing (3s)",
            "",
            "<--- Last few GCs --->",
            "",
            "[96:0x4dc001dc000] 57881350 ms: Mark-sweep 1963.1 (2067.1) -> 1962.4 (2065.1) MB",
            "",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        ],
    ),
    ("heap-exhausted", ["FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed"]),
]
"""Reason code and lines that end a run after one spec has passed and another has started; no summary follows."""

WITHIN: list[tuple[str, list[str]]] = [
    (
        "spec-compile-error",
        ["Oops...we found an error preparing this test file:", "", "  > cypress/e2e/ubuntu24.04.cy.ts"],
    ),
    (
        "browser-not-connected",
        [
            "Timed out waiting for the browser to connect. Retrying...",
            "",
            "The browser never connected. Something is wrong. The tests cannot run. Aborting...",
        ],
    ),
    (
        "plugin-error",
        ["Your configFile threw an error from: cypress.config.ts", "", "Error: in a preprocessor"],
    ),
]
"""Reason code and lines of errors that lose one spec while the run continues."""


def canceled() -> list[str]:
    return [
        *prints.starting(FIRST, SECOND),
        *prints.whole_spec(FIRST, 1, 2),
        *prints.running(SECOND, 2, 2),
        "",
        "  This spec and its tests were skipped because the run has been canceled.",
        *prints.finished(
            [prints.row(FIRST, (1, 1, 0, 0, 0)), prints.row(SECOND, (0, 0, 0, 0, 0), "-", "SKIPPED")],
            "The run was canceled",
            (1, 1, 0, 0, 0),
            "-",
        ),
        "",
        "  Exiting with non-zero exit code because the run was canceled.",
    ]


def midway(block: list[str]) -> list[str]:
    return [
        *prints.starting(FIRST, SECOND),
        *prints.whole_spec(FIRST, 1, 2),
        *prints.running(SECOND, 2, 2),
        "",
        *block,
    ]


def within(block: list[str]) -> list[str]:
    return [
        *midway(block),
        *prints.results(SECOND, passing=0, failing=1, duration="0 seconds"),
        *prints.finished(
            [prints.row(FIRST, (1, 1, 0, 0, 0)), prints.row(SECOND, (0, 0, 1, 0, 0), "✖", "0ms")],
            "1 of 2 failed (50%)",
            (1, 1, 1, 0, 0),
            "✖",
        ),
    ]


ENDS = [
    *((code, block) for code, block in BEFORE),
    *((code, midway(block)) for code, block in MIDWAY),
    *((code, within(block)) for code, block in WITHIN),
    ("run-canceled", canceled()),
]
each_end = pytest.mark.parametrize(
    ("code", "lines"), ENDS, ids=[f"{code}-{at}" for at, (code, _) in enumerate(ENDS)]
)


def inspected(lines: list[str], tmp_path: Path, *, categorized: bool = False) -> Snapshot:
    log = tmp_path / "runner.log"
    log.write_bytes(prints.encoded([prints.coloured(line) for line in lines]))
    return snapshot(
        inspect_log(FinishedRun(log=log, categorized=categorized, exit_code=1), on_bytes=lambda _: None)
    )


def test_every_early_end_is_here() -> None:
    assert {code for code, _ in ENDS} == set(EARLY_ENDS)


@each_end
def test_an_early_end_has_its_own_code_and_shows_where_it_stands(
    code: str, lines: list[str], tmp_path: Path
) -> None:
    view = inspected(["run-sorry-cypress: starting", "", *lines], tmp_path)
    at = view.reason["evidence"][0]
    quoted = (tmp_path / "runner.log").read_bytes()[at["offset"] :].split(b"\n")[0].decode()

    assert (view.phase, view.reason["code"]) == ("FAILED", code)
    assert at["kind"] == "log"
    assert re.sub("\x1b\\[[0-9;]*m", "", quoted).rstrip() in [line.rstrip() for line in lines]
    assert quoted.strip()


@each_end
def test_an_early_end_of_a_later_group_is_that_groups_own(
    code: str, lines: list[str], tmp_path: Path
) -> None:
    view = inspected(
        [
            "+ npx cypress run --ci-build-id e2e-redhat9.6-fc",
            *prints.whole_run(FIRST),
            "+ npx cypress run --ci-build-id e2e-ubuntu24.04-fc",
            *lines,
        ],
        tmp_path,
        categorized=True,
    )

    assert (view.phase, view.reason["code"]) == ("FAILED", code)
    assert [(subrun.label, subrun.phase, subrun.reason["code"]) for subrun in view.subruns] == [
        ("e2e-redhat9.6-fc", "COMPLETED", "all-passed"),
        ("e2e-ubuntu24.04-fc", "FAILED", code),
    ]


@pytest.mark.parametrize("code", EARLY_ENDS)
def test_the_sentence_of_an_early_end_states_what_happened_and_what_to_do(code: str) -> None:
    happened, _, to_do = REASONS[code].partition(": ")

    assert happened[0].isupper()
    assert re.fullmatch(
        r"(?:check|find|fix|install|look|raise|read|run|start|use) .+[^.]\.|install it\.|\{advice\}\.",
        to_do,
    )
    assert len(REASONS[code]) < 150


def test_the_sentence_of_a_killed_cypress_names_the_signal(tmp_path: Path) -> None:
    view = inspected(midway(dict(MIDWAY)["cypress-signalled"]), tmp_path)

    assert "Signal SIGKILL" in view.reason["text"]


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGILL"])
def test_the_sentence_of_a_crashed_cypress_reports_nothing_about_memory(signal: str, tmp_path: Path) -> None:
    line = f"The Test Runner unexpectedly exited via a exit event with signal {signal}"
    text = inspected(["Fontconfig error: No writable cache directories", line], tmp_path).reason["text"]

    assert f"Signal {signal} ended the Cypress process: Cypress itself crashed" in text
    assert "memory" not in text
    assert "killed" not in text


@pytest.mark.parametrize(
    "block", [block for code, block in MIDWAY if code in ("automation-lost", "heap-exhausted")]
)
def test_a_run_that_survives_such_a_line_is_not_failed_by_it(block: list[str], tmp_path: Path) -> None:
    run = prints.whole_run(FIRST)
    box = next(at for at, line in enumerate(run) if line.strip() == "(Results)")
    printed = [line for line in block if "passing" not in line]

    for at in (0, box - 1, box + 14, len(run)):
        view = inspected([*run[:at], *printed, *run[at:]], tmp_path)
        assert view.reason["code"] in ("runner-failed", "all-passed"), at


def test_the_cause_below_an_error_of_cypress_is_quoted(tmp_path: Path) -> None:
    view = inspected(
        [
            "An unexpected error occurred while verifying the Cypress executable.",
            "",
            "Please search Cypress documentation for possible solutions:",
            "",
            "----------",
            "",
            "Error: spawn /opt/Cypress/Cypress EACCES",
        ],
        tmp_path,
    )

    assert view.reason["code"] == "cypress-not-installed"
    assert "spawn /opt/Cypress/Cypress EACCES" in view.reason["text"]
