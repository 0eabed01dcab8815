"""The error blocks of Cypress and its command line tool, recognised by their first line.

The texts are from Cypress's `errors.ts` and `errors.js`. `handlers.py` decides whether an error counts at its position.
Texts that start with `Warning:` are not errors: they state that they do not change the exit code.
"""

import re
from typing import NamedTuple

from .error_catalog import ERROR_TABLE, HEAP_EXHAUSTED, RUN, SIGNALLED, SPEC


class ErrorMatch(NamedTuple):
    """The meaning of the first line of an error block."""

    code: str
    """A reason code of `core/reasons.py`."""
    scope: str
    """`run`, `spec`, or `where`: the open spec if there is one, else the run."""


_HELD = tuple(start for start, _, _ in ERROR_TABLE if start.startswith("We encountered an unexpected error "))

_SHAPES = (
    (re.compile(r"We detected that the .{1,80} process just crashed\b.*"), ErrorMatch("spec-crashed", SPEC)),
    (
        re.compile(
            r"We detected that the .{1,80} (?:browser process|tab running Cypress tests) closed unexpectedly\..*"
        ),
        ErrorMatch("browser-closed", RUN),
    ),
    (
        re.compile(
            r"The Test Runner unexpectedly exited via an? \S{1,20} event with signal SIG[A-Z0-9+-]{1,12}\b.*"
        ),
        ErrorMatch(SIGNALLED, RUN),
    ),
    (
        re.compile(
            r"The \S{1,80} configuration option (?:is (?:now invalid|not valid)\b|you have supplied has been re).*"
        ),
        ErrorMatch("config-invalid", RUN),
    ),
    (
        re.compile(r"The experimentalComponentTesting configuration option was removed in .*"),
        ErrorMatch("config-invalid", RUN),
    ),
    (
        re.compile(r"The \S{1,80} experiment is currently only supported for .*"),
        ErrorMatch("config-invalid", RUN),
    ),
    (
        re.compile(r"You are using .{1,80} for your dev server, but a configuration file was not found\..*"),
        ErrorMatch("config-invalid", RUN),
    ),
    (
        re.compile(r"Your \S{1,80} (?:file threw an error\.|is invalid:).*"),
        ErrorMatch("config-invalid", RUN),
    ),
    (re.compile(r"Port \d{1,5} is already in use\..*"), ErrorMatch("cypress-error", RUN)),
    (
        re.compile(r"FATAL ERROR: .*(?:heap out of memory|heap limit|Allocation failed).*"),
        ErrorMatch(HEAP_EXHAUSTED, RUN),
    ),
)

ERROR_STARTS = (
    *(start for start, _, _ in ERROR_TABLE),
    "We detected that the ",
    "The ",
    "You are using ",
    "Your ",
    "Port ",
    "FATAL ERROR: ",
)
"""The starts of lines that may be an error."""

_BY_FIRST = {
    first: tuple(row for row in ERROR_TABLE if row[0][0] == first)
    for first in {start[0] for start in ERROR_STARTS}
}
"""The table by first letter, so that a line is compared with few of its rows."""

GIVEN_UP = (
    "Because you passed the --",
    "The --group flag you passed was:",
    "The --ciBuildId flag you passed was:",
)
"""Lines below a held error that is final."""
GOES_ON = ("We will retry ", "This error will not affect or change the exit code.")
"""Lines below a held error that is not final."""


def error_in(text: str) -> ErrorMatch | None:
    """Return the error whose first line this cleaned line is, else None. Cypress prints those lines unindented."""
    rows = _BY_FIRST.get(text[:1])
    if rows is None:
        return None
    for start, code, scope in rows:
        if text.startswith(start):
            return ErrorMatch(code, scope)
    for shape, error in _SHAPES:
        if shape.fullmatch(text):
            return error
    return None


def is_held(text: str) -> bool:
    """Return whether only the lines below show if this error is final."""
    return text.startswith(_HELD)
