"""Error blocks of Cypress: some end one spec, others end the run."""

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.error_blocks import ERROR_STARTS, error_in
from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.reasons import REASONS
from tests.core.console.test_scanner import found
from tests.support import cypress_output as prints

SERVER = "We encountered an unexpected error communicating with our servers."
STATUS = 'StatusCodeError: 500 - "Internal Server Error"'

BLOCKS = [
    ("Can't run because no spec files were found.", "no-specs-found", "run"),
    ("Your configFile is invalid: /x/cypress.config.js", "config-invalid", "run"),
    ("Your configFile threw an error from: cypress.config.ts", "config-invalid", "run"),
    ("Your configFile at cypress.config.js set an invalid value:", "config-invalid", "run"),
    ("Could not find a Cypress configuration file in this folder: /x", "config-invalid", "run"),
    ("The baseUrl configuration option is now invalid when set from the root", "config-invalid", "run"),
    ("Can't run because you've entered an invalid browser name.", "browser-not-found", "run"),
    ("Cypress failed to verify that your server is running.", "server-unreachable", "run"),
    ("No version of Cypress is installed in: /root/.cache/Cypress", "cypress-not-installed", "run"),
    ("Cypress verification timed out.", "cypress-not-installed", "run"),
    ("Cypress verification failed.", "cypress-not-installed", "run"),
    ("Your system is missing the dependency: Xvfb", "dependency-missing", "run"),
    ("Error loading the reporter: nope", "reporter-error", "run"),
    ("You passed the --record flag but did not provide us your Record Key.", "record-key-invalid", "run"),
    ("Your Record Key f858a...ee7e1 is not valid with this projectId: p", "record-key-invalid", "run"),
    ("We could not find a Cypress Cloud project with the projectId: p", "record-project-unknown", "run"),
    (
        "You passed the --group flag, but this group name has already been used for this run.",
        "record-group-used",
        "run",
    ),
    (
        "You passed the --parallel flag, but this run group was originally created",
        "record-parallel-invalid",
        "run",
    ),
    (
        "You are attempting to pass the --parallel flag to a run that was completed over 24 hours ago.",
        "record-run-stale",
        "run",
    ),
    (
        "The run you are attempting to access is already complete and will not accept new groups.",
        "record-run-stale",
        "run",
    ),
    (
        "You passed the --group or --parallel flag but we could not automatically determine or generate a ciBuildId.",
        "record-flags-invalid",
        "run",
    ),
    (
        "You passed the --ci-build-id flag but did not provide either a --group or --parallel flag.",
        "record-flags-invalid",
        "run",
    ),
    ("We detected that the Chromium Renderer process just crashed.", "spec-crashed", "spec"),
    ("We detected that the Electron Renderer process just crashed.", "spec-crashed", "spec"),
    (
        "We detected that the Chrome process just crashed with code 'null' and signal 'SIGTRAP'.",
        "spec-crashed",
        "spec",
    ),
    ("Oops...we found an error preparing this test file:", "spec-compile-error", "spec"),
    (
        "The browser never connected. Something is wrong. The tests cannot run. Aborting...",
        "browser-not-connected",
        "spec",
    ),
    (
        "An error was thrown in your plugins file while executing the handler for the after:spec event.",
        "plugin-error",
        "run",
    ),
    ("We detected that the Chrome browser process closed unexpectedly.", "browser-closed", "run"),
    ("We detected that the electron tab running Cypress tests closed unexpectedly.", "browser-closed", "run"),
    (
        "The Test Runner unexpectedly exited via a close event with signal SIGKILL",
        "cypress-signalled",
        "run",
    ),
    (
        "The Test Runner unexpectedly exited via a exit event with signal SIGSEGV",
        "cypress-signalled",
        "run",
    ),
]


def errors(lines: list[str]) -> list[f.ErrorReported]:
    return [fact for fact in found(lines) if isinstance(fact, f.ErrorReported)]


@pytest.mark.parametrize(
    ("line", "code", "scope"), BLOCKS, ids=[f"{block[1]}-{at}" for at, block in enumerate(BLOCKS)]
)
def test_every_error_block_has_its_code_and_its_scope(line: str, code: str, scope: str) -> None:
    (error,) = errors(["", f"\x1b[31m{line}\x1b[39m", "", "more of it"])

    assert (error.code, error.scope, error.text, error.offset) == (code, scope, line, 1)


def test_every_code_is_in_the_closed_list() -> None:
    known = [error_in(start) for start in ERROR_STARTS]

    assert {error.code for error in known if error is not None} <= set(REASONS)


def test_a_config_file_that_throws_within_a_spec_costs_the_spec() -> None:
    line = "Your configFile threw an error from: cypress.config.js"
    lines = [
        *prints.starting("a.cy.ts"),
        *prints.running("a.cy.ts"),
        "",
        line,
        *prints.results("a.cy.ts", 0, 1),
    ]

    assert [(error.code, error.scope) for error in errors(lines)] == [("plugin-error", "spec")]


@pytest.mark.parametrize(
    "line", [f"Warning: {SERVER}", f"  {SERVER}", f"     {BLOCKS[0][0]}", f"> {BLOCKS[0][0]}"]
)
def test_warnings_and_indented_texts_are_no_errors(line: str) -> None:
    assert errors([line, "", "This error will not affect or change the exit code."]) == []


def test_one_code_is_reported_once_per_spec() -> None:
    line = BLOCKS[26][0]
    lines = [
        *prints.starting("a.cy.ts"),
        *prints.running("a.cy.ts"),
        line,
        line,
        *prints.results("a.cy.ts", 0, 1),
    ]

    assert [error.code for error in errors(lines)] == ["browser-not-connected"]


@pytest.mark.parametrize(
    ("below", "final"),
    [
        ([STATUS, "", "We will retry 3 more times in 30 seconds...", ""], False),
        ([STATUS, "", "This error will not affect or change the exit code."], False),
        ([STATUS, "", "Because you passed the --parallel flag, this run cannot proceed"], True),
        ([STATUS, "", "The --group flag you passed was: foo"], True),
        ([STATUS, ""], True),
        ([STATUS, "", SERVER, STATUS], True),
        ([STATUS, "", SERVER, STATUS, "", "We will retry 1 more time in 30 seconds..."], False),
        ([], True),
        (["{", *(f'  "{number}",' for number in range(60)), "}"], True),
        ([STATUS, "", *prints.whole_run("next.cy.ts")], True),
        ([STATUS, "", BLOCKS[-1][0]], True),
        ([STATUS, "", "npx cypress run --ci-build-id next"], True),
        ([STATUS, "", "", *prints.whole_spec("a.cy.ts")], False),
    ],
    ids=[
        "retry",
        "warning",
        "cannot-proceed",
        "flags",
        "end",
        "twice",
        "twice-and-retry",
        "bare",
        "long",
        "next-child",
        "died",
        "launch",
        "goes-on",
    ],
)
def test_a_server_error_is_final_unless_it_is_tried_again(below: list[str], *, final: bool) -> None:
    facts = errors([*prints.starting("a.cy.ts"), SERVER, "", *below])

    assert ("record-server-error" in [error.code for error in facts]) is final


def test_a_server_error_after_retries_is_reported_where_it_became_final() -> None:
    retry = [SERVER, "", STATUS, "", "We will retry 1 more time in 30 seconds...", ""]
    lines = [
        *retry,
        *retry,
        SERVER,
        "",
        STATUS,
        "",
        "Because you passed the --record flag, this run cannot proceed",
    ]

    (error,) = errors(lines)
    assert error.offset == len(prints.encoded([*retry, *retry]))


def test_a_final_server_error_is_held_over_a_restart() -> None:
    scanner = Scanner(Dialect())
    scan = scanner.scan(ScannerState(), prints.encoded([SERVER, "", STATUS]))

    assert scan.facts == ()
    assert [type(fact) for fact in scanner.finish(scan.state).facts] == [f.ErrorReported]


def test_a_spec_that_crashed_keeps_its_box_and_the_run_continues() -> None:
    lines = [
        *prints.starting("a.cy.ts", "b.cy.ts"),
        *prints.running("a.cy.ts", 1, 2),
        "",
        BLOCKS[22][0],
        *prints.results("a.cy.ts", passing=0, failing=1),
        *prints.whole_spec("b.cy.ts", 2, 2),
    ]
    kinds = [type(fact).__name__ for fact in found(lines)]

    assert kinds == [
        *("ChildStarted", "ChildDescribed", "SpecStarted", "ErrorReported", "SpecReported"),
        *("SpecStarted", "SpecReported"),
    ]


def test_after_an_abort_the_next_child_starts_without_a_box() -> None:
    lines = [*prints.starting("a.cy.ts"), *prints.running("a.cy.ts"), BLOCKS[-1][0], "", "  (Run Starting)"]

    assert [type(fact).__name__ for fact in found(lines)][-1] == "ChildStarted"
