"""What the log says of one spec: its begin, its box, its row of the final table.

The folding only; which source is believed is `ledger.py`'s.
"""

from collections.abc import Callable
from itertools import chain

from msgspec.structs import replace

from . import facts as f
from .children import current_child, open_child, put_child, same_spec
from .results import is_worse
from .state import FAILURES_MAX, SPECS_MAX, Child, Failure, Run, Spec


def on_open(run: Run, change: Callable[[Child], Child]) -> Run:
    """Change the child that has not ended; without one nothing changes."""
    child = open_child(run)
    return run if child is None else put_child(run, change(child))


def on_unjudged(run: Run, change: Callable[[Child], Child]) -> Run:
    """Change the current child, ended or not: what it prints late counts until its verdict, and for the run after it."""
    child = current_child(run)
    return run if child is None else put_child(run, change(child))


def spec_started(run: Run, fact: f.SpecStarted) -> Run:
    """A spec of the open child began."""
    # How late a line is read says nothing about when it was written: only when all before it had been read does.
    since = run.log.since or run.request.at
    spec = Spec(
        spec=fact.spec, offset=fact.offset, position=fact.position, total=fact.total, began=True, since=since
    )
    return on_open(run, lambda child: _append(child, spec))


def _append(child: Child, spec: Spec) -> Child:
    """The child with one more spec; what is not kept cannot pass."""
    if len(child.specs) >= SPECS_MAX:
        return child if child.too_many else replace(child, too_many=True)
    return replace(child, specs=(*child.specs, spec))


def spec_reported(run: Run, fact: f.SpecReported) -> Run:
    """The box of one spec was read."""

    def on_child(child: Child) -> Child:
        at = _reported_at(child.specs, fact.spec)
        known = child.specs[at].box if at is not None else None
        if known is not None and not is_worse(fact.counts, known):
            # A second box for one spec cannot be Cypress's own: the worse of the two is believed.
            return child
        box = {"box": fact.counts, "box_offset": fact.offset, "duration_s": fact.duration_s}
        if at is None:
            spec = Spec(spec=fact.spec, offset=fact.offset, began=True, **box)  # type: ignore[arg-type]
            return _append(child, spec)
        return replace(child, specs=_swap(child.specs, at, replace(child.specs[at], **box)))

    late = current_child(run)
    if open_child(run) is None and late is not None and fact.counts.failing:
        # A summary came before this box, so a test had printed it: the child had not ended, and a spec has failed.
        return put_child(run, on_child(late))
    return on_open(run, on_child)


def _reported_at(specs: tuple[Spec, ...], name: str) -> int | None:
    """The spec that a box speaks of: the last of that name without a box, else the last of that name.

    From the end, where it nearly always is: one child may hold thousands.
    """
    last = None
    for at in range(len(specs) - 1, -1, -1):
        if same_spec(specs[at].spec, name):
            if specs[at].box is None:
                return at
            last = at if last is None else last
    return last


def _swap(specs: tuple[Spec, ...], at: int, spec: Spec) -> tuple[Spec, ...]:
    return (*specs[:at], spec, *specs[at + 1 :])


def spec_summarised(child: Child, fact: f.SpecSummarised) -> Child:
    """One row of the child's final table was read."""
    row = {
        "row": fact.counts,
        "row_offset": fact.offset,
        "row_mark": fact.mark,
        "row_skipped": fact.skipped,
    }
    at = _row_at(child.specs, fact.spec)
    if at is not None:
        spec = child.specs[at]
        duration_s = spec.duration_s if spec.duration_s is not None else fact.duration_s
        return replace(child, specs=_swap(child.specs, at, replace(spec, duration_s=duration_s, **row)))
    spec = Spec(spec=fact.spec, offset=fact.offset, duration_s=fact.duration_s, **row)  # type: ignore[arg-type]
    return _append(child, spec)


def _row_at(specs: tuple[Spec, ...], name: str) -> int | None:
    """The spec that a row of the final table speaks of: one of that name without a row, None if there is none.

    The table has the order of the specs, so that those with a row nearly always are the first ones: the next is found
    by halving, and only a table of another order is searched from the start.
    """
    low, high = 0, len(specs)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if specs[middle].row is None else (middle + 1, high)
    likely = (low,) if low < len(specs) else ()
    return next(
        (
            at
            for at in chain(likely, range(len(specs)))
            if specs[at].row is None and same_spec(specs[at].spec, name)
        ),
        None,
    )


def on_spec(run: Run, change: Callable[[Spec], Spec]) -> Run:
    """Change the spec that began last."""

    def on_child(child: Child) -> Child:
        if not child.specs:
            return child
        return replace(child, specs=(*child.specs[:-1], change(child.specs[-1])))

    return on_open(run, on_child)


def with_failure(spec: Spec, failure: Failure) -> Spec:
    """The spec with one more failing test by name."""
    return replace(spec, failures=(*spec.failures, failure)[:FAILURES_MAX])
