"""The error blocks of Cypress and its command line tool, known by their first line (Cypress's `errors.ts`, `errors.js`).

Says what was printed and how far it reaches; whether it counts where it stands is `grammar.py`'s business.
Texts that start with `Warning:` are none: they say themselves that they do not change the exit code.
"""

import re
from typing import NamedTuple


class ErrorLine(NamedTuple):
    """What the first line of an error block stands for."""

    code: str
    """A reason code of `core/reasons.py`."""
    scope: str
    """`run`, `spec`, or `where`: the open spec if there is one, else the run."""


RUN, SPEC, WHERE = "run", "spec", "where"

SERVER_ERROR = "record-server-error"
"""The one that may be followed by a retry, and then is none."""
SIGNALLED = "cypress-signalled"

_TABLE: tuple[tuple[str, str, str], ...] = (
    # before (Run Starting): nothing runs
    ("Can't run because no spec files were found.", "no-specs-found", RUN),
    ("Can't run because you've entered an invalid browser name.", "browser-not-found", RUN),
    ("The specified browser was not found on your system", "browser-not-found", RUN),
    ("We could not identify a known browser at the path", "browser-not-found", RUN),
    ("Your configFile is invalid:", "config-invalid", RUN),
    ("Your configFile at ", "config-invalid", RUN),
    ("Your configFile as ", "config-invalid", RUN),
    ("Your configFile threw a validation error from:", "config-invalid", RUN),
    ("Your configFile threw an error from:", "plugin-error", WHERE),
    ("Could not find a Cypress configuration file", "config-invalid", RUN),
    ("Could not load a Cypress configuration file", "config-invalid", RUN),
    ("There is both a cypress.config", "config-invalid", RUN),
    ("There is a cypress.json file at the path:", "config-invalid", RUN),
    ("There were multiple support files found matching your supportFile pattern.", "config-invalid", RUN),
    ("Your project does not contain a default supportFile.", "config-invalid", RUN),
    ("Your supportFile is missing or invalid:", "config-invalid", RUN),
    ("The testing type selected (", "config-invalid", RUN),
    ("Cypress failed to verify that your server is running.", "server-unreachable", RUN),
    ("No version of Cypress is installed in:", "cypress-not-installed", RUN),
    (
        "The cypress npm package is installed, but the Cypress binary is missing.",
        "cypress-not-installed",
        RUN,
    ),
    ("Cypress verification failed.", "cypress-not-installed", RUN),
    ("Cypress verification timed out.", "cypress-not-installed", RUN),
    ("Cypress failed to start.", "cypress-not-installed", RUN),
    ("Your system is missing the dependency: Xvfb", "dependency-missing", RUN),
    ("Error loading the reporter:", "reporter-error", RUN),
    # the recording server, before (Run Starting)
    ("You passed the --record flag but did not provide us your Record Key.", "record-key-invalid", RUN),
    ("Your Record Key ", "record-key-invalid", RUN),
    (
        "You passed the --record flag but this project has not been setup to record.",
        "record-project-unknown",
        RUN,
    ),
    ("We could not find a Cypress Cloud project with the projectId:", "record-project-unknown", RUN),
    ("We could not find a Cypress Dashboard project with the projectId:", "record-project-unknown", RUN),
    ("You passed the --group flag, but this group name has already been used", "record-group-used", RUN),
    ("You passed the --parallel flag, but", "record-parallel-invalid", RUN),
    ("You are attempting to pass the --parallel flag to a run that was completed", "record-run-stale", RUN),
    ("The run you are attempting to access is already complete", "record-run-stale", RUN),
    ("You passed the --group or --parallel flag but we could not", "record-flags-invalid", RUN),
    ("You passed the --ci-build-id flag", "record-flags-invalid", RUN),
    ("You passed the --ci-build-id, --group,", "record-flags-invalid", RUN),
    ("Recording this run failed.", SERVER_ERROR, RUN),
    # "You've exceeded the limit ..." stands above it, and above the warning of a grace period too.
    ("To continue recording tests this month you must upgrade your account.", "record-plan-exceeded", RUN),
    ("Grouping is not included under your current billing plan.", "record-plan-exceeded", RUN),
    ("Parallelization is not included under your current billing plan.", "record-plan-exceeded", RUN),
    ("Auto Cancellation is not included under your current billing plan.", "record-plan-exceeded", RUN),
    # the recording server, at any time; held until the next lines tell whether it is tried again
    ("We encountered an unexpected error communicating with our servers.", SERVER_ERROR, RUN),
    ("We encountered an unexpected error talking to our servers.", SERVER_ERROR, RUN),
    # one spec is lost, the run goes on
    ("Oops...we found an error preparing this test file:", "spec-compile-error", SPEC),
    (
        "The browser never connected. Something is wrong. The tests cannot run. Aborting...",
        "browser-not-connected",
        SPEC,
    ),
    # the run is aborted
    ("An error was thrown in your plugins file while executing the handler for the", "plugin-error", RUN),
    ("The launchOptions object returned by your plugin's before:browser:launch handler", "plugin-error", RUN),
    ("Cypress failed to make a connection to the Chrome DevTools Protocol", "browser-not-connected", RUN),
)

_HELD = tuple(start for start, _, _ in _TABLE if start.startswith("We encountered an unexpected error "))

_SHAPES = (
    (re.compile(r"We detected that the .{1,80} process just crashed\b.*"), ErrorLine("spec-crashed", SPEC)),
    (
        re.compile(
            r"We detected that the .{1,80} (?:browser process|tab running Cypress tests) closed unexpectedly\..*"
        ),
        ErrorLine("browser-closed", RUN),
    ),
    (
        re.compile(
            r"The Test Runner unexpectedly exited via an? \S{1,20} event with signal SIG[A-Z0-9+-]{1,12}\b.*"
        ),
        ErrorLine(SIGNALLED, RUN),
    ),
    (
        re.compile(r"The \S{1,80} configuration option is (?:now invalid|not valid)\b.*"),
        ErrorLine("config-invalid", RUN),
    ),
)

ERROR_STARTS = (*(start for start, _, _ in _TABLE), "We detected that the ", "The ")
"""How a line that may be an error begins."""

_BY_FIRST = {
    first: tuple(row for row in _TABLE if row[0][0] == first)
    for first in {start[0] for start in ERROR_STARTS}
}
"""The table by first letter: a line is compared with few of its rows."""

GIVEN_UP = (
    "Because you passed the --",
    "The --group flag you passed was:",
    "The --ciBuildId flag you passed was:",
)
"""What stands below a held error that is final."""
GOES_ON = ("We will retry ", "This error will not affect or change the exit code.")
"""What stands below a held error that is none."""


def error_in(text: str) -> ErrorLine | None:
    """What the cleaned line says if it is the first line of an error block; Cypress prints those unindented."""
    rows = _BY_FIRST.get(text[:1])
    if rows is None:
        return None
    for start, code, scope in rows:
        if text.startswith(start):
            return ErrorLine(code, scope)
    for shape, error in _SHAPES:
        if shape.fullmatch(text):
            return error
    return None


def is_held(text: str) -> bool:
    """Whether the lines below must tell if this error is final."""
    return text.startswith(_HELD)
