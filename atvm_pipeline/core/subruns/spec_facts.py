"""The log's facts about one spec: its start, its box, its row of the final table.

This module only stores them; `ledger.py` decides which source counts.
"""

from collections.abc import Callable

from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.results import is_worse
from atvm_pipeline.core.state import FAILURES_MAX, SPEC_SCREENSHOTS_MAX, Child, Failure, Run, Spec

from .children import current_child, open_child, put_child
from .summary_facts import (
    append_spec,
    hold_row,
    second_box,
    spec_at,
    swap_spec,
    with_row,
    with_unplaced,
    without_held,
)


def log_counts(spec: Spec) -> f.Counts | None:
    """Return the log's counts for a spec: its box or its row of the final table, the worse one if they differ."""
    if spec.box is None or spec.row is None:
        return spec.box or spec.row
    # SKIPPED means that the spec did not run, not that its failures do not count.
    counts_too = spec.row.failing or not spec.row_skipped
    return spec.row if counts_too and is_worse(spec.row, spec.box) else spec.box


def on_open(run: Run, change: Callable[[Child], Child]) -> Run:
    """Change the child that has not ended; without one, change nothing."""
    child = open_child(run)
    return run if child is None else put_child(run, change(child))


def on_unjudged(run: Run, change: Callable[[Child], Child]) -> Run:
    """Change the current child, ended or not.

    Its late lines count until its verdict, and after that for the run.
    """
    child = current_child(run)
    return run if child is None else put_child(run, change(child))


def spec_started(run: Run, fact: f.SpecStarted) -> Run:
    """Add a spec that the open child started."""
    # The time at which a line is read does not show when it was written, unless everything before it had been read.
    since = run.log.since or run.request.at
    spec = Spec(
        spec=fact.spec,
        offset=fact.offset,
        position=fact.position,
        total=fact.total,
        began=True,
        since=since,
        started_at=run.at,
    )
    return on_open(run, lambda child: append_spec(without_held(child), spec))


def tests_counted(child: Child, fact: f.TestsCounted) -> Child:
    """Add the counts of the reporter's own lines about a spec whose box was not read."""
    at = next((at for at in range(len(child.specs) - 1, -1, -1) if child.specs[at].spec == fact.spec), None)
    if at is None:
        return child
    return replace(child, specs=swap_spec(child.specs, at, replace(child.specs[at], counted=fact)))


def screenshots_listed(child: Child, fact: f.ScreenshotsListed) -> Child:
    """Add the paths of the screenshots of a spec."""
    at = spec_at(child.specs, fact.spec, lambda spec: not spec.screenshots)
    if at is None:
        return child
    spec = child.specs[at]
    paths = tuple(dict.fromkeys((*spec.screenshots, *fact.paths)))[:SPEC_SCREENSHOTS_MAX]
    return replace(child, specs=swap_spec(child.specs, at, replace(spec, screenshots=paths)))


def spec_reported(run: Run, fact: f.SpecReported) -> Run:
    """Apply the box of one spec."""

    def on_child(child: Child) -> Child:
        child = without_held(child)
        at = spec_at(child.specs, fact.spec, lambda spec: spec.box is None)
        known = child.specs[at].box if at is not None else None
        if known is not None:
            # A second box of one spec cannot be Cypress's own, so the worse one of the two counts.
            child = with_unplaced(child, second_box(fact))
            if not is_worse(fact.counts, known):
                return child
        box = {
            "box": fact.counts,
            "box_offset": fact.offset,
            "duration_s": fact.duration_s,
            "ended_at": run.at,
        }
        if at is None:
            spec = Spec(spec=fact.spec, offset=fact.offset, began=True, **box)  # type: ignore[arg-type]
            return append_spec(child, spec)
        return replace(child, specs=swap_spec(child.specs, at, replace(child.specs[at], **box)))

    late = current_child(run)
    if open_child(run) is None and late is not None and fact.counts.failing:
        # A summary came before this box, so a test had printed it: the child had not ended, and a spec has failed.
        return put_child(run, on_child(late))
    return on_open(run, on_child)


def spec_summarised(child: Child, fact: f.SpecSummarised) -> Child:
    """Apply one row of the child's final table."""
    return hold_row(child, fact) if fact.within else with_row(child, fact)


def on_spec(run: Run, change: Callable[[Spec], Spec]) -> Run:
    """Change the spec that started last."""

    def on_child(child: Child) -> Child:
        if not child.specs:
            return child
        return replace(child, specs=(*child.specs[:-1], change(child.specs[-1])))

    return on_open(run, on_child)


def with_failure(spec: Spec, failure: Failure) -> Spec:
    """Return the spec with one more failing test by name."""
    return replace(spec, failures=(*spec.failures, failure)[:FAILURES_MAX])
