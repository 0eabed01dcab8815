"""The boxes that Cypress draws: their rows, the header box, the results box, the final table and its totals row.

Each reader takes the element read so far and one cleaned line, and returns the updated element. `handlers.py` decides
whether a box is allowed at its position. The readers do not check the border character, only that a row starts and ends
with the same one: consoles replace it by many different characters.
"""

import re
from typing import Literal, NamedTuple

from msgspec.structs import replace

from atvm_pipeline.core.facts import ChildDescribed, Counts, SpecSummarised, TotalsReported, WrapperTotals

from .counts_and_durations import box_duration_s, counts, is_duration, table_count, table_duration_s
from .lines import may_wrap, unwrap
from .scanner_state import LOG_NAME_CHARS_MAX, PIECES_MAX, HeaderBox, ResultsBox, SummaryRow

HEADER_KEYS = frozenset(("Cypress", "Browser", "Node Version", "Specs", "Searched", "Params", "Run URL"))
"""Rows that show that a `(Run Starting)` was Cypress's own."""
KEYS_MAX = 16
"""Keys remembered of one header box; Cypress 12 to 15 have eight."""
HEADER_COLUMNS = 78
"""Specs, Searched and Run URL are cut after this many characters."""
SPEC_RAN_COLUMNS = 80
TABLE_COLUMNS = 35
ROW_CHARS_MAX = 1024
"""No row is longer; a longer line is noise."""

_KEYED = re.compile(r"  (\S{1,6}) ([A-Z][A-Za-z ]{1,30}):( +)(.*)")
_BLANK_KEY = re.compile(r"  (\S{1,6}) ( {10,20})(\S.*)")
_BORDER = re.compile(r"  \S{40,600}")


class KeyRow(NamedTuple):
    """`│ Key:   value   │`; key "" if the row continues the value of the row above."""

    key: str
    value: str


def key_row(text: str) -> KeyRow | None:
    """Return the row that a line contains, None if it is not a row."""
    if len(text) > ROW_CHARS_MAX:
        return None
    found = _KEYED.fullmatch(text)
    if found is not None:
        edge, key, value = found[1], found[2], found[4]
    else:
        found = _BLANK_KEY.fullmatch(text)
        if found is None:
            return None
        edge, key, value = found[1], "", found[3]
        if len(found[2]) % 2:
            value = " " + value  # the key column is 12, 14 or 16 wide: the value was cut before a blank
    if not value.endswith(edge):
        return None
    return KeyRow(key, value.removesuffix(edge).rstrip())


def is_border(text: str) -> bool:
    """Return whether the line is a horizontal edge of a box."""
    return _BORDER.fullmatch(text) is not None


# The header box


def header_row(box: HeaderBox, row: KeyRow, offset: int) -> HeaderBox:
    """Return the header box with one more row."""
    if row.key == "":
        if not box.key or len(box.pieces) >= PIECES_MAX:
            return box
        return replace(box, pieces=(*box.pieces, row.value), noise=0)
    box = replace(box, box_offset=offset if box.box_offset is None else box.box_offset)
    if box.key:
        box = header_value(box)
    keys = box.keys if row.key in box.keys or len(box.keys) >= KEYS_MAX else (*box.keys, row.key)
    return replace(box, key=row.key, keys=keys, pieces=(row.value,), noise=0)


def header_value(box: HeaderBox) -> HeaderBox:
    """Return the header box with the value of its last row applied."""
    value = unwrap(box.pieces, HEADER_COLUMNS)
    found = box.found or ChildDescribed(offset=box.offset if box.box_offset is None else box.box_offset)
    match box.key:
        case "Cypress":
            found = replace(found, cypress=value)
        case "Browser":
            found = replace(found, browser=value)
        case "Specs":
            specs_found, spec_names = _specs(value)
            found = replace(found, specs_found=specs_found, spec_names=spec_names)
        case "Params":
            found = replace(found, group=_group(value), parallel="Parallel: true" in value)
        case "Run URL":
            found = replace(found, run_url=value or None)
        case _:
            pass
    return replace(box, key="", pieces=(), found=found)


_SPECS = re.compile(r"(\d{1,9}) found(?: \((.*)\))?", re.DOTALL)
_LISTED = re.compile(r" found \(([^,)]{1,300})")
_GROUP = re.compile(r"(.*), Parallel: (?:true|false)")


def _specs(value: str) -> tuple[int | None, tuple[str, ...]]:
    found = _SPECS.fullmatch(value)
    if found is None:
        return None, ()
    names = tuple((found[2] or "").split(", "))
    trusted = names != ("",) and not names[-1].endswith("...") and len(names) == int(found[1])
    return int(found[1]), names if trusted else ()


def listed_spec(row: KeyRow) -> str | None:
    """Return the first spec that a `Specs` row lists, None for another row and for one without names."""
    found = _LISTED.search(row.value) if row.key == "Specs" else None
    return found[1] if found is not None else None


def _group(value: str) -> str | None:
    # Cut first instead of searching: a search from every `Group: ` takes quadratic time.
    found = _GROUP.match(value.partition("Group: ")[2])
    if found is None or found[1] == "false" or "…" in found[1]:
        return None
    return found[1]


# The results box


class Results(NamedTuple):
    """The values of a results box."""

    spec: str
    counts: Counts
    duration_s: float | None


RESULT_KEYS = frozenset(
    (
        "Tests",
        "Passing",
        "Failing",
        "Pending",
        "Skipped",
        "Screenshots",
        "Video",
        "Duration",
        "Estimated",
        "Spec Ran",
    )
)
_COUNTED = ("Tests", "Passing", "Failing", "Pending", "Skipped")


def results_row(box: ResultsBox, row: KeyRow) -> ResultsBox | None:
    """Return the results box with one more row, None if the row is not of this box."""
    if row.key == "":
        if not box.pieces or len(box.pieces) >= PIECES_MAX:
            return None
        return replace(box, pieces=(*box.pieces, row.value))
    if row.key not in RESULT_KEYS:
        return None
    if row.key == "Spec Ran":
        return replace(box, pieces=(row.value,))
    before = box.cells.get(row.key)
    if before is None or before == row.value:
        return replace(box, cells={**box.cells, row.key: row.value}, noise=0)
    # Rows of two boxes are mixed: a failure is kept, whichever of the two boxes reports it.
    worse = row.key == "Failing" and (table_count(row.value) or 0) > (table_count(before) or 0)
    cells = {**box.cells, row.key: row.value} if worse else box.cells
    return replace(box, cells=cells, torn=True, noise=0)


def results_end(box: ResultsBox) -> Results | None:
    """Return the values of a complete box.

    A box with a missing row, or with rows of two boxes, returns None unless it counts a failure.
    """
    found = counts([box.cells.get(key, "") for key in _COUNTED])
    if found is None or box.torn:
        if not failing_cell(box):
            return None
        found = Counts(**{key.lower(): table_count(box.cells.get(key, "")) or 0 for key in _COUNTED})
    return Results(ran_spec(box), found, box_duration_s(box.cells.get("Duration", "")))


def ran_spec(box: ResultsBox) -> str:
    """Return the name of `Spec Ran`."""
    return unwrap(box.pieces, SPEC_RAN_COLUMNS)[:LOG_NAME_CHARS_MAX]


def failing_cell(box: ResultsBox) -> int:
    """Return N of `Failing`, 0 if it was not read."""
    return table_count(box.cells.get("Failing", "")) or 0


# The final table

_TABLE_ROW = re.compile(r"  (\S{1,6}) (\S{1,6})  (\S.*)")
_TABLE_REST = re.compile(r"  (\S{1,6})    ( ?\S.*)")
_PASSED, _FAILED, _SKIPPED = "✔✓√", "✖×", "-"
_CELLS = 7


def table_row(text: str, offset: int) -> SummaryRow | None:
    """Return the first line of a row of the final table, None if the line is not one."""
    found = _TABLE_ROW.fullmatch(text) if len(text) <= ROW_CHARS_MAX else None
    if found is None or not found[3].endswith(found[1]):
        return None
    cells = found[3].removesuffix(found[1]).rsplit(None, _CELLS - 1)
    if len(cells) != _CELLS or not is_duration(cells[1]):
        return None
    numbers = counts(cells[2:])
    if numbers is None:
        return None
    return SummaryRow(
        offset=offset, mark=_mark(found[2], numbers), pieces=(cells[0],), duration=cells[1], counts=numbers
    )


def _mark(mark: str, numbers: Counts) -> str:
    if mark in _SKIPPED:
        return "skipped"
    if mark in _PASSED:
        return "passed"
    # A code page replaced the mark: the numbers show which one it was.
    return "failed" if mark in _FAILED or numbers.failing else "passed"


def row_goes_on(row: SummaryRow) -> bool:
    """Return whether the row's name may continue on the next line."""
    return may_wrap(row.pieces[-1], TABLE_COLUMNS) and len(row.pieces) < PIECES_MAX


def table_rest(row: SummaryRow, text: str) -> SummaryRow | None:
    """Return the row with the next line's piece of its name, None if the line is not such a piece."""
    found = _TABLE_REST.fullmatch(text) if len(text) <= ROW_CHARS_MAX else None
    if found is None or not found[2].endswith(found[1]):
        return None
    return replace(row, pieces=(*row.pieces, found[2].removesuffix(found[1]).rstrip()))


def summary_row(row: SummaryRow) -> SpecSummarised:
    """Return the fact for a complete row."""
    return SpecSummarised(
        offset=row.offset,
        spec=unwrap(row.pieces, TABLE_COLUMNS)[:LOG_NAME_CHARS_MAX],
        mark=row.mark,
        counts=row.counts,
        duration_s=table_duration_s(row.duration),
        skipped=row.duration == "SKIPPED",
    )


_TOTALS = re.compile(
    r"    \S{1,6}  (?:(?P<passed>All specs passed!)|(?P<f>\d{1,9}) of (?P<t>\d{1,9}) failed \(\d{1,3}%\)|"
    r"(?P<canceled>The run was canceled)) +(?P<cells>\S.*)"
)


def totals_row(text: str, offset: int) -> TotalsReported | None:
    """Return the totals row under the final table, None if the line is not one."""
    found = _TOTALS.fullmatch(text) if len(text) <= ROW_CHARS_MAX else None
    if found is None:
        return None
    cells = found["cells"].split()
    numbers = counts(cells[1:])
    if numbers is None or not is_duration(cells[0]):
        return None
    verdict: Literal["passed", "failed", "canceled"]
    verdict = "passed" if found["passed"] else "canceled" if found["canceled"] else "failed"
    return TotalsReported(
        offset=offset,
        verdict=verdict,
        failed=table_count(found["f"]) if found["f"] else None,
        total=table_count(found["t"]) if found["t"] else None,
        counts=numbers,
        duration_s=table_duration_s(cells[0]),
    )


_WRAPPER_TOTALS = re.compile(
    r"[ │]{1,6}\S{1,6} {2,3}(?:(?P<passed>All specs passed!)|No specs executed|(?P<f>\d{1,9}) of (?P<t>\d{1,9}) failed)"
    r" +(?P<cells>\S.*?)[ │]*"
)


def wrapper_totals(text: str, offset: int) -> WrapperTotals | None:
    """Return the row of cypress-cloud's own table that contains its verdict.

    It has no percentage (cypress-cloud's `lib/results/table.ts`).
    """
    found = _WRAPPER_TOTALS.fullmatch(text) if len(text) <= ROW_CHARS_MAX else None
    if found is None:
        return None
    numbers = counts(found["cells"].split()[-len(_COUNTED) :])
    if numbers is None:
        return None
    failed = table_count(found["f"]) if found["f"] else 0
    return WrapperTotals(
        offset=offset,
        failed=failed or 0,
        total=table_count(found["t"]) if found["t"] else None,
        counts=numbers,
    )
