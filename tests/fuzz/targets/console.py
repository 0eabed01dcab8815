"""The console scanner, and the fold of the facts that it finds.

Input: one byte of choices, two bytes for each place where the log is cut (as a fraction of its length), the log.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from atvm_pipeline.cli.fact_lines import describe_fact
from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.lines import LINE_BYTES_MAX
from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import ClockTicked, LogRead, RunnerExited, RunRequested, WatcherStarted
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.reducer import begin_run, phase_of, reduce
from atvm_pipeline.core.state import Run
from tests.fuzz import checks, seeding

MAX_LEN = 80 * 1024
"""Longer than the longest line that is read."""
SEED_BYTES = 16 * 1024
SHORT_RUNS = 400
WORDS = (
    *(
        b"  (Run Starting)\n",
        b"  (Run Finished)\n",
        b"  (Results)\n",
        b"  Running:  ",
        b"(1 of 2)",
        b"(2 of 2)\n",
    ),
    *(
        b"  Recorded Run: ",
        b"All specs passed!",
        b"1 of 1 failed (100%)",
        b"The run was canceled",
        b"  (Screenshots)",
    ),
    *(b"SKIPPED", b"XX:XX", b"00:01", b"62ms", b"Tests:", b"Passing:", b"Failing:", b"Pending:", b"Skipped:"),
    *(
        b"Spec Ran:",
        b"Duration:",
        b"Cypress:",
        b"Browser:",
        b"Specs:",
        b"Searched:",
        b"Params:",
        b"Group: ",
        b"Tag: ",
    ),
    *(
        b"Parallel: true",
        b"1 found (",
        b"Run URL:",
        b"  1 failing",
        b"  1 passing",
        b"  1) Suite",
        b"(Attempt 1 of 2)",
    ),
    *(
        b"--ci-build-id ",
        b'--ci-build-id="',
        b"Discovered 2 spec files",
        b"  Cloud Run Finished",
        b"; Batch Size: 1",
    ),
    *(
        b"Can't run because no spec files were found.",
        b"We detected that the Electron Renderer process just crashed.",
    ),
    *(
        b"We encountered an unexpected error talking to our servers.",
        b"We will retry 3 more times in 30 seconds...",
    ),
    *("─┌┐└┘├┤│✔✖√×✓".encode()[at : at + 3] for at in range(0, 30, 3)),
    *(
        b"\x1b[0m",
        b"\x1b[39m\x1b[90m",
        b"\x1b[",
        b"\r\n",
        b"\xce\x93\xc3\xb6\xc3\x87",
        b"\xff",
        b"\0",
        b"\n\n",
        b".cy.ts",
    ),
)
AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
STATE_BYTES_MAX = 64 * 1024
"""Maximum of an encoded state without its tail: a name of 64 pieces, a box, eight specs that were left behind."""
REQUEST = RunRequested(
    seq=1,
    at=AT,
    build_name="e2e-redhat9.6-fc",
    run_id="r1",
    requested_hosts=("redhat9.6",),
    log_path="runner.log",
)
SCANNERS = (Scanner(Dialect()), Scanner(Dialect(label="build (?P<label>[a-z0-9.]+)", progress="^ *[0-9]+ %")))
OF_THE_LOG = (f.FormLearnt, f.WordsUnread)
"""Facts about the log as a unit, with one of its lines as an example."""
SUMMARY = (f.RunFinished, f.SpecSummarised, f.TotalsReported, f.RunRecorded)
"""Facts from a child's summary. Any of its lines may be lost, but not all of them."""
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ScannerState)


def target(data: bytes) -> None:
    """Cuts and reloads change nothing; facts are in order within the log; there is no pass that was not printed."""
    choices, cuts, log = split(data)
    scanner = SCANNERS[choices >> 5 & 1]
    whole, end = scan(scanner, log, ())
    pieces, again = scan(scanner, log, cuts)
    facts = [fact for block in whole for fact in block]
    assert [fact for block in pieces for fact in block] == facts
    assert again == end
    assert all(0 <= fact.offset < len(log) for fact in facts)
    places_differ(facts)
    for fact in facts:
        checks.harmless(describe_fact(fact), 5000)
    fold(facts, pieces, len(log), choices)


def places_differ(facts: list[f.Fact]) -> None:
    """No line leads to two facts. Only a fact about the complete log may point to the line of another fact."""
    own = [fact.offset for fact in facts if not isinstance(fact, OF_THE_LOG)]
    assert len(set(own)) == len(own)
    told = [(type(fact), fact.offset) for fact in facts]
    assert len(set(told)) == len(told)


def split(data: bytes) -> tuple[int, list[int], bytes]:
    """Return the choices, the places of the cuts in order, and the log."""
    choices = data[0] if data else 0
    count = choices & 7
    log = data[1 + 2 * count :]
    places = [int.from_bytes(data[1 + 2 * at : 3 + 2 * at], "big") for at in range(count)]
    return choices, sorted(place * (len(log) + 1) // 65536 for place in places), log


def scan(
    scanner: Scanner, log: bytes, cuts: tuple[int, ...] | list[int]
) -> tuple[list[tuple[f.Fact, ...]], ScannerState]:
    """Return the facts block by block, and the state at the end; it is saved and loaded at every cut."""
    state, found = ScannerState(), []
    for start, stop in pairwise((0, *cuts, len(log))):
        read = scanner.scan(state, log[start:stop])
        found.append(read.facts)
        state = _DECODER.decode(_ENCODER.encode(read.state))
        assert state == read.state
        assert len(state.tail) < LINE_BYTES_MAX
        assert len(_ENCODER.encode(msgspec.structs.replace(state, tail=b""))) <= STATE_BYTES_MAX
    read = scanner.finish(state)
    found.append(read.facts)
    return found, read.state


def fold(facts: list[f.Fact], blocks: list[tuple[f.Fact, ...]], size: int, choices: int) -> None:
    """Fold these facts into a run, with a runner that ended well or not, as chosen, and check the run."""
    run: Run = begin_run(msgspec.structs.replace(REQUEST, categorized=bool(choices & 16))).run
    events = [WatcherStarted(at=AT, pid=1)]
    for number, block in enumerate(blocks, 1):
        end = size * number // len(blocks)
        events.append(
            LogRead(
                at=AT, end=end, facts=block, scanner=ScannerState(offset=end), final=number == len(blocks)
            )
        )
    code = int(bool(choices & 8))
    events += [RunnerExited(at=AT, exit_code=code), ClockTicked(at=AT, watched_s=1000.0)]
    for event in events:
        run = reduce(run, msgspec.structs.replace(event, seq=run.seq + 1)).run
    checks.run(run)
    phase = phase_of(run)
    assert phase not in (Phase.PENDING, Phase.RUNNING)
    if phase is Phase.COMPLETED:
        assert code == 0
        passed = [
            fact
            for fact in facts
            if isinstance(fact, f.SpecReported | f.SpecSummarised) and fact.counts.passing
        ]
        assert any("redhat9.6" in fact.spec for fact in passed)
        assert any(isinstance(fact, SUMMARY) for fact in facts)


def seeds() -> Iterator[bytes]:
    """Yield every log of our fixtures, cut to a maximum size, with four sets of choices in turn."""
    for number, log in enumerate(seeding.logs()):
        header = (b"\0", b"\x03\x00\x40\x01\x00\x02\x00", b"\x12\x00\x99\x03\x33", b"\x29\x01\x07")[
            number % 4
        ]
        yield header + log[:SEED_BYTES]
    for line in (b"x" * (LINE_BYTES_MAX + 99), b"  Running:  " + b"x" * (LINE_BYTES_MAX + 99)):
        yield b"\x02\xff\xe0\x00\x07" + line + b"\n  (Run Starting)\n"
