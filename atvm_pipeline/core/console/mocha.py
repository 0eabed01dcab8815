"""Per-test output of Mocha's spec reporter: failure blocks of the epilogue, and tests that passed on retry.

It provides names for display only; the results box decides about results.
"""

import re
from typing import NamedTuple

from msgspec.structs import replace

from atvm_pipeline.core.facts import TestFailed
from atvm_pipeline.core.text import cut_middle, one_line

from .scanner_state import FailureBlock, RetriedTest

TEST_TEXT_CHARS_MAX = 300
LOGGED_FAILURES_MAX = 50
"""Failing tests reported per spec."""
FLAKY_MAX = 50
"""Flaky tests reported per spec."""
TITLES_MAX = 32
"""Suites above one test."""
BLANKS_MAX = 4
"""Empty lines between a title and its error."""
RETRY_NOISE_MAX = 50
"""Lines of other origin between an attempt and the test's own line."""

_PASSED = re.compile(r"[ \t]*+[✓✔√] ?(.+?)(?: \(\d{1,12}ms\))?")
_OVER = re.compile(r"[ \t]*+(?:\d{1,9}\) |\d{1,9} (?:passing|failing|pending)\b)")


class FailureStep(NamedTuple):
    """A failure block after one more line."""

    block: FailureBlock | None
    """None: the block has ended."""
    fact: TestFailed | None
    consumed: bool
    """Whether the line belonged to the block."""


def failure_line(block: FailureBlock, text: str) -> FailureStep:
    """Read the line below a failure block's last title.

    Each title is indented two columns more than the one above; the first one below the number is at column seven. A
    line with another indentation is the first line of the error, after an empty line if Mocha prints a difference.
    """
    if not text:
        if block.blank >= BLANKS_MAX:
            return FailureStep(None, failed(block), consumed=True)
        return FailureStep(replace(block, blank=block.blank + 1), None, consumed=True)
    indent = len(text) - len(text.lstrip())
    if not block.blank and indent == 5 + 2 * len(block.titles) and len(block.titles) < TITLES_MAX:
        return FailureStep(
            replace(block, titles=(*block.titles, text.strip()[:TEST_TEXT_CHARS_MAX])), None, consumed=True
        )
    if indent < 5:  # noqa: PLR2004 - an error is indented by five or more
        return FailureStep(None, failed(block), consumed=False)
    return FailureStep(None, failed(block, text), consumed=True)


def failed(block: FailureBlock, error: str = "") -> TestFailed:
    """Return the fact for a failure block."""
    titles = (*block.titles[:-1], block.titles[-1].removesuffix(":"))
    return TestFailed(
        offset=block.offset,
        title=one_line(" > ".join(titles), TEST_TEXT_CHARS_MAX),
        error=cut_middle(error, TEST_TEXT_CHARS_MAX),
    )


def attempt_line(attempt: RetriedTest, text: str) -> tuple[RetriedTest | None, bool]:
    """Read a line below an attempt. Return the attempt, None if it has ended, and whether the test passed in the end."""
    passed = _PASSED.fullmatch(text)
    if passed is not None and not passed[1].startswith("(Attempt "):
        return None, passed[1] == attempt.title
    if _OVER.match(text):
        return None, False
    if not text:
        return attempt, False
    if attempt.noise >= RETRY_NOISE_MAX:
        return None, False
    return replace(attempt, noise=attempt.noise + 1), False
