"""Text for a Mattermost message: sentences that neither format nor mention, and links to hosts that are allowed.

`core/text.py` has the code spans for names, errors and paths of other programs.
"""

import re
from collections.abc import Collection

from atvm_pipeline.core.text import code_span, one_line

SENTENCE_CHARS_MAX = 700
URL_CHARS_MAX = 500
URL_SHOWN_CHARS_MAX = 200
EMOJI = re.compile(r":(?=[A-Za-z0-9_+-]{1,64}:)(?!\d\d:)")
"""The colon that would start an emoji name; the minutes of a time are not a name."""
_URL = re.compile(
    r"https?://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?(?:[/?#][A-Za-z0-9._~/?#&=%+,;:-]*)?"
)
"""An address without a user name and without characters that could leave the parentheses of a Markdown link."""


def code_free(text: str, max_chars: int = SENTENCE_CHARS_MAX) -> str:
    """Return a sentence of this program that contains untrusted names as plain text, without formatting or mentions."""
    safe = one_line(text, max_chars)
    for char in "\\`*_~[]#|":
        safe = safe.replace(char, f"\\{char}")
    safe = (
        safe.replace("<", "‹")
        .replace("@", "@\u200b")
        .replace("://", ":\u200b//")
        .replace("www.", "www\u200b.")
    )
    return EMOJI.sub(":\u200b", safe)


def link_or_text(title: str, url: str, hosts: Collection[str]) -> str:
    """Return a link with this title if the URL is http(s) and its host is one of `hosts`, else the URL as text."""
    found = _URL.fullmatch(url) if len(url) <= URL_CHARS_MAX else None
    if found is not None and found["host"].casefold() in hosts:
        return f"[{title}]({url})"
    return f"{title}: {code_span(url, URL_SHOWN_CHARS_MAX, keep_end=True)}"
