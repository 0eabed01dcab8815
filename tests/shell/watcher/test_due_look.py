"""Before a timeout decides anything, every source is scanned, and the findings of that scan still count."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.core.effects import PostMessage
from atvm_pipeline.core.events import (
    ArtifactWritten,
    DeliverySettled,
    Event,
    LogRead,
    RunnerStarted,
    RunRequested,
    Settings,
)
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit.report import Report, ReportedSpec
from atvm_pipeline.core.reducer import begin_run
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.store import Store
from atvm_pipeline.shell.watcher.loop import Loop

GREEN = Counts(tests=1, passing=1)
HOSTS = ("redhat9.6", "ubuntu24.04")


class Late:
    """A group that ends at once. Its two reports arrive during the settle time, and there are no hints for them."""

    def __init__(self) -> None:
        self.looks: list[str] = []
        self.written: datetime | None = None

    def gather(self, hinted: set[Path] | None) -> Iterator[Event]:
        self.looks.append("everywhere" if hinted is None else "hints")
        at = datetime.now(UTC)
        self.written = self.written or at
        if len(self.looks) == 1:
            yield RunnerStarted(at=at, pid=1, create_time=1.0)
            yield LogRead(at=at, end=900, facts=tuple(facts()), scanner=ScannerState(offset=900))
        elif hinted is None:
            for host in HOSTS:
                spec = ReportedSpec(spec=f"{host}.cy.ts", counts=GREEN)
                yield ArtifactWritten(
                    at=at,
                    path=f"cmcReporter/{host}.xml",
                    size=1,
                    mtime=self.written,
                    report=Report(specs=(spec,)),
                )


def facts() -> Iterator[f.Fact]:
    yield f.ChildStarted(offset=1)
    for number, host in enumerate(HOSTS, 1):
        yield f.SpecStarted(offset=100 * number, spec=f"{host}.cy.ts", position=number, total=2)
        yield f.SpecReported(offset=100 * number + 50, spec=f"{host}.cy.ts", counts=GREEN)
    yield f.RunFinished(offset=500)
    for number, host in enumerate(HOSTS, 1):
        yield f.SpecSummarised(offset=500 + number, spec=f"{host}.cy.ts", mark="passed", counts=GREEN)
    yield f.TotalsReported(offset=600, verdict="passed", total=2, counts=Counts(tests=2, passing=2))


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    paths = Paths(tmp_path, "e2e")
    paths.folder.mkdir()
    request = RunRequested(
        seq=1,
        at=datetime.now(UTC),
        build_name="e2e",
        run_id="r",
        categorized=True,
        settings=Settings(settle_s=0.2),
        requested_hosts=HOSTS,
        log_path="/l",
    )
    with Store(paths, 0) as store:
        store.append([request])
        yield Loop(begin_run(request).run, store, sent, on_save=lambda _snapshot: None)


def sent(effect: PostMessage, _deadline: object) -> DeliverySettled:
    return DeliverySettled(at=datetime.now(UTC), key=effect.key, attempt=effect.attempt, outcome="sent")


def judged(run: Run) -> bool:
    return any(subrun.result is not None for subrun in run.subruns)


def test_a_verdict_comes_only_after_a_scan_of_everything_and_counts_all_of_it(loop: Loop) -> None:
    """The first of the two reports, seen after the settle time, must not lead to the verdict without the second."""
    sources = Late()
    loop.follow(sources, on_ready=lambda: None, until=judged)
    [subrun] = loop.run.subruns
    assert subrun.result is not None

    assert sources.looks[-1] == "everywhere"
    assert {host.host: host.sources for host in subrun.result.hosts} == dict.fromkeys(HOSTS, ("log", "xml"))
