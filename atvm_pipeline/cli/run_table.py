"""The table of runs that `status` prints: one line per run, and below it the lines that ask the operator to act."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from atvm_pipeline.core.spec_names import base_name
from atvm_pipeline.core.text import one_line, plural, printable

from .run_state import Call, ShownRun, brief_concerns
from .terminal import cells as cells_in, cut_end, cut_middle, pad, style
from .times import ago, elapsed, moment

HEADINGS = ("BUILD", "PHASE", "AGE", "SPECS", "RUNNING", "LAST ACTIVITY")
BUILD, PHASE, SPEC = 0, 1, 4
"""Positions of columns in a row."""
GAP = "  "
CUT_MIN = {BUILD: 16, SPEC: 8}
"""The columns that may be cut, and the width that they keep."""
DETAILS_MAX = 2
"""Lines below a run; `status BUILD` shows all of them."""
DETAIL_CHARS_MAX = 1000
EXTENSION = re.compile(r"(?:\.(?:cy|spec|test))?\.[cm]?[jt]sx?$", re.IGNORECASE)
NOT_WRITTEN = "requested; its watcher has not written a state yet"
_DIGITS = re.compile(r"(\d+)")


Detail = tuple[str, str]
"""A line below a run: its style, and its text."""


class Row(NamedTuple):
    """The line of one run, and the lines below it."""

    cells: tuple[str, ...]
    details: tuple[Detail, ...]


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts `ten2` before `ten10`."""
    parts = _DIGITS.split(text)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def in_order(runs: Iterable[ShownRun]) -> list[ShownRun]:
    """Return living runs first, each group in the natural order of the names."""
    return sorted(runs, key=lambda run: (not run.is_living, natural(run.address)))


def row_of(run: ShownRun, call: Call) -> Row:
    """Return the row of one run."""
    state = run.state
    if state is None:
        return Row(
            (run.address, run.phase, "", "", "", ""),
            (("warning" if run.error else "muted", printable(run.error or NOT_WRITTEN)),),
        )
    started, active = moment(state.get("started_at")), last_activity(run)
    cells = (
        run.address,
        run.phase,
        elapsed(started, call.now) if started is not None else "",
        progress(state),
        _shown_specs(running_specs(state)),
        ago(active, call.now) if active is not None else "",
    )
    return Row(tuple(printable(cell) for cell in cells), tuple(_details(run, call)))


def last_activity(run: ShownRun) -> datetime | None:
    """Return when the log or a report last changed; for a run that has ended, the time of its end."""
    state = run.state or {}
    at = moment(state.get("last_activity_at")) or moment(run.facts.get("progress_at"))
    ended = moment(state.get("finished_at"))
    return ended if ended is not None else at


def progress(state: dict[str, Any]) -> str:
    """Return how many specs have a result: `12 of 40`."""
    ledger = state["ledger"]
    left = ledger.get("not_run", 0) + ledger.get("no_report", 0)
    return f"{ledger['planned'] - left} of {ledger['planned']}" if ledger["planned"] else "-"


def running_specs(state: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the specs that are running, each with its sub-run. An older state marks them only by a missing report."""
    return [
        (spec, subrun)
        for subrun in state["subruns"]
        if subrun["phase"] == "RUNNING" and state["phase"] == "RUNNING"
        for spec in subrun["specs"]
        if spec.get("running") or (spec["detail"] == "no_report" and not spec.get("started_at"))
    ]


def _shown_specs(running: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    names = [EXTENSION.sub("", base_name(spec["spec"])) for spec, _ in running]
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return f"{one_line(names[0], 100)}{more}" if names else ""


def _details(run: ShownRun, call: Call) -> list[Detail]:
    """Return the lines below a run: the cause of its end, and the problems that ask the operator to act."""
    assert run.state is not None
    state = run.state
    reason = state["reason"]["text"]
    found: list[Detail] = []
    if run.has_ended and run.phase not in ("COMPLETED", "CANCELLED"):
        found.append(("plain", reason))
    elif not run.has_ended and state.get("failing"):
        found.append(("failed", failing_words(state)))
    found += [("warning", text) for text in brief_concerns(run, call) if reason not in text]
    shown = [(style, one_line(text, DETAIL_CHARS_MAX)) for style, text in found[:DETAILS_MAX]]
    if len(found) > DETAILS_MAX:
        more = f"{len(found) - DETAILS_MAX} more: {call.command('atvm-pipeline status', run.address)}"
        shown.append(("muted", more))
    return shown


def failing_words(state: dict[str, Any]) -> str:
    """Return the failures of an unfinished run: `failing: 2 specs failed: a.cy.ts, b.cy.ts`."""
    bad = [
        base_name(spec["spec"])
        for subrun in state["subruns"]
        for spec in subrun["specs"]
        if spec["result"] == "FAIL"
    ]
    if not bad:
        return "failing: a failure is certain"
    named = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")  # noqa: PLR2004 - enough to see
    return f"failing: {plural(len(bad), 'spec')} failed: {named}"


def table(rows: Sequence[Row], columns: int | None) -> list[str]:
    """Return the lines of the table, each at most `columns` columns wide; None cuts nothing.

    A column without any value is left out. The names of builds and specs are cut in the middle, the lines below a run
    at their end.
    """
    shown = [at for at in range(len(HEADINGS)) if any(row.cells[at] for row in rows)]
    widths = _widths(rows, shown, columns)
    headings = [cut_end(heading, widths.get(at, 0)) for at, heading in enumerate(HEADINGS)]
    lines = [style(_line(headings, widths), "muted")]
    for row in rows:
        cells = [cut_middle(cell, widths.get(at, 0)) for at, cell in enumerate(row.cells)]
        line = _line(cells, widths)
        phase = pad(row.cells[PHASE], widths[PHASE])
        before = len(pad(cells[BUILD], widths[BUILD]) + GAP)
        coloured = line[:before] + style(phase, row.cells[PHASE]) + line[before + len(phase) :]
        lines.append(coloured.rstrip())
        for name, detail in row.details:
            text = f"  {detail}"
            lines.append(style(text if columns is None else cut_end(text, columns), name))
    return lines


def _line(cells: Sequence[str], widths: dict[int, int]) -> str:
    return GAP.join(pad(cells[at], width) for at, width in widths.items()).rstrip()


def _widths(rows: Sequence[Row], shown: Sequence[int], columns: int | None) -> dict[int, int]:
    widths = {at: max(cells_in(HEADINGS[at]), *(cells_in(row.cells[at]) for row in rows)) for at in shown}
    if columns is None:
        return widths
    excess = sum(widths.values()) + len(GAP) * (len(widths) - 1) - columns
    while excess > 0:
        wide = [at for at in CUT_MIN if widths.get(at, 0) > CUT_MIN[at]]
        if not wide:
            break
        # The name of a build identifies the run, so it keeps more than that of a spec.
        widths[max(wide, key=lambda at: widths[at] - CUT_MIN[at])] -= 1
        excess -= 1
    while excess > 0 and len(widths) > PHASE + 1:
        # Too narrow for a table of this size: the last columns are left out.
        excess -= widths.popitem()[1] + len(GAP)
    return widths
