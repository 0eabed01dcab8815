"""Parser context: the elements read so far (children, specs, boxes, errors) and the facts emitted from them.

It knows the order of the elements, not the form of a line. `final_table.py` handles the final table.
"""

from typing import Any, Literal

from msgspec.structs import replace

from atvm_pipeline.core.facts import (
    ChildStarted,
    Counts,
    EpilogueRead,
    ErrorReported,
    Fact,
    LastLine,
    LineUnplaced,
    SpecReported,
    SpecStarted,
    TestsCounted,
)
from atvm_pipeline.core.results import counts_text, is_worse
from atvm_pipeline.core.spec_names import same_but_blanks
from atvm_pipeline.core.text import one_line

from .boxes import Results, failing_cell
from .error_catalog import RUN, SIGNALLED, SPEC, WHERE
from .mocha import TEST_TEXT_CHARS_MAX
from .scanner_state import (
    EARLY_MAX,
    LEFT_BEHIND_MAX,
    LOG_NAME_CHARS_MAX,
    HeaderBox,
    HeldName,
    OpenSpec,
    Pending,
    ResultsBox,
    ScannerState,
)

CHILD_UNPLACED_MAX = 50
"""Unplaced lines reported per child, and as many more that report a failure."""
EPILOGUES_MAX = 1000
"""Epilogues reported of a log in which no line of a Cypress run was read."""
HEADER_BYTES_MAX = 64 * 1024
"""A row of the header box must follow its `(Run Starting)` within this distance, even if another process writes too."""
PASSED_MARKS = ("✓".encode(), "√".encode())
PENDING_MARK = b"  - "


LOG_FIELDS = (
    "offset",
    "tail",
    "skipping",
    "lost",
    "strayed",
    "learners",
    "forms",
    "stream",
    "parked",
    "last",
)
"""Fields of the scanner's state that belong to the log; all others belong to the stream of one line form."""


class ScanContext:
    """The scanner's state while it reads one block, and the facts found in it."""

    __slots__ = ("_marked_at", "_passed", "_pending", "_stamped", "cut_off", "facts", "state")

    def __init__(self, state: ScannerState) -> None:
        self.state = state
        self.facts: list[Fact] = []
        self.cut_off = False
        """A child started while the previous one had no summary: the last lines of that one must be kept."""
        self._passed = 0
        self._pending = 0
        self._marked_at: int | None = None
        self._stamped = 0

    # --- streams ---

    def switch(self, stream: int) -> None:
        """Continue with the lines of another form; the state of the current one is parked."""
        state = self.state
        if stream == state.stream:
            return
        self.stamp()
        parked = {**state.parked, str(state.stream): bare(state)}
        other = parked.pop(str(stream), ScannerState())
        self.state = replace(other, **_of_the_log(state) | {"stream": stream, "parked": parked})

    def stamp(self) -> None:
        """Set the stream of the facts that were found since the last switch."""
        self.take_marks()
        stream = self.state.stream
        if stream:
            at = self._stamped
            self.facts[at:] = [replace(fact, stream=stream) for fact in self.facts[at:]]
        self._stamped = len(self.facts)

    @property
    def is_busy(self) -> bool:
        """Whether a multi-line element is open or a form is being learnt, so that every line must be read."""
        state = self.state
        if state.pending is not None or state.learners:
            return True
        return any(parked.pending is not None for parked in state.parked.values())

    def hold(self, pending: Pending | None) -> None:
        """Set the element that is being assembled to `pending`."""
        self.state = replace(self.state, pending=pending)

    def learn(self, code_page: str | None) -> None:
        """Remember the code page that a header box shows."""
        if code_page is not None:
            self.state = replace(self.state, code_page=code_page)

    def unplaced(
        self,
        kind: Literal["header", "running", "epilogue", "results", "box", "row", "finish", "totals"],
        text: str,
        offset: int,
        *,
        spec: str | None = None,
        failing: bool = False,
    ) -> None:
        """Report a line that does not fit its position; more than CHILD_UNPLACED_MAX per child are dropped."""
        state = self.state
        reported = state.unplaced_failing if failing else state.unplaced
        if reported >= CHILD_UNPLACED_MAX:
            return
        self.facts.append(
            LineUnplaced(
                offset=offset,
                kind=kind,
                text=one_line(text, TEST_TEXT_CHARS_MAX),
                spec=None if spec is None else spec[:LOG_NAME_CHARS_MAX],
                failing=failing,
                within="" if state.spec is None else state.spec.name,
            )
        )
        if failing:
            self.state = replace(state, unplaced_failing=reported + 1)
        else:
            self.state = replace(state, unplaced=reported + 1)

    # --- children ---

    def begin_child(self, offset: int) -> None:
        """Start a child at `(Run Starting)`: everything before it has ended."""
        self.end_child()
        self.cut_off = self.state.child == "open"
        self.facts.append(ChildStarted(offset=offset))
        self.state = fresh(self.state)

    def tell_last(self, last: tuple[LastLine, ...]) -> None:
        """Add the last lines of the child that was cut off to the `ChildStarted` fact of the next one."""
        self.cut_off = False
        at = next(at for at in range(len(self.facts) - 1, -1, -1) if isinstance(self.facts[at], ChildStarted))
        began = self.facts[at]
        assert isinstance(began, ChildStarted)
        before = tuple(line for line in last if line.offset < began.offset)
        self.facts[at] = replace(began, before=before)

    def end_child(self) -> None:
        """Report the known facts of an open spec and an open box: this child will not complete them."""
        if isinstance(self.state.pending, ResultsBox):
            self.drop_box(self.state.pending)
        self.leave_spec()

    def await_header(self, offset: int) -> None:
        """Remember a `(Run Starting)` within an open child: a row of its header box must show that Cypress printed it."""
        self.state = replace(self.state, title_at=offset)

    def begin_awaited_child(self, offset: int) -> bool:
        """Start the child whose `(Run Starting)` was read shortly before the line at `offset`; return False without one."""
        title_at = self.state.title_at
        if title_at is None or offset - title_at > HEADER_BYTES_MAX:
            return False
        self.begin_child(title_at)
        self.hold(HeaderBox(offset=title_at))
        return True

    # --- specs ---

    def may_begin(self, name: HeldName) -> bool:
        """Return whether a `Running:` line can be Cypress's own here.

        Within an open spec, only a later spec of the same run can start: the box between them was lost.
        """
        spec = self.state.spec
        return (
            spec is None or bool(spec.errors) or (name.total == spec.total and name.position > spec.position)
        )

    def begin_spec(self, spec: str, held: HeldName) -> None:
        """Start a spec: the name of its `Running:` line is complete."""
        spec = spec[:LOG_NAME_CHARS_MAX]
        self.leave_spec()
        if self.state.child != "open":
            # `(Run Starting)` was not seen: the child starts here.
            self.state = replace(fresh(self.state), joined=True)
        elif held.position <= self.state.position and self.state.title_at is not None:
            # Its header box was lost: within one run positions only grow.
            self.facts.append(ChildStarted(offset=self.state.title_at))
            self.state = fresh(self.state)
        state = self.state
        self.facts.append(
            SpecStarted(offset=held.offset, spec=spec, position=held.position, total=held.total)
        )
        self.state = replace(
            state,
            early=(*state.early, spec)[:EARLY_MAX],
            position=held.position,
            spec=OpenSpec(name=spec, position=held.position, total=held.total),
            boxed=None,
            boxed_counts=None,
        )

    def leave_spec(self) -> None:
        """Close the open spec, whose box was not read, and report its other counts."""
        self.take_marks()
        spec = self.state.spec
        if spec is None:
            return
        counted = counted_of(spec)
        if counted is not None:
            self.facts.append(counted)
        left = (*self.state.left, spec.name)[-LEFT_BEHIND_MAX:]
        self.state = replace(self.state, spec=None, left=left)

    def skip_spec(self) -> None:
        """Close the open spec without a box: the run was canceled."""
        self.state = replace(self.state, spec=None)

    def count_marks(self, data: bytes, begin: int, end: int, base: int) -> None:
        """Count the marks of passed and pending tests in bytes whose lines are not read one by one.

        Marks that a test prints may be counted too. Then the number agrees with no other source, and proves nothing.
        """
        if self.state.spec is None:
            return
        mark = PASSED_MARKS[0]
        passed = data.count(mark, begin, end)
        if not passed:
            mark = PASSED_MARKS[1]
            passed = data.count(mark, begin, end)
        if passed and self._marked_at is None:
            self._marked_at = base + data.find(mark, begin, end)
        self._passed += passed
        self._pending += data.count(PENDING_MARK, begin, end)

    def take_marks(self) -> None:
        """Add the marks counted in this block to the open spec."""
        spec = self.state.spec
        if spec is not None and (self._passed or self._pending):
            marked_at = spec.marked_at if spec.marked_at is not None else self._marked_at
            passed, pending = spec.passed + self._passed, spec.pending + self._pending
            spec = replace(spec, passed=passed, pending=pending, marked_at=marked_at)
            self.state = replace(self.state, spec=spec)
        self._passed, self._pending, self._marked_at = 0, 0, None

    def epilogue_read(self, fact: EpilogueRead) -> None:
        """Report an epilogue before the first child; with `--quiet`, Cypress prints nothing else."""
        if self.state.child == "none" and self.state.epilogues < EPILOGUES_MAX:
            self.facts.append(fact)
            self.state = replace(self.state, epilogues=self.state.epilogues + 1)

    # --- boxes ---

    def box_read(self, results: Results, offset: int) -> None:
        """Report a results box with all its rows: as the open spec's, else as unplaced."""
        name = self._boxed_name(results)
        failing = results.counts.failing > 0
        if name is None:
            text = f"{results.spec}: {counts_text(results.counts)}"
            self.unplaced("box", text, offset, spec=results.spec, failing=failing)
            return
        self.facts.append(
            SpecReported(offset=offset, spec=name, counts=results.counts, duration_s=results.duration_s)
        )
        if self.state.child == "none":
            # The log is read from the middle on: the child starts here.
            self.state = replace(fresh(self.state), joined=True)
        own = self.state.spec is not None and self.state.spec.name == name
        early = self.state.early
        if len(early) < EARLY_MAX and name not in early:
            early = (*early, name)
        self._passed, self._pending, self._marked_at = 0, 0, None
        self.state = replace(
            self.state,
            spec=None,
            early=early,
            left=() if own else self.state.left,
            boxed=name,
            boxed_counts=results.counts,
        )

    def box_damaged(self, box: ResultsBox, name: str) -> None:
        """Process a results box that lacks rows, or has rows of two: it shows no result, only that the spec has ended."""
        spec = self.state.spec
        if spec is not None and same_but_blanks(spec.name, name):
            self.leave_spec()
        else:
            self.unplaced("results", name, box.offset, spec=name)

    def drop_box(self, box: ResultsBox) -> None:
        """Drop a results box whose end is missing; its failures are reported as unplaced."""
        self.hold(None)
        failing = failing_cell(box) > 0
        text = f"(Results) with {failing_cell(box)} failing" if failing else "(Results)"
        self.unplaced("box" if failing else "results", text, box.offset, failing=failing)

    def _boxed_name(self, results: Results) -> str | None:
        """Return the spec that the box belongs to; None if the box cannot be Cypress's own here."""
        state = self.state
        if state.spec is not None:
            if same_but_blanks(state.spec.name, results.spec):
                contradicts = state.spec.failing > 0 and results.counts.failing == 0
                return None if contradicts else state.spec.name
            # A `Running:` line of other origin may have come in between; Cypress runs one spec after another.
            return next((name for name in reversed(state.left) if same_but_blanks(name, results.spec)), None)
        if state.boxed is not None and same_but_blanks(state.boxed, results.spec):
            # A second box of one spec: the spec itself printed one of them, so the worse one counts.
            # The same after a summary: then a test had printed that summary, with a passing box of its own spec.
            believed = state.boxed_counts is None or is_worse(results.counts, state.boxed_counts)
            return state.boxed if believed else None
        return results.spec if state.child in ("none", "open") else None  # its `Running:` line was lost

    # --- errors ---

    def error(self, code: str, scope: str, text: str, offset: int) -> None:
        """Report an error block; each code once per spec."""
        spec = self.state.spec
        if spec is not None:
            if code in spec.errors:
                return
            if spec.failing and code != SIGNALLED:
                return  # the epilogue's failure texts can contain anything
            self.state = replace(self.state, spec=replace(spec, errors=(*spec.errors, code)))
        if scope == WHERE:
            # The config file's own code: while it is loaded, no run has started.
            code, scope = (code, SPEC) if spec is not None else ("config-invalid", RUN)
        self.facts.append(
            ErrorReported(offset=offset, code=code, scope=scope, text=one_line(text, TEST_TEXT_CHARS_MAX))
        )


def fresh(state: ScannerState) -> ScannerState:
    """Return the state at the start of a child."""
    return ScannerState(child="open", wrapped=state.wrapped, **_of_the_log(state))


def bare(state: ScannerState) -> ScannerState:
    """Return the part of the state that belongs to one stream."""
    return replace(state, **_of_the_log(ScannerState()))


def _of_the_log(state: ScannerState) -> dict[str, Any]:
    """Return the fields that belong to the log and not to one stream."""
    return {name: getattr(state, name) for name in LOG_FIELDS}


def counted_of(spec: OpenSpec) -> TestsCounted | None:
    """Return the counts of the reporter's own lines about a spec; None if no such line was read."""
    offset = spec.epilogue_at if spec.epilogue_at is not None else spec.marked_at
    if offset is None:
        return None
    epilogue = None
    if spec.epilogue_at is not None:
        passing, pending = spec.epilogue_passing, spec.epilogue_pending
        tests = passing + pending + spec.failing
        epilogue = Counts(tests=tests, passing=passing, failing=spec.failing, pending=pending)
    return TestsCounted(
        offset=offset, spec=spec.name, passed=spec.passed, pending=spec.pending, epilogue=epilogue
    )
