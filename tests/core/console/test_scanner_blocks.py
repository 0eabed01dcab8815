"""Any bytes, cut into any blocks: the same facts, bounded memory, linear time, and never an exception."""

import time
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.lines import LINE_BYTES_MAX
from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from tests.core.console.test_error_blocks import BLOCKS, SERVER, STATUS
from tests.core.console.test_scanner_hostile import FAKES, failing_run
from tests.support import cypress_output as prints

SCANNER = Scanner(Dialect(progress="^progress: "))
LONG = "e2e/" + "x" * 70 + " y/" + "z" * 40 + ".cy.ts"

_RUNS = (
    prints.whole_run("a.cy.ts", LONG),
    failing_run(["text", "  (Run Finished)"]),
    [prints.coloured(line) for line in prints.whole_run("a.cy.ts", "b.cy.ts")],
    [line.encode().decode("cp850") for line in prints.whole_run("ã.cy.ts")],
)
POOL = sorted(
    {
        *(line for run in (*_RUNS, *FAKES.values()) for line in run),
        *(line for line, _, _ in BLOCKS),
        *prints.starting(
            LONG, "b.cy.ts", params="Tag: x, Group: y, Parallel: false", run_url="http://x/" + "y" * 90
        ),
        *prints.recorded("http://x/"),
        *(
            SERVER,
            STATUS,
            "We will retry 3 more times in 30 seconds...",
            "The --group flag you passed was: foo",
        ),
        *(
            "    (Attempt 1 of 2) works",
            "    ✖(Attempt 1 of 2) works",
            "    ✓ works",
            "  1) Suite",
            "       title:",
        ),
        *(
            "  1 failing",
            "  2 failing",
            "  0 passing",
            "     Error: x",
            "            a continuation",
            "tput: No value",
        ),
        *(
            "Discovered 2 spec files",
            "Tags: x; Group: y; Parallel: true; Batch Size: 1",
            "  Cloud Run Finished",
        ),
        *(
            "cypress run --ci-build-id x",
            "progress: 40 %",
            "  This spec and its tests were skipped because the run has been canceled.",
        ),
    }
)

FORMS = (
    [f"[x] {line}" for line in _RUNS[0]],
    [repr(line.encode()) for line in _RUNS[0]],
    [line.strip() for line in _RUNS[0]],
)

documents = st.one_of(
    st.lists(st.sampled_from([*FORMS, _RUNS[0]]), max_size=2).map(
        lambda runs: [line for run in runs for line in run]
    ),
    st.lists(st.sampled_from(POOL), max_size=60),
    st.lists(st.sampled_from([*_RUNS, *FAKES.values()]), max_size=3).map(
        lambda runs: [line for run in runs for line in run]
    ),
).map(prints.encoded)


def in_blocks(data: bytes, cuts: Sequence[int]) -> tuple[list[f.Fact], ScannerState]:
    """Scan block by block; save and reload the state between two blocks."""
    state, facts = ScannerState(), []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in pairwise(edges):
        scan = SCANNER.scan(state, data[begin:end])
        facts.extend(scan.facts)
        state = msgspec.json.decode(msgspec.json.encode(scan.state), type=ScannerState)
        assert state == scan.state
    last = SCANNER.finish(state)
    return [*facts, *last.facts], last.state


def whole(data: bytes) -> tuple[list[f.Fact], ScannerState]:
    return in_blocks(data, ())


@settings(max_examples=150, deadline=None)
@given(data=documents, cuts=st.lists(st.integers(min_value=0, max_value=1 << 20), max_size=12))
def test_how_the_bytes_are_cut_changes_nothing(data: bytes, cuts: list[int]) -> None:
    facts, state = whole(data)

    assert in_blocks(data, cuts) == (facts, state)
    assert state.offset == len(data)
    assert len(facts) == len({fact.offset for fact in facts})
    assert all(0 <= fact.offset < len(data) for fact in facts)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "run", [*_RUNS, POOL], ids=["wrapped", "failing", "coloured", "misread", "everything"]
)
def test_a_log_read_byte_by_byte_has_the_same_facts(run: list[str]) -> None:
    data = prints.encoded(run)

    assert in_blocks(data, range(1, len(data))) == whole(data)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=80), st.sampled_from([line.encode() for line in POOL])), max_size=30
    ),
    st.integers(0, 4000),
)
def test_any_bytes_are_read_without_an_exception(lines: list[bytes], cut: int) -> None:
    data = b"\n".join(lines)
    facts, _ = whole(data)

    assert in_blocks(data, [cut])[0] == facts
    assert len(facts) == len({fact.offset for fact in facts})


@settings(max_examples=60, deadline=None)
@given(documents, st.integers(0, 1 << 20))
def test_a_log_cut_anywhere_reports_nothing_that_the_complete_log_does_not(data: bytes, end: int) -> None:
    data = prints.encoded(_RUNS[0]) + data
    cut = data[: end % (len(data) + 1)]
    scan = SCANNER.scan(ScannerState(), cut)

    assert tuple(SCANNER.scan(ScannerState(), data).facts)[: len(scan.facts)] == scan.facts


@pytest.mark.parametrize("size", [LINE_BYTES_MAX - 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 3 * LINE_BYTES_MAX])
@pytest.mark.parametrize("start", [b"  Running:  ", b"--ci-build-id ", b"", b"\x1b[90m"])
def test_a_long_line_is_cut_alike_however_it_arrives(size: int, start: bytes) -> None:
    line = (start + b"x" * size)[:size]
    data = line + b"\n" + prints.encoded(_RUNS[0])
    facts = whole(data)

    for cut in (size - 1, size, size + 1, LINE_BYTES_MAX, LINE_BYTES_MAX - 1):
        assert in_blocks(data, [cut]) == facts
    assert in_blocks(data, range(0, len(data), 1000)) == facts
    assert sum(isinstance(fact, f.TotalsReported) for fact in facts[0]) == 1


def test_the_state_stays_small_whatever_is_read() -> None:
    state = ScannerState()
    for lines in (
        POOL * 3,
        [prints.running(f"{at}.cy.ts", at, 999)[2] for at in range(1, 500)],
        ["x" * 200_000],
    ):
        scan = SCANNER.scan(state, prints.encoded(lines) + b"y" * 100_000)
        state = scan.state
        assert len(msgspec.json.encode(state)) < 2 * LINE_BYTES_MAX


EVIL = {
    "colour codes": b"\x1b[90m" * 200_000,
    "a running line of colour codes": b"  Running:  " + b"\x1b[90m" * 200_000,
    "brackets": b"  Running:  " + b"(" * 1_000_000,
    "blanks": b" " * 1_000_000,
    "digits": b"1" * 1_000_000,
    "half characters": b"\xe2" * 1_000_000,
    "carriage returns": b"\r" * 1_000_000,
    "labels": b"--ci-build-id " * 70_000,
}


@pytest.mark.parametrize("line", EVIL.values(), ids=EVIL)
def test_a_line_of_a_megabyte_takes_no_time(line: bytes) -> None:
    data = b"\n".join([b"", line, b""])
    begin = time.process_time()
    SCANNER.scan(ScannerState(), data)

    assert time.process_time() - begin < 0.1


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "line",
    [
        b"x --ci-build-id",
        b"  \xe2\x94\x82 " + b" " * 1000,
        b"  1) a",
        b"  (Results)",
        b"    (Attempt 1 of 2) a",
        b"  Running:  a (1 of 1)",
    ],
)
def test_a_megabyte_of_one_line_takes_linear_time(line: bytes) -> None:
    data = (line + b"\n") * (1_000_000 // (len(line) + 1))
    begin = time.process_time()
    SCANNER.scan(ScannerState(child="open"), data)

    assert time.process_time() - begin < 5
