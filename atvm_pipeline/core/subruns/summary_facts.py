"""The final table of a child: its rows, its totals row, and lines that fit neither.

A table that was read while a spec was open is held, because a test may have printed it. It is the child's own if
nothing more of that spec follows (`adopted`). The failures that it reports are kept in any case.
"""

from collections.abc import Callable

from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.results import add_counts, counts_text, is_worse
from atvm_pipeline.core.spec_names import same_spec
from atvm_pipeline.core.state import RUN_UNPLACED_MAX, SPECS_MAX, Child, HeldSummary, Spec, Stage


def append_spec(child: Child, spec: Spec) -> Child:
    """Return the child with one more spec.

    A spec beyond the limit is dropped and marks the child, so that it cannot pass.
    """
    if len(child.specs) >= SPECS_MAX:
        return child if child.too_many else replace(child, too_many=True)
    return replace(child, specs=(*child.specs, spec))


def swap_spec(specs: tuple[Spec, ...], at: int, spec: Spec) -> tuple[Spec, ...]:
    """Return the specs with one of them replaced."""
    return (*specs[:at], spec, *specs[at + 1 :])


def spec_at(specs: tuple[Spec, ...], name: str, lacks: Callable[[Spec], bool]) -> int | None:
    """Return the index of the spec of a name.

    An equal name counts before one with another directory, a spec that `lacks` the source before others. The search
    starts at the end, where a box's spec nearly always is, because a child may have thousands of specs.
    """
    for is_it in (str.__eq__, same_spec):
        first = None
        for at in range(len(specs) - 1, -1, -1):
            if is_it(specs[at].spec, name):
                if lacks(specs[at]):
                    return at
                first = at if first is None else first
        if first is not None:
            return first
    return None


def with_row(child: Child, fact: f.SpecSummarised) -> Child:
    """Return the child with one more row of its final table."""
    child = without_held(child)
    at = _row_at(child.specs, fact.spec)
    row = {
        "row": fact.counts,
        "row_offset": fact.offset,
        "row_mark": fact.mark,
        "row_skipped": fact.skipped,
    }
    if at is None:
        spec = Spec(spec=fact.spec, offset=fact.offset, duration_s=fact.duration_s, **row)  # type: ignore[arg-type]
        return append_spec(child, spec)
    spec = child.specs[at]
    if spec.row is not None:
        # A table has one row per spec, so of two rows the worse one counts.
        child = with_unplaced(child, _second_row(fact))
        if not is_worse(fact.counts, spec.row):
            return child
    duration_s = spec.duration_s if spec.duration_s is not None else fact.duration_s
    return replace(child, specs=swap_spec(child.specs, at, replace(spec, duration_s=duration_s, **row)))


def _row_at(specs: tuple[Spec, ...], name: str) -> int | None:
    """Return the index of the spec that a row of the final table names; None without one.

    The table has the order of the specs, so those that already have a row are nearly always the first ones. The next
    one is found by bisection; only a table in another order is searched.
    """
    low, high = 0, len(specs)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if specs[middle].row is None else (middle + 1, high)
    if low < len(specs) and specs[low].spec == name:
        return low
    return spec_at(specs, name, lambda spec: spec.row is None)


def hold_row(child: Child, fact: f.SpecSummarised) -> Child:
    """Return the child with a row that was read while a spec was open."""
    child, held = _held_for(child, fact.within)
    return replace(child, held=replace(held, rows=(*held.rows, fact)[:SPECS_MAX]))


def _held_for(child: Child, within: str) -> tuple[Child, HeldSummary]:
    """Return the table that is being read while a spec is open: the one without a totals row, or a new one."""
    held = child.held
    if held is not None and held.within == within and held.totals is None:
        return child, held
    return without_held(child), HeldSummary(within=within)


def totals_reported(child: Child, fact: f.TotalsReported) -> Child:
    """Return the child with the totals row of its final table. The rows that were held for it become its own."""
    if fact.within:
        child, held = _held_for(child, fact.within)
        return replace(child, held=replace(held, totals=fact))
    if child.held is not None and child.totals is None:
        child = _with_rows(child, child.held)
    return replace(child, totals=child.totals or fact)


def adopted(child: Child) -> Child:
    """Return the child with its held summary as its own.

    This applies only to a child that has ended without another summary, and without any further line of that spec.
    """
    held = child.held
    if held is None or child.stage is not Stage.ENDED or child.totals is not None:
        return child
    return replace(_with_rows(child, held), totals=held.totals)


def _with_rows(child: Child, held: HeldSummary) -> Child:
    child = replace(child, held=None)
    for row in held.rows:
        child = with_row(child, replace(row, within=""))
    return child


def without_held(child: Child) -> Child:
    """Return the child without its held summary, which a test printed. Only its failures are kept, as unplaced lines."""
    held = child.held
    if held is None:
        return child
    child = replace(child, held=None)
    for row in held.rows:
        if row.mark == "failed" or row.counts.failing:
            child = with_unplaced(child, _second_row(row))
    if held.totals is not None:
        child = with_unplaced(child, _second_totals(held.totals))
    return child


def with_unplaced(child: Child, line: f.LineUnplaced) -> Child:
    """Return the child with one more unplaced line. At the limit, a failing line replaces one that is not."""
    unplaced = (*child.unplaced, line)
    if len(unplaced) > RUN_UNPLACED_MAX:
        drop = next((at for at, old in enumerate(unplaced) if not old.failing), RUN_UNPLACED_MAX)
        unplaced = (*unplaced[:drop], *unplaced[drop + 1 :])
    return replace(child, unplaced=unplaced)


def second_box(fact: f.SpecReported) -> f.LineUnplaced:
    """Return a second box of one spec as an unplaced line. If it is the worse one, it also counts."""
    text = f"{fact.spec}: {counts_text(fact.counts)}"
    return f.LineUnplaced(offset=fact.offset, kind="box", text=text, spec=fact.spec)


def _second_row(fact: f.SpecSummarised) -> f.LineUnplaced:
    text = f"{fact.spec}: {counts_text(fact.counts)}"
    failing = fact.mark == "failed" or fact.counts.failing > 0
    return f.LineUnplaced(
        offset=fact.offset, kind="row", text=text, spec=fact.spec, failing=failing, within=fact.within
    )


def _second_totals(fact: f.TotalsReported) -> f.LineUnplaced:
    failing = fact.verdict != "passed" or fact.counts.failing > 0
    text = f"{fact.failed} of {fact.total} failed" if fact.failed is not None else fact.verdict
    return f.LineUnplaced(offset=fact.offset, kind="totals", text=text, failing=failing, within=fact.within)


def table_counts(spec: Spec) -> f.Counts | None:
    """Return the counts that a spec adds to the totals row: its row, else its box; None if neither was read."""
    return spec.row if spec.row is not None else spec.box


def table_sums(child: Child) -> f.Counts:
    """Return the sums over the rows and boxes of a child's specs."""
    total = f.Counts()
    for spec in child.specs:
        total = add_counts(total, table_counts(spec) or f.Counts())
    return total


def adds_up(child: Child) -> bool:
    """Return whether the totals row was read and equals the sums over the child's specs."""
    return child.totals is not None and table_sums(child) == child.totals.counts
