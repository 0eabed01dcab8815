"""Learning the form of a log while it is read: from a title in an unknown form and the rows of its box."""

import re
from collections.abc import Callable

from msgspec.structs import replace

from atvm_pipeline.core.facts import FormLearnt, WordsUnread
from atvm_pipeline.core.text import one_line

from .error_blocks import ERROR_STARTS
from .line_forms import (
    FORMS_MAX,
    LEARNERS_MAX,
    TITLE_WORDS,
    begin_learning,
    continue_learning,
    header_lines,
    learnt,
    original_line,
)
from .lines import clean
from .mocha import TEST_TEXT_CHARS_MAX
from .scan_context import ScanContext
from .scanner_state import HeaderBox, Learner, LineForm, RawLine, ScannerState

_CYPRESS_WORDS = ("Run Starting", "Run Finished", "Spec Ran:")

STRANGE_BYTES_MAX = 600
CYPRESS_WORDS = (
    *(word.encode() for word in _CYPRESS_WORDS),
    *(word.encode("utf-16-le") for word in _CYPRESS_WORDS),
)
"""Cypress's own words, also in a log that a PowerShell redirection wrote: no other program prints them."""
ERROR_CHARS_MIN = 20
"""A shorter start of an error is a common word."""
BOX_WORDS = b"Spec Ran: "
_ERRORS = tuple(start for start in ERROR_STARTS if len(start) >= ERROR_CHARS_MIN)
LOST_WORDS = (
    *CYPRESS_WORDS,
    *(b" failing", b" failed ", b"spec file"),
    *(start.encode() for start in _ERRORS),
)
"""Text that every line with possible lost evidence contains."""
_FAILING = re.compile(r"(?<![0-9.])[1-9][0-9]{0,8} failing$")
_LOST = re.compile(
    r"\(Run Finished\)|Cloud Run Finished|Spec Ran: |[1-9][0-9]{0,8} failing$|[1-9][0-9]{0,8} of [0-9]{1,9} failed |"
    r"Discovered [0-9]{1,9} spec files?$|" + "|".join(map(re.escape, _ERRORS))
)
_BOX_OF_ANOTHER = re.compile(r"\s*[^\s│].*│ Spec Ran: ")
"""The row of a results box after a prefix."""
STRAY_WORDS = (b"(Results)", b"Run Finished")
"""Text, besides the words of a box, of a line that may have strayed from a form that was learnt."""
_STRAYED = re.compile(
    r"\s*[^\s│].*?(?:(?:│|\\xe2\\x94\\x82) (?:Spec Ran: |(?:Tests|Passing|Failing|Pending|Skipped|Duration): +[0-9])|"
    r"\((?:Results|Run Finished)\)(?:\\[rn])*['\"]?$)"
)
"""The title of a results box or of a summary, or a row of the box, behind a prefix; also in Python's repr of bytes."""
AS_IT_IS = LineForm(prefix="")
"""The form of unchanged lines."""


def learn(
    context: ScanContext, raw: bytes, offset: int, read: Callable[[ScanContext, bytes, int], bool]
) -> None:
    """Process a line that is not Cypress's in a known form. `read` reads the header's lines once its form is known."""
    if TITLE_WORDS in raw and _may_learn(context.state, raw):
        learner = begin_learning(raw, offset)
        if learner is not None:
            learners = (*context.state.learners, learner)[-LEARNERS_MAX:]
            context.state = replace(context.state, learners=learners)
            return
    keep_strange(context, raw, offset)
    _keep_lost(context, raw, offset)
    _keep_strayed(context, raw, offset)
    if not context.state.learners:
        return
    kept: list[Learner] = []
    for learner in context.state.learners:
        more = continue_learning(learner, raw, offset)
        form = learnt(more) if more is not None else None
        if more is not None and form is not None:
            _adopt_form(context, form, more, read)
        elif more is not None:
            kept.append(more)
    context.state = replace(context.state, learners=tuple(kept))


def keep_strange(context: ScanContext, raw: bytes, offset: int) -> None:
    """Keep the first line with Cypress's words that could not be read, as long as no line of Cypress was read."""
    if (
        context.state.strange is None
        and is_unread(context.state)
        and any(word in raw for word in CYPRESS_WORDS)
    ):
        context.state = replace(context.state, strange=RawLine(offset=offset, raw=raw[:STRANGE_BYTES_MAX]))


def _keep_lost(context: ScanContext, raw: bytes, offset: int) -> None:
    """Keep the first line that may be evidence of a run whose form was not known when it was read.

    The lines before the first header that was learnt are not read again. A form that was never learnt, such as that of
    a run whose title is lost, is visible in a results box. With such a line no run passes.
    """
    state = context.state
    text = clean(raw).rstrip()
    failing = _FAILING.search(text) is not None
    if state.lost is not None and (not failing or _FAILING.search(clean(state.lost.raw).rstrip())):
        return
    if is_unread(state):
        lost = _LOST.search(text) is not None
    else:
        strange = bool(state.forms) and all(original_line(form, raw) is None for form in state.forms)
        full = len(state.forms) >= FORMS_MAX and TITLE_WORDS in raw
        lost = strange and (full or _BOX_OF_ANOTHER.match(text) is not None)
    if lost:
        context.state = replace(state, lost=RawLine(offset=offset, raw=raw[:STRANGE_BYTES_MAX]))


def _keep_strayed(context: ScanContext, raw: bytes, offset: int) -> None:
    """Keep the first line that may be the end of an open child under a prefix that has changed, or was never learnt.

    In a log without a prefix, only the lines below a title count of which nothing has followed: all others have the
    form of the lines that were read.
    """
    state = context.state
    prefixed = any(form.prefix or form.quoted for form in state.forms)
    headless = not state.forms and state.child == "open" and state.spec is None and not state.position
    if (
        state.strayed is None
        and (prefixed or headless)
        and _has_open_child(state)
        and _STRAYED.match(_text(raw))
    ):
        context.state = replace(state, strayed=RawLine(offset=offset, raw=raw[:STRANGE_BYTES_MAX]))


def _text(raw: bytes) -> str:
    return clean(raw).rstrip()


def _has_open_child(state: ScannerState) -> bool:
    return any(stream.child == "open" for stream in (state, *state.parked.values()))


def is_unread(state: ScannerState) -> bool:
    """Return whether no line of a Cypress run was read so far."""
    return state.child == "none" and not state.forms


def report_unread(context: ScanContext) -> None:
    """Report, at the end of the log, the line with Cypress's words that was not read, and how much it puts in doubt."""
    state = context.state
    strange = state.strange if is_unread(state) else None
    lost = state.lost
    if lost is not None and (state.forms or _FAILING.search(clean(lost.raw).rstrip())):
        strange = lost
    only_absence = strange is None
    strange = strange or state.strayed
    if strange is not None:
        text = one_line(strange.raw.replace(b"\0", b"").decode("utf-8", "replace"), TEST_TEXT_CHARS_MAX)
        context.facts.append(WordsUnread(offset=strange.offset, text=text, only_absence=only_absence))


def _may_learn(state: ScannerState, raw: bytes) -> bool:
    """Return whether a title in this line can be a run's own: text that a spec prints has the same form as all its lines."""
    if len(state.forms) >= FORMS_MAX or any(
        form.prefix and original_line(form, raw) is not None for form in state.forms
    ):
        return False
    plain = not state.forms or any(not form.prefix for form in state.forms)
    return not (plain and any(stream.spec is not None for stream in (state, *state.parked.values())))


def _adopt_form(
    context: ScanContext, form: LineForm, learner: Learner, read: Callable[[ScanContext, bytes, int], bool]
) -> None:
    context.state = replace(context.state, learners=())
    if any(replace(known, shown=form.shown) == form for known in context.state.forms):
        return  # two titles have taught it
    if not context.state.forms and context.state.child != "none":
        _keep_torn_header(context, learner)
        context.state = replace(context.state, forms=(AS_IT_IS,))
    forms = (*context.state.forms, form)
    context.state = replace(context.state, forms=forms)
    context.switch(len(forms) - 1)
    lines = header_lines(learner)
    fact = FormLearnt(offset=lines[-1].offset, prefix=form.shown, stripped=form.stripped, quoted=form.quoted)
    context.facts.append(fact)
    for line in lines:
        read(context, original_line(form, line.raw) or b"", line.offset)


def _keep_torn_header(context: ScanContext, learner: Learner) -> None:
    """Keep the title of a header one of whose rows lost the prefix and so started a child that never finishes."""
    state = context.state
    if isinstance(state.pending, HeaderBox) and state.pending.offset > learner.title.offset:
        context.state = replace(state, strayed=learner.title)
