"""What the log has told so far, and the facts that come of it: children, specs, boxes, summaries, errors.

Knows what may follow what; does not know how a line looks.
"""

from msgspec.structs import replace

from atvm_pipeline.core.facts import (
    ChildStarted,
    ErrorReported,
    Fact,
    RunFinished,
    SpecReported,
    SpecStarted,
    SpecSummarised,
    TotalsReported,
)
from atvm_pipeline.core.harmless import one_line
from atvm_pipeline.core.results import is_worse

from .box import Results
from .errors import RUN, SIGNALLED, SPEC, WHERE
from .scanner_state import LEFT_BEHIND_MAX, NAME_CHARS_MAX, HeldName, OpenSpec, Pending, ScannerState, Table
from .tests_told import TEXT_CHARS_MAX


class Story:
    """The scanner's memory while it works on one block, and the facts found in it."""

    __slots__ = ("facts", "state")

    def __init__(self, state: ScannerState) -> None:
        self.state = state
        self.facts: list[Fact] = []

    def hold(self, pending: Pending | None) -> None:
        """Put `pending` in the place of what was being put together."""
        self.state = replace(self.state, pending=pending)

    def learn(self, code_page: str | None) -> None:
        """Remember the code page that a header box shows."""
        if code_page is not None:
            self.state = replace(self.state, code_page=code_page)

    def begin_child(self, offset: int) -> None:
        """`(Run Starting)`: whatever came before is over."""
        self.facts.append(ChildStarted(offset=offset))
        self.state = _fresh(self.state)

    def may_begin(self, name: HeldName) -> bool:
        """Whether a `Running:` line can be Cypress's own here.

        Within an open spec only one further on in the same run can: the box between them was lost.
        """
        spec = self.state.spec
        return (
            spec is None or bool(spec.errors) or (name.total == spec.total and name.position > spec.position)
        )

    def begin_spec(self, spec: str, held: HeldName) -> None:
        """`Running:`, its name whole."""
        spec = spec[:NAME_CHARS_MAX]
        if self.state.child != "open":
            # `(Run Starting)` was not seen: the child shows itself here.
            self.state = replace(_fresh(self.state), joined=True)
        state = self.state
        self.facts.append(
            SpecStarted(offset=held.offset, spec=spec, position=held.position, total=held.total)
        )
        self.state = replace(
            state,
            first=state.first or spec,
            spec=OpenSpec(name=spec, position=held.position, total=held.total),
            left=() if state.spec is None else (*state.left, state.spec.name)[-LEFT_BEHIND_MAX:],
            boxed=None,
            boxed_counts=None,
        )

    def skip_spec(self) -> None:
        """The open spec is over without a box: the run was canceled."""
        self.state = replace(self.state, spec=None)

    def box_read(self, results: Results, offset: int) -> None:
        """A whole results box: tell it if it is the open spec's."""
        name = self._boxed_name(results)
        if name is None:
            return
        self.facts.append(
            SpecReported(offset=offset, spec=name, counts=results.counts, duration_s=results.duration_s)
        )
        self.state = replace(self.state, spec=None, boxed=name, boxed_counts=results.counts)

    def _boxed_name(self, results: Results) -> str | None:
        """The spec that the box speaks of; None if the box cannot be Cypress's own here."""
        state = self.state
        if state.spec is not None:
            if same_name(state.spec.name, results.spec):
                contradicts = state.spec.failing > 0 and results.counts.failing == 0
                return None if contradicts else state.spec.name
            # A `Running:` line that was none may have come in between; Cypress runs one spec after another.
            return next((name for name in reversed(state.left) if same_name(name, results.spec)), None)
        if state.boxed is not None and same_name(state.boxed, results.spec):
            # A second box of one spec: one of them was printed by the spec itself.  The worse is believed.
            # So too behind a summary: then a test had printed that one, with a green box of its own spec.
            believed = state.boxed_counts is None or is_worse(results.counts, state.boxed_counts)
            return state.boxed if believed else None
        return results.spec if state.child == "open" else None  # its `Running:` line was lost

    def may_finish(self) -> bool:
        """Whether `(Run Finished)` can be Cypress's own here: never within a spec whose box has not come."""
        if self.state.child in ("summarised", "ended"):
            return False
        return self.state.spec is None or bool(self.state.spec.errors)

    def finish_run(self, offset: int) -> None:
        """`(Run Finished)`, believed."""
        self.facts.append(RunFinished(offset=offset))
        self.state = replace(self.state, child="summarised", pending=Table(offset=offset, trusted=True))

    def row_read(self, table: Table, fact: SpecSummarised) -> None:
        """A whole row of the final table; the first one has to name the first spec."""
        if not table.trusted:
            first = None if self.state.joined else self.state.first
            if first is not None and not same_name(first, fact.spec):
                self.hold(None)
                return
            self.finish_run(table.offset)
        self.facts.append(fact)

    def totals_read(self, table: Table, fact: TotalsReported) -> None:
        """The totals row: the child's own output ends with it."""
        if not table.trusted:
            self.finish_run(table.offset)
        self.facts.append(fact)
        self.state = replace(self.state, child="ended", spec=None, pending=None)

    def error(self, code: str, scope: str, text: str, offset: int) -> None:
        """An error block; each code once per spec."""
        spec = self.state.spec
        if spec is not None:
            if code in spec.errors:
                return
            if spec.failing and code != SIGNALLED:
                return  # the epilogue's failure texts can hold anything
            self.state = replace(self.state, spec=replace(spec, errors=(*spec.errors, code)))
        if scope == WHERE:
            # The config file's own code: while it is loaded there is no run yet.
            code, scope = (code, SPEC) if spec is not None else ("config-invalid", RUN)
        self.facts.append(
            ErrorReported(offset=offset, code=code, scope=scope, text=one_line(text, TEXT_CHARS_MAX))
        )


def _fresh(state: ScannerState) -> ScannerState:
    """The memory at the beginning of a child."""
    return ScannerState(
        offset=state.offset, tail=state.tail, skipping=state.skipping, wrapped=state.wrapped, child="open"
    )


def same_name(one: str, other: str) -> bool:
    """Whether two spellings name one spec file: but for blanks lost at a cut and the folders in front."""
    one, other = ("".join(name.split()).replace("\\", "/") for name in (one, other))
    return one == other or one.endswith("/" + other) or other.endswith("/" + one)
