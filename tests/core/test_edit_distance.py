import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.edit_distance import NAMES_COMPARED_MAX, nearest_name, within_edits

LETTERS = "ab1"
words = st.text(alphabet=LETTERS, max_size=6)


def neighbours(text: str) -> Iterator[str]:
    """Yield every text that is one edit away, by applying each edit."""
    for at in range(len(text) + 1):
        for letter in LETTERS:
            yield text[:at] + letter + text[at:]
            yield text[:at] + letter + text[at + 1 :]
        yield text[:at] + text[at + 1 :]
        yield text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


def around(text: str, edits: int) -> set[str]:
    found = {text}
    for _ in range(edits):
        found |= {near for known in found for near in neighbours(known)}
    return found


@settings(max_examples=60, deadline=None)
@given(words)
def test_names_are_within_edits_exactly_where_edits_lead_from_one_to_the_other(one: str) -> None:
    everything = [
        "".join(letters) for size in range(6) for letters in itertools.product(LETTERS, repeat=size)
    ]
    for edits in (0, 1, 2):
        near = around(one, edits)
        assert [other for other in everything if within_edits(one, other, edits) != (other in near)] == []


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("ubunut24.04", "ubuntu24.04", 1),
        ("rehdat9.6", "redhat9.6", 1),
        ("redhat96", "redhat9.6", 1),
        ("rdht9.6", "redhat9.6", 2),
        ("redaxht9.6", "redhat9.6", 2),
        ("ca", "abc", 2),
        ("abc", "ca", 2),
        ("", "ab", 2),
    ],
)
def test_each_kind_of_edit_counts_one(one: str, other: str, edits: int) -> None:
    assert within_edits(one, other, edits)
    assert within_edits(other, one, edits)
    assert not within_edits(one, other, edits - 1)


def test_the_nearest_name_is_the_one_with_the_fewest_edits_and_of_equals_the_first() -> None:
    known = ("redhat8.10", "redhat9.60", "redhat9.6", "RedHat9.5")

    assert nearest_name("rehdat9.6", known) == "redhat9.6"
    assert nearest_name("redhat9.", known) == "redhat9.6"
    assert nearest_name("redhat9.7", known) == "redhat9.6"
    assert nearest_name("REDHAT9.5", known) == "RedHat9.5"


def test_a_name_that_is_further_away_is_found_by_its_equal_characters_or_not_at_all() -> None:
    assert nearest_name("rhat96", ("w2k25", "redhat9.6")) == "redhat9.6"
    assert nearest_name("esxi8.0", ("redhat9.6", "w2k25")) is None
    assert nearest_name("esxi8.0", ()) is None


def test_only_so_many_names_are_compared_by_their_equal_characters() -> None:
    others = tuple(f"x{number}" for number in range(NAMES_COMPARED_MAX))

    assert nearest_name("rhat96", (*others[1:], "redhat9.6")) == "redhat9.6"
    assert nearest_name("rhat96", (*others, "redhat9.6")) is None
