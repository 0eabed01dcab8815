"""Edits between short names: whether a name may be a misspelling of another, and which known name is nearest.

An edit inserts, deletes or replaces one character, or swaps two adjacent ones (Damerau-Levenshtein distance).
"""

import difflib
from collections.abc import Collection

EDITS_MAX = 2
"""Edits that `nearest_name` counts exactly; beyond them, only the share of equal characters counts."""
NAMES_COMPARED_MAX = 1000
"""Names that `nearest_name` compares by their share of equal characters, which takes longer than counting edits."""
LIKENESS_MIN = 0.6


def within_edits(one: str, other: str, edits: int) -> bool:
    """Return whether at most `edits` edits turn `one` into `other`; exact for 0, 1 and 2."""
    if abs(len(one) - len(other)) > edits:
        return False
    at = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        at += 1
    one, other = one[at:], other[at:]
    if not one or not other:
        return True  # the difference in length is the number of edits
    if edits == 0:
        return False
    return (
        within_edits(one[1:], other[1:], edits - 1)
        or within_edits(one[1:], other, edits - 1)
        or within_edits(one, other[1:], edits - 1)
        or _within_swap(one, other, edits - 1)
    )


def _within_swap(one: str, other: str, edits: int) -> bool:
    """Return whether the names start with two swapped characters and `edits` more edits are enough for the rest."""
    if one[:2] == other[1::-1]:
        return within_edits(one[2:], other[2:], edits)
    # An edit between the swapped characters: `ab` becomes `ba`, then `bxa`.
    return edits > 0 and (
        (one[:2] == other[2::-2] and within_edits(one[2:], other[3:], edits - 1))
        or (other[:2] == one[2::-2] and within_edits(one[3:], other[2:], edits - 1))
    )


def nearest_name(name: str, known: Collection[str]) -> str | None:
    """Return the known name that `name` most likely means, the first of equally near ones; None if no name is similar."""
    folded = name.casefold()
    for edits in range(EDITS_MAX + 1):
        for candidate in known:
            if within_edits(folded, candidate.casefold(), edits):
                return candidate
    spelled: dict[str, str] = {}
    for candidate in list(known)[:NAMES_COMPARED_MAX]:
        spelled.setdefault(candidate.casefold(), candidate)
    similar = difflib.get_close_matches(folded, spelled, n=1, cutoff=LIKENESS_MIN)
    return spelled[similar[0]] if similar else None
