"""The order in which Cypress prints, as a state machine over lines: which line counts where, and which fact it becomes.

A test, a plugin or a failure's text can print anything, including text in the form of Cypress's own lines. Therefore:

- A spec ends only with its own box, or with an error block that states that no box may follow.
- A box must name the open spec, and must not pass if the epilogue counted failures.
- A summary between specs counts if its first row names one of the first specs; within an open spec, it must also agree
  with that spec (`final_table.py`).
- A `(Run Starting)` within a spec counts if its header box follows.
"""

from msgspec.structs import replace

from atvm_pipeline.core.facts import (
    ChildLaunched,
    EpilogueRead,
    RunnerProgressed,
    RunRecorded,
    WrapperFinished,
    WrapperStarted,
)
from atvm_pipeline.core.text import one_line

from . import boxes
from .counts_and_durations import table_count
from .error_blocks import error_in, is_held
from .error_catalog import RUN
from .final_table import read_loose_row, read_loose_totals, read_title
from .line_kinds import LineKind, attempt_in, counted_in, failure_in, line_kind, running_in
from .lines import may_wrap
from .mocha import FLAKY_MAX, LOGGED_FAILURES_MAX, TEST_TEXT_CHARS_MAX
from .multiline import RUNNING_COLUMNS, NextKind, continue_pending, finish_pending
from .scan_context import ScanContext
from .scanner_state import FailureBlock, HeaderBox, HeldName, ResultsBox, RetriedTest, ServerError, Table

WRAPPER_LINE = "cypress-cloud"
URL_CHARS_MAX = 2000


def read_line(context: ScanContext, text: str, offset: int) -> bool:
    """Read one cleaned line that starts at `offset`. Return True if Cypress or its wrapper printed it."""
    if continue_pending(context, text, offset):
        return True
    anchor = line_kind(text)
    if anchor is None:
        return False
    if isinstance(context.state.pending, RetriedTest) and anchor is not LineKind.ATTEMPT:
        finish_pending(
            context, NextKind.ANCHOR
        )  # the test's own line did not come; all other elements end by themselves
    _HANDLERS[anchor](context, text, offset)
    return True


def launched(context: ScanContext, fact: ChildLaunched) -> None:
    """Emit the start of another Cypress process by the runner. The output of the previous one is complete."""
    finish_pending(context, NextKind.CHILD)
    context.state = replace(context.state, wrapper_table=False)
    context.facts.append(fact)


def progressed(context: ScanContext, fact: RunnerProgressed) -> None:
    """Emit the runner's progress, unless a fact is pending whose offset is smaller."""
    pending = context.state.pending
    waiting = isinstance(pending, Table) and pending.trusted and pending.row is None
    if pending is None or waiting or isinstance(pending, RetriedTest):
        context.facts.append(fact)


def _start(context: ScanContext, text: str, offset: int) -> None:  # noqa: ARG001 - every handler is called alike
    state = context.state
    if state.child == "open" and not (state.spec is not None and state.spec.errors):
        context.await_header(offset)
    else:
        context.begin_child(offset)
        context.hold(HeaderBox(offset=offset))


def _running(context: ScanContext, text: str, offset: int) -> None:
    found = running_in(text)
    if found is None:
        return
    held = HeldName(offset=offset, position=found.position, total=found.total, pieces=(found.piece,))
    if not context.may_begin(held):
        context.unplaced("running", text, offset, spec=found.piece)
        return
    if may_wrap(found.piece, RUNNING_COLUMNS):
        context.hold(held)
    else:
        context.begin_spec(found.piece, held)


def _results(context: ScanContext, text: str, offset: int) -> None:  # noqa: ARG001
    context.hold(ResultsBox(offset=offset))


def _boxed(context: ScanContext, text: str, offset: int) -> None:
    """Read a row outside of any open box or table.

    Its title was lost, or it is of another process or of a wrapper's table.
    """
    if context.state.wrapper_table:
        _wrapper_totals(context, text, offset)
        return
    if read_loose_row(context, text, offset):
        return
    row = boxes.key_row(text)
    if row is None or not row.key:
        return
    if row.key in boxes.HEADER_KEYS:
        _header_row(context, row, text, offset)
    elif row.key in boxes.RESULT_KEYS:
        _results_row(context, row, text, offset)


def _header_row(context: ScanContext, row: boxes.KeyRow, text: str, offset: int) -> None:
    if context.begin_awaited_child(offset):
        header = context.state.pending
        assert isinstance(header, HeaderBox)
        context.hold(boxes.header_row(header, row, offset))
    elif context.state.child == "open":
        context.unplaced("header", text, offset, spec=boxes.listed_spec(row))
    elif row.key == "Cypress":
        # Its `(Run Starting)` was lost.
        context.begin_child(offset)
        context.hold(HeaderBox(offset=offset, key=row.key, keys=(row.key,), pieces=(row.value,)))


def _results_row(context: ScanContext, row: boxes.KeyRow, text: str, offset: int) -> None:
    if context.state.pending is None and context.state.spec is not None and row.key == "Tests":
        more = boxes.results_row(ResultsBox(offset=offset), row)
        context.hold(more)
        return
    failing = row.key == "Failing" and (table_count(row.value) or 0) > 0
    if failing:
        context.unplaced("box", text, offset, failing=True)
    elif row.key == "Spec Ran":
        context.unplaced("results", text, offset, spec=row.value)


def _recorded(context: ScanContext, text: str, offset: int) -> None:
    if context.state.child not in ("summarised", "ended") or context.state.recorded:
        return
    url = text.partition(": ")[2].strip()[:URL_CHARS_MAX]
    context.facts.append(RunRecorded(offset=offset, url=url))
    context.state = replace(context.state, recorded=True)


def _spec_skipped(context: ScanContext, text: str, offset: int) -> None:  # noqa: ARG001
    context.skip_spec()


def _canceled(context: ScanContext, text: str, offset: int) -> None:
    if context.state.spec is None:
        context.error("run-canceled", RUN, text, offset)


def _passing(context: ScanContext, text: str, offset: int) -> None:
    """Start an epilogue. A test, or another process, printed the counts of an earlier one."""
    spec = context.state.spec
    if spec is None:
        context.epilogue_read(EpilogueRead(offset=offset, passing=counted_in(text)))
        return
    if spec.failing:
        context.unplaced("epilogue", f"{spec.failing} failing", spec.failing_at, failing=True)
        spec = replace(spec, failing=0, number=1)
    spec = replace(spec, epilogue_at=offset, epilogue_passing=counted_in(text), epilogue_pending=0)
    context.state = replace(context.state, spec=spec)


def _pending(context: ScanContext, text: str, offset: int) -> None:  # noqa: ARG001
    if context.state.spec is not None:
        spec = replace(context.state.spec, epilogue_pending=counted_in(text))
        context.state = replace(context.state, spec=spec)


def _failing(context: ScanContext, text: str, offset: int) -> None:
    spec, failing = context.state.spec, counted_in(text)
    if spec is not None:
        at = spec.failing_at if spec.failing else offset
        context.state = replace(
            context.state, spec=replace(spec, failing=max(spec.failing, failing), failing_at=at)
        )
    elif context.state.child == "open" and failing:
        context.unplaced("epilogue", text.strip(), offset, failing=True)
    else:
        context.epilogue_read(EpilogueRead(offset=offset, failing=failing))


def _failure(context: ScanContext, text: str, offset: int) -> None:
    spec = context.state.spec
    if spec is None:
        return
    number, title = failure_in(text)
    if number != spec.number or number > spec.failing:
        return
    context.state = replace(context.state, spec=replace(spec, number=number + 1))
    if number <= LOGGED_FAILURES_MAX:
        context.hold(FailureBlock(offset=offset, titles=(title[:TEST_TEXT_CHARS_MAX],)))


def _attempt(context: ScanContext, text: str, offset: int) -> None:  # noqa: ARG001
    spec = context.state.spec
    if spec is None or spec.failing or spec.flaky >= FLAKY_MAX:
        return
    context.hold(RetriedTest(title=one_line(attempt_in(text), TEST_TEXT_CHARS_MAX)))


def _error(context: ScanContext, text: str, offset: int) -> None:
    error = error_in(text)
    assert error is not None  # line_kind() returned ERROR for it
    if is_held(text):
        context.hold(ServerError(offset=offset, text=one_line(text, TEST_TEXT_CHARS_MAX)))
    else:
        context.error(error.code, error.scope, text, offset)


def _discovered(context: ScanContext, text: str, offset: int) -> None:  # noqa: ARG001 - every handler is called alike
    """Remember a wrapper's first line. Any runner may print it, so it counts only together with the next one."""
    if context.state.spec is None:
        context.state = replace(context.state, discovered=int(text.split()[1]))


def _wrapper_params(context: ScanContext, text: str, offset: int) -> None:
    total, group = context.state.discovered, text.partition("; Group: ")[2].rpartition("; Parallel: ")[0]
    if total is None or context.state.spec is not None:
        return
    named = one_line(group, TEST_TEXT_CHARS_MAX) if group not in ("", "false") else None
    context.facts.append(WrapperStarted(offset=offset, wrapper=WRAPPER_LINE, total=total, group=named))
    context.state = replace(context.state, discovered=None, wrapped=True, wrapper_table=False)


def _wrapper_end(context: ScanContext, text: str, offset: int) -> None:  # noqa: ARG001
    if context.state.wrapped and context.state.spec is None:
        context.facts.append(WrapperFinished(offset=offset, wrapper=WRAPPER_LINE))
        context.state = replace(context.state, wrapped=False, wrapper_table=True)


def _totals(context: ScanContext, text: str, offset: int) -> None:
    if context.state.wrapper_table:
        _wrapper_totals(context, text, offset)
    else:
        read_loose_totals(context, text, offset)


def _wrapper_totals(context: ScanContext, text: str, offset: int) -> None:
    """Read a line of the wrapper's own table; only the one with its verdict counts."""
    totals = boxes.wrapper_totals(text, offset)
    if totals is not None:
        context.facts.append(totals)
        context.state = replace(context.state, wrapper_table=False)


_HANDLERS = {
    LineKind.START: _start,
    LineKind.RUNNING: _running,
    LineKind.RESULTS: _results,
    LineKind.BOXED: _boxed,
    LineKind.FINISH: read_title,
    LineKind.TOTALS: _totals,
    LineKind.RECORDED: _recorded,
    LineKind.SPEC_SKIPPED: _spec_skipped,
    LineKind.CANCELED: _canceled,
    LineKind.PASSING: _passing,
    LineKind.PENDING: _pending,
    LineKind.FAILING: _failing,
    LineKind.FAILURE: _failure,
    LineKind.ATTEMPT: _attempt,
    LineKind.ERROR: _error,
    LineKind.DISCOVERED: _discovered,
    LineKind.WRAPPER_PARAMS: _wrapper_params,
    LineKind.WRAPPER_END: _wrapper_end,
}
