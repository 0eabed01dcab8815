"""The signature of an error: its text without the parts that differ from run to run, so that equal failures have the same.

Quoted text, addresses, times, durations, hexadecimal ids and numbers are replaced by a word in angle brackets. The result
is part of stored records, so the rules must not change for a text that they already cover.
"""

import re
from functools import lru_cache

from .text import CUT, one_line

SIGNATURE_CHARS_MAX = 200
SIGNATURES_CACHED_MAX = 1024
_READ_CHARS_MAX = 1000
"""Characters of an error that are read; the errors of this program are far shorter."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}+://[^\s'\"`<>)\]]++")
# An atomic group, because `(?:...)*+` with alternatives matches nothing in Python before 3.11.5.
_QUOTED = re.compile(
    r"(?<!\w)(?:'(?>(?:[^']++|(?<=\w)'(?=\w))*)'|\"[^\"]*+\"|`[^`]*+`|“[^”]*+”|‘[^’]*+’|«[^»]*+»)"
)
_QUOTE_OF_CUT_TEXT = re.compile(r"(?<!\w)['\"`“‘«][^'\"`”’»]*+\Z")
"""A quotation whose end was cut off."""
_TIME = re.compile(
    r"(?<![\w.])(?:\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d++)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\w)|"
    r"\d++(?::\d++)+(?:\.\d++)?(?!\w)|"
    r"\d++(?:[.,]\d++)*+ ?(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?!\w))"
)
_TIMES = re.compile(r"<time>(?:[ ,]{0,2}<time>)+")
_HEX = re.compile(
    r"(?<!\w)(?:0[xX][0-9a-fA-F]++|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|"
    r"(?=[a-fA-F]*+[0-9])(?=[0-9]*+[a-fA-F])[0-9a-fA-F]{6,}+)(?!\w)"
)
_NUMBER = re.compile(r"\d++(?:[.,]\d++)*+%?")


@lru_cache(maxsize=SIGNATURES_CACHED_MAX)
def signature_of(error: str) -> str:
    """Return the signature of an error, at most `SIGNATURE_CHARS_MAX` characters; "" for an empty one."""
    text = one_line(error, _READ_CHARS_MAX)
    text = _QUOTED.sub("<text>", _URL.sub("<url>", text))
    if text.endswith(CUT):
        # The last word is not complete, and how much of the text is left depends on the length of the words before it.
        whole = _QUOTE_OF_CUT_TEXT.sub("<text>", text)
        text = whole if whole != text else text.rpartition(" ")[0] or text
    text = _TIMES.sub("<time>", _TIME.sub("<time>", text))
    # An id of hexadecimal digits may consist of decimal ones by chance.
    text = _NUMBER.sub("<n>", _HEX.sub("<n>", text))
    return one_line(text, SIGNATURE_CHARS_MAX)
