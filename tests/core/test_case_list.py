"""Tests in twelve characters each: the key of a title is the same in log and report, and a list can be read again."""

from hypothesis import given, strategies as st

from atvm_pipeline.core.case_list import CASE_CHARS, Case, case_key, keys_in, packed, unpacked

RESULTS = ("passed", "failed", "flaky", "pending")


def test_the_titles_of_the_log_and_of_a_report_have_the_same_key() -> None:
    assert case_key("redhat9.6 > after the cutover > resyncs") == case_key(
        "redhat9.6 after the cutover resyncs"
    )
    assert case_key("a  b") == case_key("a b")
    assert case_key("a") != case_key("b")


def test_a_title_that_one_of_them_has_cut_has_the_same_key() -> None:
    title = "suite " + "x" * 400

    assert case_key(title[:299] + "…") == case_key(title)


def test_half_a_character_in_a_title_has_a_key() -> None:
    assert len(case_key("\udce9")) == 11


@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(RESULTS))))
def test_a_list_is_read_as_it_was_written(found: list[tuple[str, str]]) -> None:
    cases = [Case(case_key(title), result) for title, result in found]  # type: ignore[arg-type]
    text = packed(cases)

    assert list(unpacked(text)) == cases
    assert len(text) == CASE_CHARS * len(cases)


def test_cases_that_are_torn_or_of_another_release_are_left_out() -> None:
    text = packed([Case(case_key("a"), "passed"), Case(case_key("b"), "failed")])

    assert list(unpacked(text[:-3])) == [Case(case_key("a"), "passed")]
    assert list(unpacked(text[:11] + "?" + text[12:])) == [Case(case_key("b"), "failed")]


def test_keys_alone_are_read() -> None:
    keys = [case_key("a"), case_key("b")]

    assert keys_in("".join(keys) + "torn") == set(keys)
