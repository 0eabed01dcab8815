"""The signature of an error: equal failures have the same, whatever ids, times and quoted values their texts contain."""

import pytest
from hypothesis import given, strategies as st

from atvm_pipeline.core.signature import SIGNATURE_CHARS_MAX, signature_of

SAME: dict[str, tuple[str, ...]] = {
    "AssertionError: Timed out retrying after <time>: expected <text> to equal <text>": (
        "AssertionError: Timed out retrying after 120000ms: expected 'In Progress' to equal 'Complete'",
        'AssertionError: Timed out retrying after 4 s: expected "don\'t" to equal `x`',
    ),
    "CypressError: <text> failed trying to load: <url>": (
        "CypressError: `cy.visit()` failed trying to load: https://10.0.0.1:8443/api?x=1",
        "CypressError: `cy.request()` failed trying to load: http://localhost/",
    ),
    "can't find host redhat<n> after <time>": (
        "can't find host redhat9.6 after 1h 2m 3s",
        "can't find host redhat8.10 after 5 minutes",
    ),
    "task <n> of <n> failed": (
        "task 9f8e7d6c-1234-1234-1234-123456789abc of 3 failed",
        "task 0xDEADBEEF of 1,234.5 failed",
        "task 12345678 of 12 failed",
        "task 1234567a of 50% failed",
    ),
    "started <time>, ended <time>": (
        "started 2026-11-27T10:00:01.123Z, ended 10:22:33",
        "started 2026-11-27, ended 10:22:33.5",
    ),
    "expected <text>": ("expected 'a value whose end was c…", 'expected "another, short…'),
    "expected a value": ("expected a value whos…", "expected a value whose…"),
    "unbroken…": ("unbroken…",),
    "it's <text> and <text>": ("it's 'don't know' and `x`",),
    "": ("", " \n"),
}


@pytest.mark.parametrize(
    ("signature", "error"), [(signature, error) for signature, errors in SAME.items() for error in errors]
)
def test_errors_of_the_same_kind_have_the_same_signature(signature: str, error: str) -> None:
    assert signature_of(error) == signature


def test_different_errors_differ() -> None:
    assert signature_of("expected 3 items") != signature_of("expected 3 rows")


@given(st.text(max_size=1500) | st.text(alphabet="'\"`ab0x:.-…/ ", max_size=1500))
def test_any_text_has_a_signature_of_one_bounded_line_and_always_the_same(error: str) -> None:
    signature = signature_of(error)
    signature_of.cache_clear()

    assert len(signature) <= SIGNATURE_CHARS_MAX
    assert signature.isprintable()
    assert signature_of(error) == signature
