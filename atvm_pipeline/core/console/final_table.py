"""The end of a child in the log: `(Run Finished)`, the final table, its totals row.

A test can print all of them too, and another process can tear or swallow any of these lines. Therefore no single line
is trusted. Between two specs, a title, a row or a totals row counts if it fits the child. Within a spec whose box has
not been read, the table counts if its rows add up to its totals row and its row of that spec agrees with the reporter's
own lines for it. Until then its rows are reported as read within that spec, and the core decides.
"""

from msgspec.structs import replace

from atvm_pipeline.core.facts import RunFinished, TotalsReported
from atvm_pipeline.core.results import add_counts, lines_agree
from atvm_pipeline.core.spec_names import same_but_blanks

from . import boxes
from .line_kinds import LineKind, line_kind
from .scan_context import ScanContext, counted_of
from .scanner_state import LOG_NAME_CHARS_MAX, ResultsBox, SummaryRow, Table

TABLES_MAX = 5
"""Summaries that are read within one spec; further ones that a test prints are only counted."""

_OWN = (LineKind.RECORDED, LineKind.CANCELED, LineKind.ERROR, LineKind.WRAPPER_END, LineKind.START)
"""Lines that follow a summary: they show that the title above was one, even if the table is missing."""
_ROWS = (LineKind.BOXED, LineKind.TOTALS)


def read_title(context: ScanContext, text: str, offset: int) -> None:
    """Read `(Run Finished)`: the child's own summary follows, or text that looks like it."""
    state = context.state
    if state.child in ("summarised", "ended"):
        context.unplaced("finish", text, offset)
    elif state.spec is not None and not state.spec.errors:
        _start_within(context, text, offset, titled=True)
    elif not state.early:
        # No spec has started, so no table will show that this is a summary (a ci-build-id that was used before).
        _accept(context, Table(offset=offset, trusted=False))
    else:
        context.hold(Table(offset=offset, trusted=False))


def read_loose_row(context: ScanContext, text: str, offset: int) -> bool:
    """Read a row of a final table whose title or previous rows were lost. Return False if the line is not such a row."""
    row = boxes.table_row(text, offset)
    if row is None:
        return False
    state = context.state
    if state.child == "summarised":
        # Lines of other origin were taken for the table's end.
        if isinstance(state.pending, ResultsBox):
            context.drop_box(state.pending)
        _read_row(context, Table(offset=offset, trusted=True, titled=False), row)
    elif state.pending is not None or state.child in ("none", "ended"):
        unplaced_row(context, row)
    elif state.spec is not None and not state.spec.errors:
        table = _start_within(context, text, offset, titled=False)
        if table is None:
            unplaced_row(context, row)
        else:
            _read_row(context, table, row)
    elif _is_early(context, row):
        _read_row(context, Table(offset=offset, trusted=False, titled=False), row)
    else:
        unplaced_row(context, row)
    return True


def read_loose_totals(context: ScanContext, text: str, offset: int) -> None:
    """Read a totals row without a table above it.

    It completes a table whose end was seen too early, because of lines of other origin; otherwise it is unplaced.
    """
    totals = boxes.totals_row(text, offset)
    if totals is None:
        return
    if context.state.child == "summarised":
        _read_totals(context, Table(offset=offset, trusted=True, titled=False), totals)
    else:
        context.unplaced("totals", text.strip(), offset, failing=is_failing(totals))


def read_table_line(context: ScanContext, table: Table, text: str, offset: int) -> bool:
    """Read the next line below a summary's title or row. Return True if it was part of the table."""
    if not text:
        if table.row is not None:
            _finish_row(context, table, table.row)
        return True
    row = boxes.table_row(text, offset)
    totals = boxes.totals_row(text, offset)
    if table.row is not None:
        more = boxes.table_rest(table.row, text)
        if more is not None:
            _read_row(context, table, more)
            return True
        if row is None and totals is None and not boxes.is_border(text) and line_kind(text) in (None, *_ROWS):
            return False  # a line of other origin: the name may continue below it
        next_table = _finish_row(context, table, table.row)
        if next_table is None:
            return False
        table = next_table
    if row is not None:
        _read_row(context, table, row)
        return True
    if totals is not None:
        _read_totals(context, table, totals)
        return True
    anchor = line_kind(text)
    if anchor is not None and anchor not in _ROWS:
        end_table(context, table, followed=anchor in _OWN)
    return False


def end_table(context: ScanContext, table: Table, *, followed: bool) -> None:
    """Close a table without a totals row. `followed`: a line that follows a summary was read, or the log ended."""
    context.hold(None)
    if table.row is not None:
        next_table = _finish_row(context, table, table.row)
        context.hold(None)
        if next_table is None:
            return
        table = next_table
    if table.trusted:
        return
    if followed and not table.within:
        _accept(context, table)
        context.hold(None)
    elif table.titled:
        context.unplaced("finish", "(Run Finished)", table.offset)


def unplaced_row(context: ScanContext, row: SummaryRow) -> None:
    """Report a row that belongs to no summary of this child."""
    fact = boxes.summary_row(row)
    failing = fact.mark == "failed" or fact.counts.failing > 0
    mark = {"passed": "✔", "failed": "✖"}.get(fact.mark, "-")
    context.unplaced("row", f"{mark} {fact.spec}", row.offset, spec=fact.spec, failing=failing)


def is_failing(totals: TotalsReported) -> bool:
    """Return whether a totals row reports a failure or a cancel."""
    return totals.verdict != "passed" or totals.counts.failing > 0


def _start_within(context: ScanContext, text: str, offset: int, *, titled: bool) -> Table | None:
    """Start a summary while a spec is open; return None if the spec already has too many."""
    spec = context.state.spec
    assert spec is not None
    if spec.tables >= TABLES_MAX:
        if titled:
            context.unplaced("finish", text, offset)
        return None
    table = Table(offset=offset, trusted=False, titled=titled, within=spec.name)
    context.state = replace(context.state, spec=replace(spec, tables=spec.tables + 1), pending=table)
    return table


def _accept(context: ScanContext, table: Table) -> None:
    """Accept the summary: the child's specs have ended."""
    context.leave_spec()
    if table.titled:
        context.facts.append(RunFinished(offset=table.offset))
    table = replace(table, trusted=True, within="")
    context.state = replace(context.state, child="summarised", title_at=None, pending=table)


def _read_row(context: ScanContext, table: Table, row: SummaryRow) -> None:
    if boxes.row_goes_on(row):
        context.hold(replace(table, row=row))
    else:
        _finish_row(context, table, row)


def _finish_row(context: ScanContext, table: Table, row: SummaryRow) -> Table | None:
    """Report a row whose lines are complete; return None if it showed that this is not a summary of this child."""
    fact = boxes.summary_row(row)
    table = replace(table, row=None)
    if table.within:
        own = fact.counts if same_but_blanks(table.within, fact.spec) else table.own
        table = replace(table, sums=add_counts(table.sums, fact.counts), own=own)
        context.facts.append(replace(fact, within=table.within))
        context.hold(table)
        return table
    if not table.trusted:
        if not _is_early(context, row):
            end_table(context, table, followed=False)
            unplaced_row(context, row)
            return None
        _accept(context, table)
        table = replace(table, trusted=True)
    context.facts.append(fact)
    context.hold(table)
    return table


def _is_early(context: ScanContext, row: SummaryRow) -> bool:
    """Return whether the row names one of the child's first specs, as one of a table's first rows does."""
    name = boxes.summary_row(row).spec[:LOG_NAME_CHARS_MAX]
    return context.state.joined or any(same_but_blanks(early, name) for early in context.state.early)


def _read_totals(context: ScanContext, table: Table, totals: TotalsReported) -> None:
    """Read the totals row, which ends the child's own output."""
    if table.within and not _agrees(context, table, totals):
        context.facts.append(replace(totals, within=table.within))
        if table.titled:
            context.unplaced("finish", "(Run Finished)", table.offset)
        context.hold(None)
        return
    within = table.within
    if not table.trusted:
        _accept(context, table)
    context.facts.append(totals)
    context.state = replace(context.state, child="ended", spec=None, pending=None)
    if within:
        # A box that is read later is compared with the row that replaced it.
        context.state = replace(context.state, boxed=within, boxed_counts=table.own)


def _agrees(context: ScanContext, table: Table, totals: TotalsReported) -> bool:
    """Return whether a summary within a spec is the child's own.

    It is, if it adds up and its row agrees with the spec's own lines.
    """
    context.take_marks()
    spec = context.state.spec
    counted = counted_of(spec) if spec is not None and spec.position == spec.total else None
    if counted is None or table.own is None:
        return False
    return table.sums == totals.counts and lines_agree(counted, table.own)
