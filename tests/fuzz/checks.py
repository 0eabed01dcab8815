"""Properties that must hold for every input: of texts, of messages, of a folded run."""

import json
import math
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from atvm_pipeline.core.codec import decode_state, encode_state, encode_subrun
from atvm_pipeline.core.messages import payload as messages
from atvm_pipeline.core.reducer import next_deadline, phase_of
from atvm_pipeline.core.snapshot import snapshot, state_file, subrun_file
from atvm_pipeline.core.state import Run
from tests.support.message_parts import shown_texts

BODY_MAX_BYTES = 16_000
TEXT_MAX_CHARS = 4_000
NUMBER_MAX = 2**63
CONTROL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal or a chat may obey, hide or break at."""

_PIECE = re.compile(r"\\.|`[^`]*`|[^\\`]+|.", re.DOTALL)
"""An escaped character, a code span, plain text, or a delimiter that is never closed."""
_LIVE = re.compile(r"://|www\.|@\w|[*_~#|\[\]\\]|(?<![a-z0-9_+-]):(?!\d\d:)[a-z0-9_+-]{1,64}:")
"""Text that Mattermost interprets outside of code: links, mentions, formatting."""
_OURS = re.compile(
    r"^(?::warning: (?:\*\*Possible duplicate\*\* of delivery |\*\*Sent again by hand\*\*, delivery )|- )"
    r"|^(?::warning: )?\*\*[A-Z]+\*\* |: \*\*(?:(?:PASS|FAIL|RUN)[ /]\w+|[A-Z]+)\*\*, "
)
"""The formatting of the message itself; the words of results contain `_`."""
_LINK = re.compile(
    r"\[Recorded run\]\(https?://(?P<host>[A-Za-z0-9.-]+)(?::\d+)?(?:[/?#][^\s()<>|`@\[\]]*)?\)"
)


def harmless(text: str, chars_max: int) -> None:
    """Assert that `text` is one bounded line without anything that a terminal could obey."""
    assert len(text) <= chars_max, len(text)
    assert not any(unicodedata.category(char) in CONTROL for char in text), ascii(text)


def single_line(text: str) -> None:
    """Assert that an error's text has one line. The code that shows it sanitises the values that it quotes."""
    assert "\n" not in text, ascii(text)


def repeats_nothing(text: str, secret: str) -> None:
    """Assert that neither the secret nor its last part occurs in `text`."""
    for part in (secret, secret.rsplit("/", 1)[-1]):
        assert len(part) < 12 or part not in text, ascii(text)


def texts(value: object) -> Iterator[str]:
    """Yield every text in a value of plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def message(payload: str, link_hosts: Collection[str] = ()) -> None:
    """Assert that a post, also a marked one, is small, and that its untrusted text mentions, links and formats nothing.

    Its only link may be the one to the recorded run, if its host is one of `link_hosts`.
    """
    for form in (payload, *(messages.marked(payload, mark) for mark in messages.MARKS)):
        body: dict[str, Any] = json.loads(form)
        assert len(form.encode()) < BODY_MAX_BYTES, len(form)
        assert len(body["text"]) < TEXT_MAX_CHARS, len(body["text"])
        for text in shown_texts(body):
            for line in text.split("\n"):
                link = _LINK.fullmatch(line)
                if link is None:
                    _message_line(line)
                else:
                    assert link["host"].lower() in link_hosts, ascii(line)


def _message_line(line: str) -> None:
    assert not any(unicodedata.category(char) in CONTROL for char in line.replace("\u200b", "")), ascii(line)
    assert not re.search(r"@(?:all|here|channel)\b", line, re.IGNORECASE), ascii(line)
    assert "<" not in line, ascii(line)
    plain = "".join(map(_outside, _PIECE.findall(_OURS.sub("", line))))
    assert "`" not in plain, ascii(line)
    assert not _LIVE.search(plain), ascii(line)


def _outside(piece: str) -> str:
    """Return a placeholder for a code span or an escaped character, because neither has an effect; else the piece itself."""
    special = len(piece) > 1 and (piece[0] == "\\" or piece[0] == piece[-1] == "`")
    return "\N{MIDDLE DOT}" if special else piece


def run(run: Run) -> None:
    """Assert that a folded run can be saved and loaded, its ledgers balance, its deadlines are finite, its posts are sanitised."""
    view = snapshot(run)
    for ledger in (view.ledger, *(subrun.ledger for subrun in view.subruns)):
        parts = (ledger.passed, ledger.failed, ledger.pending, ledger.skipped, ledger.crashed, ledger.not_run)
        assert ledger.planned == sum(parts) + ledger.no_report, ledger
        assert all(0 <= part <= ledger.planned for part in parts), ledger
    assert view.phase == phase_of(run)
    whole = state_file(run)
    data = encode_state(whole)
    assert decode_state(data) == run
    for subrun in (subrun_file(whole, view) for view in whole.subruns):
        encode_subrun(subrun)
    deadline = next_deadline(run)
    assert deadline is None or math.isfinite(deadline)
    for post in run.outbox:
        message(post.payload, run.request.messages.link_hosts)


def plain(value: object) -> object:
    """Return a struct as plain data."""
    return msgspec.to_builtins(value)
