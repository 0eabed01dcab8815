"""Text of other programs on one line, and names, numbers and durations in words."""

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.text import (
    MIDDLE_READ_MAX,
    code_span,
    cut_middle,
    format_duration,
    join_names,
    one_line,
)


@given(st.text(max_size=300), st.integers(2, 120), st.booleans())
@settings(max_examples=200, deadline=None)
def test_one_line_is_one_line_and_a_code_span_cannot_be_left(text: str, width: int, keep_end: bool) -> None:
    for line in (one_line(text, width), cut_middle(text, width)):
        assert len(line) <= width
        assert "\n" not in line
        assert line.isprintable() or not line
    span = code_span(text, width, keep_end=keep_end)
    assert span.count("`") == 2
    assert span.startswith("`")
    assert span.endswith("`")
    assert "<" not in span


def test_a_text_that_is_cut_in_its_middle_keeps_one_third_of_its_start_and_two_of_its_end() -> None:
    assert cut_middle("  a\nb ", 10) == "a b"
    assert cut_middle("0123456789", 10) == "0123456789"
    assert cut_middle("0123456789x", 10) == "012…56789x"
    assert cut_middle(f"start {'x' * 1_000_000} end", 16) == "start…xxxxxx end"


def test_white_space_does_not_hide_the_end_of_a_text() -> None:
    assert cut_middle(f"start{' ' * 3 * MIDDLE_READ_MAX}end", 16) == "start…end"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (3600, "1 h 00 min"),
        (90061, "25 h 01 min"),
        (172799, "47 h 59 min"),
        (183600, "2 d 03 h"),
    ],
)
def test_a_duration_is_written_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said


def test_a_long_list_is_cut_and_counted() -> None:
    assert join_names(list("abcdefg")) == "a, b, c, d, e and 2 more"
