"""The facts that the console scanner finds in a runner's log, as plain data.

A fact states what was printed, never its meaning for the run. Each has `offset`, the byte offset in the log of the line
where it starts. No two facts share one, except with FormLearnt and WordsUnread, which describe the log and point to a
line as an example. They reach the core inside `events.LogRead`.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware datetime; a naive one is a decode error."""


class FactBase(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="fact",
):
    """Fields that every fact has."""

    offset: int
    """Byte offset in the log of the line where the fact starts."""
    stream: int = 0
    """The output that the line belongs to, if several outputs in one log have a prefix each."""


class Counts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The test counts of one spec from one source."""

    tests: int = 0
    passing: int = 0
    failing: int = 0
    pending: int = 0
    skipped: int = 0


class LastLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the last lines of the log, sanitised and cut."""

    offset: int
    end: int
    """Byte offset of its line feed."""
    text: str
    kind: Literal["cause", "line", "noise"] = "line"


class ChildLaunched(FactBase, frozen=True, kw_only=True, tag="child-launched"):
    """The runner printed the command line of the Cypress process that it is about to start."""

    label: str
    """The child's raw ci-build-id, from the command line."""


class ChildStarted(FactBase, frozen=True, kw_only=True, tag="child-started"):
    """`(Run Starting)`: one Cypress process starts its run."""

    before: tuple[LastLine, ...] = ()
    """The last lines above it, if the previous child had not printed its summary."""


class ChildDescribed(FactBase, frozen=True, kw_only=True, tag="child-described"):
    """The header box below `(Run Starting)` was read to its end."""

    cypress: str | None = None
    browser: str | None = None
    specs_found: int | None = None
    """N of `Specs: N found`: the number that was discovered, not the number that will run."""
    spec_names: tuple[str, ...] = ()
    """The names in the brackets; () if they were cut with `...` and so cannot be trusted."""
    group: str | None = None
    """`Group:` of the Params row; None for `false`, absent, or cut with an ellipsis."""
    parallel: bool = False
    run_url: str | None = None


class SpecStarted(FactBase, frozen=True, kw_only=True, tag="spec-started"):
    """`Running:  <spec>  (i of n)`, with the pieces of a wrapped name joined."""

    spec: str
    position: int
    total: int


class TestFailed(FactBase, frozen=True, kw_only=True, tag="test-failed"):
    """A numbered failure block of the spec reporter's epilogue. It only names the test: the box decides about results."""

    title: str
    """The suite titles and the test's title joined with ` > `, at most 300 characters."""
    error: str
    """First line of the error, at most 300 characters; may be empty."""


class TestFlaky(FactBase, frozen=True, kw_only=True, tag="test-flaky"):
    """A test passed after at least one `(Attempt i of n)` line of the same title."""

    title: str


class TestsCounted(FactBase, frozen=True, kw_only=True, tag="tests-counted"):
    """The reporter's own lines about a spec whose `(Results)` box was not read: weaker evidence than a box.

    `offset` is that of the epilogue, else of the first test's mark.
    """

    spec: str
    passed: int = 0
    """Lines with the mark of a passed test."""
    pending: int = 0
    """Lines with the mark of a pending test."""
    epilogue: Counts | None = None
    """`N passing`, `N pending`, `N failing` of the epilogue; None if it was not read."""


class SpecReported(FactBase, frozen=True, kw_only=True, tag="spec-reported"):
    """The `(Results)` box of one spec was read to its end."""

    spec: str
    counts: Counts
    duration_s: float | None = None
    """For display only: Cypress drops full days, so durations must not be added up across specs that take days."""


class ScreenshotsListed(FactBase, frozen=True, kw_only=True, tag="screenshots-listed"):
    """The `(Screenshots)` block of a spec was read to its end."""

    spec: str
    paths: tuple[str, ...] = ()
    """With the pieces of wrapped paths joined; at most 50."""


class RunFinished(FactBase, frozen=True, kw_only=True, tag="run-finished"):
    """`(Run Finished)`: Cypress printed its summary; more may follow or nothing at all."""


class SpecSummarised(FactBase, frozen=True, kw_only=True, tag="spec-summarised"):
    """One row of the final table, with the pieces of a wrapped name joined."""

    spec: str
    mark: str
    """`passed` (✔ √), `failed` (✖ ×) or `skipped` (-)."""
    counts: Counts
    duration_s: float | None = None
    skipped: bool = False
    """True if the duration column is `SKIPPED`."""
    within: str = ""
    """The open spec: a test may have printed this row, unless nothing else of the spec follows."""


class TotalsReported(FactBase, frozen=True, kw_only=True, tag="totals-reported"):
    """The totals row under the final table."""

    verdict: str
    """`passed` (All specs passed!), `failed` (X of N failed) or `canceled` (The run was canceled)."""
    failed: int | None = None
    """Specs with failures, X of `X of N failed`."""
    total: int | None = None
    counts: Counts
    duration_s: float | None = None
    within: str = ""
    """The spec that was open, as in SpecSummarised."""


class LineUnplaced(FactBase, frozen=True, kw_only=True, tag="line-unplaced"):
    """A line in Cypress's own form that fits neither the open spec nor the open child. It is still evidence.

    Either a test or a plugin printed it, or a second Cypress process writes to the same log.
    """

    kind: Literal["header", "running", "epilogue", "results", "box", "row", "finish", "totals"]
    text: str
    """The line, or the numbers of the box, at most 300 characters."""
    spec: str | None = None
    """The spec that the line names."""
    failing: bool = False
    """Whether the line reports a failure."""
    within: str = ""
    """The open spec, whose test may have printed the line."""


class RunRecorded(FactBase, frozen=True, kw_only=True, tag="run-recorded"):
    """`Recorded Run: <url>` below the final table."""

    url: str


class ErrorReported(FactBase, frozen=True, kw_only=True, tag="error-reported"):
    """An error block of Cypress or its command line tool, by its first line."""

    code: str
    """A reason code of `core/reasons.py`."""
    scope: str
    """`run`: Cypress ends early, this child prints nothing more; `spec`: the current spec is lost, the run continues."""
    text: str
    """The recognised line, at most 300 characters."""


class WrapperStarted(FactBase, frozen=True, kw_only=True, tag="wrapper-started"):
    """A wrapper (cypress-cloud) that calls Cypress once per batch of specs started: its children are one sub-run."""

    wrapper: str
    total: int | None = None
    """N of `Discovered N spec files`."""
    group: str | None = None


class WrapperFinished(FactBase, frozen=True, kw_only=True, tag="wrapper-finished"):
    """The wrapper's own end line (`Cloud Run Finished`)."""

    wrapper: str


class WrapperTotals(FactBase, frozen=True, kw_only=True, tag="wrapper-totals"):
    """The row of the wrapper's own table that contains its verdict."""

    failed: int = 0
    """Specs with a failed or skipped test."""
    total: int | None = None
    """Total number of specs, if the verdict names it."""
    counts: Counts


class EpilogueRead(FactBase, frozen=True, kw_only=True, tag="epilogue-read"):
    """`N passing` or `N failing` outside of any Cypress run that was read: `cypress run --quiet` prints only these."""

    passing: int = 0
    failing: int = 0


class WordsUnread(FactBase, frozen=True, kw_only=True, tag="words-unread"):
    """Cypress's own words occur in lines of the log that could not be read."""

    text: str
    """The first line that contains them, at most 300 characters."""
    only_absence: bool = False
    """The line does not prove another run; it only means that a result that seems missing may be in such lines."""


class FormLearnt(FactBase, frozen=True, kw_only=True, tag="form-learnt"):
    """The lines of the log have a form of their own: a prefix, no indentation, or Python's repr."""

    prefix: str = ""
    """The text before the line that the form was learnt from."""
    stripped: bool = False
    quoted: bool = False


class RunnerProgressed(FactBase, frozen=True, kw_only=True, tag="runner-progressed"):
    """A progress line of a private runner, as the dialect defines them."""

    text: str


Fact = (
    ChildLaunched
    | ChildStarted
    | ChildDescribed
    | SpecStarted
    | TestFailed
    | TestFlaky
    | TestsCounted
    | SpecReported
    | ScreenshotsListed
    | RunFinished
    | SpecSummarised
    | TotalsReported
    | LineUnplaced
    | RunRecorded
    | ErrorReported
    | WrapperStarted
    | WrapperFinished
    | WrapperTotals
    | FormLearnt
    | EpilogueRead
    | WordsUnread
    | RunnerProgressed
)
"""Every fact that the scanner can find."""
