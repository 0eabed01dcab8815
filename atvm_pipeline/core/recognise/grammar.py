"""The order in which Cypress prints, as a machine over lines: which anchor counts where, and which fact it is.

A test, a plugin or a failure's text can print anything, also something that looks like Cypress's own lines.  So:
a spec that began is over only by its own box, or by an error block that says that none may come; a box has to name
the spec that is open and must not pass where the epilogue counted failures; a summary counts only between specs, and
its first row has to name the first spec; a `(Run Starting)` within a spec counts when its header box follows.
"""

from msgspec.structs import replace

from atvm_pipeline.core.facts import (
    ChildLaunched,
    RunnerProgressed,
    RunRecorded,
    WrapperFinished,
    WrapperStarted,
)
from atvm_pipeline.core.harmless import one_line

from .anchors import Anchor, anchor_of, attempt_in, failing_in, failure_in, running_in
from .errors import RUN, error_in, is_held
from .lines import may_wrap
from .pending import RUNNING_COLUMNS, Next, go_on, settle
from .scanner_state import Attempt, FailureBlock, HeaderBox, HeldName, ResultsBox, ServerError, Table
from .story import Story
from .tests_told import FAILURES_MAX, FLAKY_MAX, TEXT_CHARS_MAX

WRAPPER = "cypress-cloud"
URL_CHARS_MAX = 2000


def read_line(story: Story, text: str, offset: int) -> bool:
    """Read one cleaned line that begins at `offset`; True if it was one of Cypress's or its wrapper's."""
    if go_on(story, text, offset):
        return True
    anchor = anchor_of(text)
    if anchor is None:
        return False
    if isinstance(story.state.pending, Attempt) and anchor is not Anchor.ATTEMPT:
        settle(story, Next.ANCHOR)  # the test's own line did not come; all else knows itself when it is over
    _HANDLERS[anchor](story, text, offset)
    return True


def launched(story: Story, fact: ChildLaunched) -> None:
    """The runner starts another Cypress process: what the one before it printed is over."""
    settle(story, Next.CHILD)
    story.facts.append(fact)


def progressed(story: Story, fact: RunnerProgressed) -> None:
    """The runner says how far it is; not told while a fact is held that begins above."""
    pending = story.state.pending
    waiting = isinstance(pending, Table) and pending.trusted and pending.row is None
    if pending is None or waiting or isinstance(pending, Attempt):
        story.facts.append(fact)


def _start(story: Story, text: str, offset: int) -> None:  # noqa: ARG001 - every handler is called alike
    trusted = story.state.spec is None or bool(story.state.spec.errors)
    if trusted:
        story.begin_child(offset)
    story.hold(HeaderBox(offset=offset, trusted=trusted))


def _running(story: Story, text: str, offset: int) -> None:
    found = running_in(text)
    if found is None:
        return
    held = HeldName(offset=offset, position=found.position, total=found.total, pieces=(found.piece,))
    if not story.may_begin(held):
        return
    if may_wrap(found.piece, RUNNING_COLUMNS):
        story.hold(held)
    else:
        story.begin_spec(found.piece, held)


def _results(story: Story, text: str, offset: int) -> None:  # noqa: ARG001
    if story.state.child != "none":
        story.hold(ResultsBox(offset=offset))


def _finish(story: Story, text: str, offset: int) -> None:  # noqa: ARG001
    if not story.may_finish():
        return
    if story.state.first is None:
        # No spec has begun: no table will show that this is a summary (a ci-build-id that was used before).
        story.finish_run(offset)
    else:
        story.hold(Table(offset=offset, trusted=False))


def _recorded(story: Story, text: str, offset: int) -> None:
    if story.state.child not in ("summarised", "ended") or story.state.recorded:
        return
    url = text.partition(": ")[2].strip()[:URL_CHARS_MAX]
    story.facts.append(RunRecorded(offset=offset, url=url))
    story.state = replace(story.state, recorded=True)


def _spec_skipped(story: Story, text: str, offset: int) -> None:  # noqa: ARG001
    story.skip_spec()


def _canceled(story: Story, text: str, offset: int) -> None:
    if story.state.spec is None:
        story.error("run-canceled", RUN, text, offset)


def _passing(story: Story, text: str, offset: int) -> None:  # noqa: ARG001
    """An epilogue begins: what an earlier one counted was a test's own output."""
    if story.state.spec is not None and story.state.spec.failing:
        story.state = replace(story.state, spec=replace(story.state.spec, failing=0, number=1))


def _failing(story: Story, text: str, offset: int) -> None:  # noqa: ARG001
    if story.state.spec is not None:
        failing = max(story.state.spec.failing, failing_in(text))
        story.state = replace(story.state, spec=replace(story.state.spec, failing=failing))


def _failure(story: Story, text: str, offset: int) -> None:
    spec = story.state.spec
    if spec is None:
        return
    number, title = failure_in(text)
    if number != spec.number or number > spec.failing:
        return
    story.state = replace(story.state, spec=replace(spec, number=number + 1))
    if number <= FAILURES_MAX:
        story.hold(FailureBlock(offset=offset, titles=(title[:TEXT_CHARS_MAX],)))


def _attempt(story: Story, text: str, offset: int) -> None:  # noqa: ARG001
    spec = story.state.spec
    if spec is None or spec.failing or spec.flaky >= FLAKY_MAX:
        return
    story.hold(Attempt(title=one_line(attempt_in(text), TEXT_CHARS_MAX)))


def _error(story: Story, text: str, offset: int) -> None:
    error = error_in(text)
    assert error is not None  # that is what made the line this anchor
    if is_held(text):
        story.hold(ServerError(offset=offset, text=one_line(text, TEXT_CHARS_MAX)))
    else:
        story.error(error.code, error.scope, text, offset)


def _discovered(story: Story, text: str, offset: int) -> None:  # noqa: ARG001 - every handler is called alike
    """A wrapper's first line, which any runner might print: only with the next one it is a wrapper's."""
    if story.state.spec is None:
        story.state = replace(story.state, discovered=int(text.split()[1]))


def _wrapper_params(story: Story, text: str, offset: int) -> None:
    total, group = story.state.discovered, text.partition("; Group: ")[2].rpartition("; Parallel: ")[0]
    if total is None or story.state.spec is not None:
        return
    named = one_line(group, TEXT_CHARS_MAX) if group not in ("", "false") else None
    story.facts.append(WrapperStarted(offset=offset, wrapper=WRAPPER, total=total, group=named))
    story.state = replace(story.state, discovered=None, wrapped=True)


def _wrapper_end(story: Story, text: str, offset: int) -> None:  # noqa: ARG001
    if story.state.wrapped and story.state.spec is None:
        story.facts.append(WrapperFinished(offset=offset, wrapper=WRAPPER))
        story.state = replace(story.state, wrapped=False)


_HANDLERS = {
    Anchor.START: _start,
    Anchor.RUNNING: _running,
    Anchor.RESULTS: _results,
    Anchor.FINISH: _finish,
    Anchor.RECORDED: _recorded,
    Anchor.SPEC_SKIPPED: _spec_skipped,
    Anchor.CANCELED: _canceled,
    Anchor.PASSING: _passing,
    Anchor.FAILING: _failing,
    Anchor.FAILURE: _failure,
    Anchor.ATTEMPT: _attempt,
    Anchor.ERROR: _error,
    Anchor.DISCOVERED: _discovered,
    Anchor.WRAPPER_PARAMS: _wrapper_params,
    Anchor.WRAPPER_END: _wrapper_end,
}
