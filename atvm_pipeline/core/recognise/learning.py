"""Learning the form of a log while it is read: from a title in an unknown form and the rows of its box."""

from collections.abc import Callable

from msgspec.structs import replace

from atvm_pipeline.core.facts import FormLearnt

from .forms import (
    FORMS_MAX,
    LEARNERS_MAX,
    TITLE_WORDS,
    begin_learning,
    continue_learning,
    header_lines,
    learnt,
    undone,
)
from .scanner_state import Learner, LineForm, ScannerState
from .story import Story

AS_IT_IS = LineForm(prefix="")
"""The form of lines that nothing was changed in."""


def learn(story: Story, raw: bytes, offset: int, read: Callable[[Story, bytes, int], bool]) -> None:
    """Take in a line that is none of Cypress's in a known form; `read` reads the header's lines once its form is known."""
    if TITLE_WORDS in raw and _may_learn(story.state, raw):
        learner = begin_learning(raw, offset)
        if learner is not None:
            learners = (*story.state.learners, learner)[-LEARNERS_MAX:]
            story.state = replace(story.state, learners=learners)
            return
    if not story.state.learners:
        return
    kept: list[Learner] = []
    for learner in story.state.learners:
        more = continue_learning(learner, raw, offset)
        form = learnt(more) if more is not None else None
        if more is not None and form is not None:
            _know(story, form, more, read)
        elif more is not None:
            kept.append(more)
    story.state = replace(story.state, learners=tuple(kept))


def _may_learn(state: ScannerState, raw: bytes) -> bool:
    """Whether a title in this line can be a run's own: what a spec prints has the form that all its lines have."""
    if len(state.forms) >= FORMS_MAX or any(
        form.prefix and undone(form, raw) is not None for form in state.forms
    ):
        return False
    plain = not state.forms or any(not form.prefix for form in state.forms)
    return not (plain and any(stream.spec is not None for stream in (state, *state.parked.values())))


def _know(story: Story, form: LineForm, learner: Learner, read: Callable[[Story, bytes, int], bool]) -> None:
    story.state = replace(story.state, learners=())
    if not story.state.forms and story.state.child != "none":
        story.state = replace(story.state, forms=(AS_IT_IS,))
    forms = (*story.state.forms, form)
    story.state = replace(story.state, forms=forms)
    story.switch(len(forms) - 1)
    lines = header_lines(learner)
    fact = FormLearnt(offset=lines[-1].offset, prefix=form.shown, stripped=form.stripped, quoted=form.quoted)
    story.facts.append(fact)
    for line in lines:
        read(story, undone(form, line.raw) or b"", line.offset)
