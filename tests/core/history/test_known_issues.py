"""Known issues: plain texts with `*`, valid ones before expired ones."""

import time
from datetime import date

import pytest

from atvm_pipeline.core.history.baseline import KnownIssue
from atvm_pipeline.core.history.known_issues import fits_text, known_issue

TEST = {
    "host": "redhat9.6",
    "spec": "redhat9.6.cy.ts",
    "title": "a > b",
    "error": "boom 5",
    "signature": "boom <n>",
}


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("abc", "", True),
        ("abc", "ABC", True),
        ("abc", "ab", False),
        ("abc", "*", True),
        ("", "*", True),
        ("abc", "a*", True),
        ("abc", "*c", True),
        ("abc", "b*", False),
        ("abc", "*b", False),
        ("abc", "a*b*c", True),
        ("abcabc", "*ab*ab*", True),
        ("abc", "*ab*ab*", False),
        ("aba", "ab*ba", False),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("[x]", "[x]*", True),
    ],
)
def test_a_pattern_is_plain_text_with_stars(text: str, pattern: str, *, fits: bool) -> None:
    assert fits_text(text, pattern) is fits


def test_no_pattern_takes_long() -> None:
    started = time.process_time()
    fits_text("a" * 300, "*a" * 5000 + "b")

    assert time.process_time() - started < 1


def test_every_field_must_fit() -> None:
    issue = KnownIssue(ref="MIG-1", until=date(2026, 12, 31), host="redhat*", title="*b", signature="boom*")

    assert known_issue([issue], **TEST) == issue
    for field in ("host", "title", "signature"):
        assert known_issue([issue], **{**TEST, field: "other"}) is None
    assert known_issue([issue], **{**TEST, "host": None}) is None
    assert known_issue([], **TEST) is None


def test_a_valid_issue_comes_before_an_expired_one() -> None:
    old = KnownIssue(ref="MIG-1", until=date(2026, 1, 1), expired=True)
    valid = KnownIssue(ref="MIG-2", until=date(2026, 12, 31))

    assert known_issue([old, valid], **TEST) == valid
    assert known_issue([old], **TEST) == old
