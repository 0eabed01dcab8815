"""Multi-line console elements: how each consumes its next line, and which facts it emits when it is cut short."""

from enum import Enum, auto
from typing import assert_never

from msgspec.structs import replace

from atvm_pipeline.core.facts import TestFlaky

from . import boxes
from .error_blocks import GIVEN_UP, GOES_ON, is_held
from .error_catalog import RUN, SERVER_ERROR
from .final_table import end_table, read_table_line
from .line_kinds import LineKind, line_kind
from .lines import may_wrap, unwrap
from .mocha import attempt_line, failed, failure_line
from .scan_context import ScanContext
from .scanner_state import (
    PIECES_MAX,
    FailureBlock,
    HeaderBox,
    HeldName,
    ResultsBox,
    RetriedTest,
    ServerError,
    Table,
)

RUNNING_COLUMNS = 68
"""The name on a `Running:` line is cut after this many characters."""
RUNNING_INDENT = 12
BLOCK_NOISE_MAX = 20
"""Lines of other origin within a box."""
SERVER_LINES_MAX = 40
"""Lines of a server's answer between the error and the line that shows whether it is final."""


class NextKind(Enum):
    """The event that interrupts an element that is being assembled."""

    ANCHOR = auto()
    """Another line of the same child."""
    CHILD = auto()
    """Another child."""
    END = auto()
    """The log ends."""


def continue_pending(context: ScanContext, text: str, offset: int) -> bool:
    """Pass the next line to the element that is being assembled. Return True if the line was part of it."""
    pending = context.state.pending
    match pending:
        case None:
            return False
        case HeldName() as name:
            return _name(context, name, text)
        case HeaderBox() as header:
            return _header(context, header, text, offset)
        case ResultsBox() as results:
            return _results(context, results, text)
        case Table() as table:
            return read_table_line(context, table, text, offset)
        case FailureBlock() as block:
            step = failure_line(block, text)
            context.hold(step.block)
            if step.fact is not None:
                context.facts.append(step.fact)
            return step.consumed
        case RetriedTest() as attempt:
            left, passed = attempt_line(attempt, text)
            if left != attempt:
                context.hold(left)
            if passed:
                _flaky(context, attempt, offset)
            return passed
        case ServerError() as error:
            return _server_error(context, error, text)
        case _:
            assert_never(pending)


def finish_pending(context: ScanContext, following: NextKind) -> None:
    """Close the element that is being assembled, and emit the facts known so far."""
    pending = context.state.pending
    context.hold(None)
    match pending:
        case None | RetriedTest():
            pass
        case HeldName():
            context.begin_spec(unwrap(pending.pieces, RUNNING_COLUMNS), pending)
        case HeaderBox():
            _described(context, pending)
        case ResultsBox():
            _finish_box(context, pending)
        case Table():
            end_table(context, pending, followed=following is not NextKind.ANCHOR)
        case FailureBlock():
            context.facts.append(failed(pending))
        case ServerError():
            if following is not NextKind.ANCHOR:
                context.error(SERVER_ERROR, RUN, pending.text, pending.offset)
        case _:
            assert_never(pending)


def _name(context: ScanContext, name: HeldName, text: str) -> bool:
    indent = len(text) - len(text.lstrip())
    # One more: the name was cut before a blank.
    if indent not in (RUNNING_INDENT, RUNNING_INDENT + 1) or not text or len(name.pieces) >= PIECES_MAX:
        finish_pending(context, NextKind.ANCHOR)
        return False
    piece = text[RUNNING_INDENT:]
    context.hold(replace(name, pieces=(*name.pieces, piece)))
    if not may_wrap(piece, RUNNING_COLUMNS):
        finish_pending(context, NextKind.ANCHOR)
    return True


def _header(context: ScanContext, header: HeaderBox, text: str, offset: int) -> bool:
    row = boxes.key_row(text)
    if row is not None and row.key not in boxes.RESULT_KEYS:
        if row.key and row.key in header.keys:
            # Cypress prints each row once: the box of a second process is mixed into this one.
            context.unplaced("header", text, offset, spec=boxes.listed_spec(row))
            return True
        context.hold(boxes.header_row(header, row, offset))
        return True
    if boxes.is_border(text):
        if header.key or header.found is not None:
            finish_pending(context, NextKind.ANCHOR)
        else:
            context.hold(replace(header, box_offset=offset))
        return True
    if header.adjacent and line_kind(text) is LineKind.START:
        return True
    if header.adjacent:
        header = replace(header, adjacent=False)
        context.hold(header)
    return _noise(context, header, text)


def _described(context: ScanContext, header: HeaderBox) -> None:
    if header.key:
        header = boxes.header_value(header)
    if header.found is not None and header.box_offset is not None:
        context.facts.append(header.found)


def _results(context: ScanContext, results: ResultsBox, text: str) -> bool:
    row = boxes.key_row(text)
    if results.pieces and (not text or boxes.is_border(text) or (row is not None and row.key)):
        finish_pending(context, NextKind.ANCHOR)
        return row is None or row.key in boxes.RESULT_KEYS
    if row is not None:
        more = boxes.results_row(results, row)
        if more is not None:
            context.hold(more)
            if more.pieces and not may_wrap(more.pieces[-1], boxes.SPEC_RAN_COLUMNS):
                finish_pending(context, NextKind.ANCHOR)
            return True
    return boxes.is_border(text) or _noise(context, results, text)


def _finish_box(context: ScanContext, results: ResultsBox) -> None:
    """Close a results box. A complete box is a result, a damaged one only if it counts a failure."""
    if not results.pieces:
        context.drop_box(results)
        return
    found = boxes.results_end(results)
    if found is None:
        context.box_damaged(results, boxes.ran_spec(results))
    else:
        context.box_read(found, results.offset)


def _noise(context: ScanContext, pending: HeaderBox | ResultsBox, text: str) -> bool:
    """Skip a line of other origin within a box. Return False, so that the line is read by itself; True if it is empty."""
    if not text:
        return True
    anchor = line_kind(text)
    if anchor in (None, LineKind.BOXED) and pending.noise < BLOCK_NOISE_MAX:
        context.hold(replace(pending, noise=pending.noise + 1))
    else:
        finish_pending(context, NextKind.ANCHOR)
    return False


def _flaky(context: ScanContext, attempt: RetriedTest, offset: int) -> None:
    spec = context.state.spec
    assert spec is not None  # an attempt is assembled only within a spec, and ends with it
    context.facts.append(TestFlaky(offset=offset, title=attempt.title))
    context.state = replace(context.state, spec=replace(spec, flaky=spec.flaky + 1, passed=spec.passed + 1))


def _server_error(context: ScanContext, error: ServerError, text: str) -> bool:
    if not text:
        return True
    if text.startswith(GOES_ON):
        context.hold(None)
        return True
    if text.startswith(GIVEN_UP):
        finish_pending(context, NextKind.END)
        return True
    anchor = line_kind(text)
    if anchor is LineKind.ERROR and is_held(text):
        return True
    if anchor in (LineKind.START, LineKind.ERROR) or error.noise >= SERVER_LINES_MAX:
        finish_pending(context, NextKind.CHILD)
    elif anchor is not None:
        finish_pending(context, NextKind.ANCHOR)
    else:
        context.hold(replace(error, noise=error.noise + 1))
    return False
