"""Runs of any length, as the events that a watcher feeds: for measuring `reduce` apart from the scanner."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from time import perf_counter

from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.core.events import ClockTicked, Event, LogRead, RunnerExited, RunRequested, Settings
from atvm_pipeline.core.reducer import begin_run, reduce

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
FACTS_PER_READ = 6
PASSED = f.Counts(tests=4, passing=4)
SCANNER = ScannerState()


def fold(subruns: int, specs: int) -> float:
    """Return the seconds that `reduce` takes for a run of this many sub-runs with this many specs each."""
    settings = Settings(post_phases=())
    run = begin_run(
        RunRequested(
            seq=1,
            at=AT,
            build_name=None,
            run_id="bench",
            log_path="runner.log",
            categorized=True,
            settings=settings,
        )
    ).run
    events = list(_events(subruns, specs))
    began = perf_counter()
    for event in events:
        run = reduce(run, replace(event, seq=run.seq + 1)).run
    took_s = perf_counter() - began
    if run.verdict is None or run.verdict.ledger.passed != subruns * specs:
        raise SystemExit(f"reduce did not make {subruns * specs} passed specs of it: {run.verdict}")
    return took_s


def _events(subruns: int, specs: int) -> Iterator[Event]:
    told = list(_facts(subruns, specs))
    for at in range(0, len(told), FACTS_PER_READ):
        facts = tuple(told[at : at + FACTS_PER_READ])
        yield LogRead(at=AT, watched_s=float(at), end=facts[-1].offset + 1, facts=facts, scanner=SCANNER)
    yield LogRead(at=AT, watched_s=float(len(told)), end=told[-1].offset + 1, scanner=SCANNER, final=True)
    yield RunnerExited(at=AT, watched_s=float(len(told)), exit_code=0)
    yield ClockTicked(at=AT, watched_s=float(len(told) + 60))


def _facts(subruns: int, specs: int) -> Iterator[f.Fact]:
    offsets = count(0, 100)
    for number in range(subruns):
        names = [f"group-{number}/redhat9.{spec}.cy.ts" for spec in range(specs)]
        yield f.ChildStarted(offset=next(offsets))
        yield f.ChildDescribed(offset=next(offsets), cypress="12.17.4", specs_found=specs)
        for position, name in enumerate(names, 1):
            yield f.SpecStarted(offset=next(offsets), spec=name, position=position, total=specs)
            yield f.SpecReported(offset=next(offsets), spec=name, counts=PASSED, duration_s=62.0)
        yield f.RunFinished(offset=next(offsets))
        for name in names:
            yield f.SpecSummarised(offset=next(offsets), spec=name, mark="passed", counts=PASSED)
        totals = f.Counts(tests=4 * specs, passing=4 * specs)
        yield f.TotalsReported(offset=next(offsets), verdict="passed", counts=totals)
