"""Evaluates a log, passed as lines, as `inspect` does: for tests of the result of a complete log."""

from collections.abc import Sequence

from msgspec.structs import replace

from atvm_pipeline.core.console.scanner import Scan, Scanner
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import ClockTicked, Event, LogRead, RunnerExited, RunRequested, Settings
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.snapshot import Snapshot, snapshot
from atvm_pipeline.core.state import Run
from tests.support import cypress_output as prints
from tests.support.run_builder import BEGIN

SCANNER = Scanner(Dialect())


def judged(
    lines: Sequence[str],
    *,
    categorize: bool = False,
    exit_code: int | None = 0,
    hosts: tuple[str, ...] = (),
    scanner: Scanner = SCANNER,
) -> Snapshot:
    """Return the state of a finished run with this log."""
    request = RunRequested(
        seq=1,
        at=BEGIN,
        build_name=f"e2e-{'-'.join(hosts)}-fc" if hosts else None,
        run_id="r1",
        categorized=categorize,
        settings=Settings(post_phases=()),
        requested_hosts=hosts,
        log_path="runner.log",
        offline=True,
    )
    run = begin_run(request).run
    scan = scanner.scan(run.log.scanner, prints.encoded(lines))
    run = _read(run, scan, final=False)
    run = _read(run, scanner.finish(scan.state), final=True)
    run = _feed(run, RunnerExited(at=BEGIN, exit_code=exit_code, assumed=exit_code is None))
    return snapshot(_feed(run, ClockTicked(at=BEGIN, watched_s=run.request.settings.settle_s)))


def _read(run: Run, scan: Scan, *, final: bool) -> Run:
    return _feed(
        run, LogRead(at=BEGIN, end=scan.state.offset, facts=scan.facts, scanner=scan.state, final=final)
    )


def _feed(run: Run, event: Event) -> Run:
    return reduce(run, replace(event, seq=run.seq + 1)).run
