"""The tests of one spec with their results, in twelve characters each: a hash of the title, and a letter.

A title of the log joins suites with ` > `, one of a report with a space, and both are cut if they are long. The hash is
the same for both.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Literal, NamedTuple

TITLE_CHARS_MAX = 240
"""Characters of a title, without separators, that are hashed: fewer than log and reports keep of it."""
KEY_CHARS = 11
CASE_CHARS = KEY_CHARS + 1

CaseResult = Literal["passed", "failed", "flaky", "pending"]
_LETTERS: dict[str, CaseResult] = {"p": "passed", "f": "failed", "k": "flaky", "n": "pending"}
_LETTER_OF = {result: letter for letter, result in _LETTERS.items()}


class Case(NamedTuple):
    """One test and its result."""

    key: str
    result: CaseResult


def case_key(title: str) -> str:
    """Return the key of a test by its title: eight bytes in base 64."""
    words = " ".join(part for part in title.replace(" > ", " ").split())[:TITLE_CHARS_MAX]
    digest = blake2b(words.encode("utf-8", "replace"), digest_size=8).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def packed(cases: Iterable[Case]) -> str:
    """Return the cases as one text."""
    return "".join(f"{case.key}{_LETTER_OF[case.result]}" for case in cases)


def unpacked(text: str) -> Iterator[Case]:
    """Yield the cases of a text; an incomplete or unknown one is left out."""
    for at in range(0, len(text) - CASE_CHARS + 1, CASE_CHARS):
        result = _LETTERS.get(text[at + KEY_CHARS])
        if result is not None:
            yield Case(text[at : at + KEY_CHARS], result)


def keys_in(text: str) -> frozenset[str]:
    """Return the keys in a text of keys alone."""
    return frozenset(text[at : at + KEY_CHARS] for at in range(0, len(text) - KEY_CHARS + 1, KEY_CHARS))
