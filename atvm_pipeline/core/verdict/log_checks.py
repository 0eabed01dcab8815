"""Consistency checks of a child's log lines: two runs in one log, failures of no known spec, sums that differ.

Each check returns its finding; the tables in `transitions.py` decide which phase follows.
"""

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

from atvm_pipeline.core.facts import Counts, LineUnplaced
from atvm_pipeline.core.results import add_counts, counts_text
from atvm_pipeline.core.spec_names import same_spec
from atvm_pipeline.core.state import Child, Run, SubRun
from atvm_pipeline.core.subruns.summary_facts import table_counts, table_sums

from .ledger import planned_specs

_ONCE_PER_SPEC = frozenset({"running", "box", "row"})


class Mix(NamedTuple):
    """The place in the log that shows the output of two Cypress processes."""

    offset: int
    line: str


def _unlisted(child: Child) -> Mix | None:
    """Return a spec that started although the header does not list it: then the header belongs to another run."""
    listed = child.described.spec_names if child.described is not None else ()
    started = (spec for spec in child.specs if listed and spec.position is not None)
    spec = next((spec for spec in started if not any(same_spec(spec.spec, name) for name in listed)), None)
    return None if spec is None else Mix(spec.offset, f"{spec.spec} is not in the header's list of specs")


def find_mix(run: Run, subrun: SubRun) -> Mix | None:
    """Return a place where lines of a child of this sub-run and of another unfinished child are mixed; None without one.

    Two runs overlap if a header was read while the child before it had no totals row. They are mixed if more lines of one
    kind follow than the second run can have printed, or lines about a spec of the first run only.
    """
    for firsts, second in _overlaps(run, subrun):
        found = _mix_in(firsts, second)
        if found is not None:
            return found
    return next(filter(None, map(_unlisted, subrun.children)), None)


def _overlaps(run: Run, subrun: SubRun) -> Iterator[tuple[list[Child], Child]]:
    """Yield each child that started while others were unfinished, with those, if one of them belongs to this sub-run.

    Lines with two labels are two streams: a child is only compared with children of its own stream.
    """
    own = {id(child) for child in subrun.children}
    for stream in dict.fromkeys(child.stream for child in subrun.children):
        mine = [child for child in subrun.children if child.stream == stream]
        chain = _unfinished_before(run, subrun, mine[0])
        for child in (*mine, *_overlapping_after(run, subrun, stream)):
            chain = [*chain, child] if child.overlaps else [child]
            if len(chain) > 1 and any(id(one) in own for one in chain):
                yield chain[:-1], child
            elif id(child) in own and _has_two_headers(child):
                yield [child], child


def _unfinished_before(run: Run, subrun: SubRun, following: Child) -> list[Child]:
    """Return the children of earlier sub-runs that were unfinished, one after another, when `following` started."""
    chain: list[Child] = []
    for earlier in reversed(run.subruns[: subrun.index - 1]):
        for child in reversed(earlier.children):
            if not following.overlaps:
                return chain[::-1]
            if child.stream == following.stream:
                chain.append(child)
                following = child
    return chain[::-1]


def _overlapping_after(run: Run, subrun: SubRun, stream: int) -> Iterator[Child]:
    """Yield the children of later sub-runs that started while a chain of unfinished ones lasted."""
    for later in run.subruns[subrun.index :]:
        for child in later.children:
            if child.stream == stream:
                if not child.overlaps:
                    return
                yield child


def _has_two_headers(child: Child) -> bool:
    return any(line.kind == "header" for line in child.unplaced)


def _mix_in(firsts: list[Child], second: Child) -> Mix | None:
    own, others = _names(second), [name for first in firsts for name in _names(first)]
    alone = firsts == [second]
    if second.headless and len(firsts) > 1:
        return Mix(second.offset, "specs without a header after the end of another run")

    def is_own(name: str) -> bool:
        return any(same_spec(name, one) for one in own)

    def is_of_other_run(name: str) -> bool:
        return not is_own(name) and (alone or any(same_spec(name, one) for one in others))

    for spec in second.specs:
        if is_of_other_run(spec.spec):
            return Mix(spec.offset, spec.spec)
    for line in second.unplaced:
        if line.spec is not None and (
            is_of_other_run(line.spec) or (line.kind in _ONCE_PER_SPEC and is_own(line.spec))
        ):
            return Mix(line.offset, line.text)
    return _too_many(second)


def _names(child: Child) -> tuple[str, ...]:
    """Return the specs of a child: those that its header lists, else those that it ran."""
    described = child.described.spec_names if child.described is not None else ()
    return described or tuple(spec.spec for spec in child.specs)


def _too_many(child: Child) -> Mix | None:
    """Return a place with a second header or summary, or with more results than specs."""
    headers = [line for line in child.unplaced if line.kind == "header" and not line.within]
    if len(headers) > 1:
        return Mix(headers[-1].offset, headers[-1].text)
    last = {line.kind: line for line in child.unplaced}
    if summaries(child) > 1:
        summary = last.get("finish") or last["totals"]
        return Mix(summary.offset, summary.text)
    results = sum(1 for spec in child.specs if spec.box is not None)
    results += sum(1 for line in child.unplaced if line.kind in ("results", "box"))
    line = last.get("results") or last.get("box")
    if line is not None and results > planned_specs(child).specs:
        return Mix(line.offset, line.text)
    return None


def summaries(child: Child) -> int:
    """Return the number of summaries in the output of a child: of titles or of totals rows, whichever is greater."""
    finishes = sum(1 for line in child.unplaced if line.kind == "finish")
    totals = sum(1 for line in child.unplaced if line.kind == "totals")
    return max(finishes + (child.finished_offset is not None), totals + (child.totals is not None))


def unattributed(run: Run, subrun: SubRun) -> tuple[LineUnplaced, ...]:
    """Return the lines that report a failure of no known spec of this sub-run.

    A test may print such a line while its spec runs. There it counts only if a second header, a second summary or a second
    `Running:` line shows that more than a test wrote to the log.
    """
    return tuple(
        line
        for child in subrun.children
        for line in child.unplaced
        if line.failing and (not line.within or has_second_run(run, subrun, child))
    )


def has_second_run(run: Run, subrun: SubRun, child: Child) -> bool:
    """Return whether more than a test may have written to the output of a child's specs."""
    if next(_overlaps(run, subrun), None) is not None or summaries(child) > 1:
        return True
    return any(line.kind == "running" for line in child.unplaced)


def printed_failures(run: Run, subrun: SubRun) -> tuple[LineUnplaced, ...]:
    """Return the lines with a failure that a test may have printed: they become a note and decide nothing."""
    counted = {id(line) for line in unattributed(run, subrun)}
    return tuple(
        line
        for child in subrun.children
        for line in child.unplaced
        if line.failing and id(line) not in counted
    )


class Contradiction(NamedTuple):
    """A totals row, or a row and a box, that cannot both be right."""

    offset: int
    text: str


def find_contradiction(subrun: SubRun) -> Contradiction | None:
    """Return how a final table of a sub-run, a child's own or the wrapper's, contradicts its specs; None if it does not."""
    found = next(filter(None, map(_child_contradicts, subrun.children)), None)
    return found or _wrapper_contradicts(subrun)


def _wrapper_contradicts(subrun: SubRun) -> Contradiction | None:
    totals = subrun.wrapper.totals if subrun.wrapper is not None else None
    counted = [table_counts(spec) for child in subrun.children for spec in child.specs]
    if totals is None or None in counted:
        return None
    sums = reduce(add_counts, filter(None, counted), Counts())
    if sums == totals.counts:
        return None
    text = f"the wrapper's table shows {counts_text(totals.counts)}, the specs add up to {counts_text(sums)}"
    return Contradiction(totals.offset, text)


def _child_contradicts(child: Child) -> Contradiction | None:
    """Return how the final table of a child contradicts its specs; None if it does not.

    The totals row is the sum of the rows, or of the boxes where a row was lost (388 of 388 outputs of Cypress 12 to 15). If
    a planned spec has neither, the sums can only be too high.
    """
    for spec in child.specs:
        if spec.box is not None and spec.row is not None and not spec.row_skipped and spec.box != spec.row:
            text = f"its result box shows {counts_text(spec.box)}, its row of the final table {counts_text(spec.row)}"
            return Contradiction(spec.row_offset or spec.offset, f"{spec.spec}: {text}")
    if child.totals is None:
        return None
    sums, totals = table_sums(child), child.totals.counts
    every = len(child.specs) >= planned_specs(child).specs and all(
        table_counts(spec) is not None for spec in child.specs
    )
    if (every and sums != totals) or _exceeds(sums, totals):
        one = len(child.specs) == 1
        specs = "the only spec has" if one else f"the {len(child.specs)} specs add up to"
        text = f"the totals row shows {counts_text(totals)}, {specs} {counts_text(sums)}"
        return Contradiction(child.totals.offset, text)
    return None


def _exceeds(sums: Counts, totals: Counts) -> bool:
    pairs = ((getattr(sums, name), getattr(totals, name)) for name in Counts.__struct_fields__)
    return any(one > other for one, other in pairs)
