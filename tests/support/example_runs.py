"""Fixed example runs for docs/status-template.md: facts in, the messages that the core requests out.

The runs go through `reduce` as in a watcher. Every delivery settles with the outcome that the example sets.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from atvm_pipeline.cli.message_preview import message_lines
from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.core.effects import PostMessage
from atvm_pipeline.core.events import (
    ClockTicked,
    DeliverySettled,
    Event,
    LogRead,
    LogReplaced,
    MessageSettings,
    Metadata,
    Process,
    ProcessesSeen,
    RunnerExited,
    RunnerStarted,
    RunRequested,
    Settings,
    WatcherStarted,
)
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.reducer import begin_run, reduce
from tests.support.project import BUILD

BEGIN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
INVENTORY = {
    "redhat9.6": "5.14.0-570.el9",
    "ubuntu24.04": "6.8.0-31-generic",
    "w2k22": "10.0.20348",
    "w2k25": "10.0.26100",
}
HOSTS = ("redhat9.6", "ubuntu24.04", "w2k25")
CHECK = ("check-xml-files.ts", Counts(tests=1, passing=1), 3.0)

SpecFacts = tuple[str, Counts, float]


class Play:
    """One run, event by event, and the messages that it requested."""

    def __init__(
        self, *, build: str = BUILD, hosts: tuple[str, ...] = HOSTS, categorized: bool = True
    ) -> None:
        """Request the run and start watcher and runner."""
        self.posts: list[PostMessage] = []
        self.uncertain_once = False
        self.generation = 0
        self._offset = 0
        request = RunRequested(
            seq=1,
            at=BEGIN,
            build_name=build,
            run_id="6f1d0c5b2a9e8374",
            categorized=categorized,
            metadata=Metadata(
                template="cmc-e2e",
                config_family="gold",
                config_file="cypress.atvm-config-gold.ts",
                migration_style="ATVM end-to-end migration validation",
                integration_plugin="pure with fc",
                scope_description="mixed Linux and Windows FC E2E validation on the gold datastore set",
            ),
            settings=Settings(alerts=True),
            messages=MessageSettings(link_hosts=("cypress.example.test",)),
            controller="atvm-ctl1",
            started_by="jdoe",
            requested_hosts=hosts,
            inventory=dict(INVENTORY),
            log_path=f"/var/lib/atvm-run-watcher/{build}/runner.log",
        )
        self._run = begin_run(request).run
        self.feed(WatcherStarted(at=BEGIN, pid=100, utc_offset_s=3600))
        self.feed(RunnerStarted(at=BEGIN, pid=200, create_time=1.0))

    def feed(self, event: Event, *, after_s: float = 1.0) -> None:
        """Apply one event `after_s` later, and settle the deliveries that it requests."""
        at = self._run.at + timedelta(seconds=after_s)
        watched_s = self._run.watched_s + after_s
        step = reduce(self._run, replace(event, seq=self._run.seq + 1, at=at, watched_s=watched_s))
        self._run = step.run
        for effect in step.effects:
            if isinstance(effect, PostMessage):
                self.posts.append(effect)
                outcome: Literal["sent", "uncertain"] = "uncertain" if self.uncertain_once else "sent"
                self.uncertain_once = False
                self.feed(
                    DeliverySettled(at=at, key=effect.key, attempt=effect.attempt, outcome=outcome),
                    after_s=0.0,
                )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.feed(ClockTicked(at=BEGIN), after_s=seconds)

    def log(
        self,
        *found: Callable[[int], f.Fact],
        after_s: float = 1.0,
        lines: int = 40,
        last: tuple[str, ...] = (),
    ) -> None:
        """Add facts of the log, each some lines after the previous one, and its `last` lines."""
        made = []
        for make in found:
            self._offset += 61 * lines
            made.append(make(self._offset))
        self._offset += 61
        state = ScannerState(offset=self._offset, last=self._lines(last))
        read = LogRead(
            at=BEGIN, generation=self.generation, end=self._offset, facts=tuple(made), scanner=state
        )
        self.feed(read, after_s=after_s)

    def _lines(self, texts: tuple[str, ...]) -> tuple[f.LastLine, ...]:
        """Place the lines, and move to their end."""
        placed = []
        for text in texts:
            end = self._offset + len(text) + 1
            placed.append(f.LastLine(offset=self._offset, end=end, text=text))
            self._offset = end
        return tuple(placed)

    def child(
        self,
        label: str,
        *specs: SpecFacts,
        failures: Mapping[str, tuple[tuple[str, str], ...]] | None = None,
        flaky: str | None = None,
    ) -> None:
        """Add one Cypress process, from its command line to its totals row."""
        names = tuple(name for name, _, _ in specs)
        self.log(
            _launched(label),
            lambda offset: f.ChildStarted(offset=offset),
            lambda offset: f.ChildDescribed(
                offset=offset, specs_found=len(specs), spec_names=names, group=label
            ),
        )
        for position, (name, counts, duration_s) in enumerate(specs, start=1):
            self.log(_started(name, position, len(specs)))
            told = [_failed(*failure) for failure in (failures or {}).get(name, ())]
            told += [_flaky(flaky)] if flaky is not None and position == 1 else []
            self.log(*told, _reported(name, counts, duration_s), after_s=duration_s)
        self.log(lambda offset: f.RunFinished(offset=offset), *_summary(specs))

    def end(self, exit_code: int = 0) -> None:
        """End the runner, and let the time for late reports pass."""
        self.feed(ProcessesSeen(at=BEGIN))
        self.feed(RunnerExited(at=BEGIN, exit_code=exit_code))
        self.wait(11)

    def bodies(self) -> Iterator[dict[str, Any]]:
        """Return the requested bodies, in order."""
        yield from (msgspec.json.decode(post.payload) for post in self.posts)


def _launched(label: str) -> Callable[[int], f.Fact]:
    return lambda offset: f.ChildLaunched(offset=offset, label=label)


def _started(name: str, position: int, total: int) -> Callable[[int], f.Fact]:
    return lambda offset: f.SpecStarted(offset=offset, spec=name, position=position, total=total)


def _failed(title: str, error: str) -> Callable[[int], f.Fact]:
    return lambda offset: f.TestFailed(offset=offset, title=title, error=error)


def _flaky(title: str) -> Callable[[int], f.Fact]:
    return lambda offset: f.TestFlaky(offset=offset, title=title)


def _reported(name: str, counts: Counts, duration_s: float) -> Callable[[int], f.Fact]:
    return lambda offset: f.SpecReported(offset=offset, spec=name, counts=counts, duration_s=duration_s)


def _row(name: str, counts: Counts, duration_s: float) -> Callable[[int], f.Fact]:
    mark = "failed" if counts.failing else "passed"
    return lambda offset: f.SpecSummarised(
        offset=offset, spec=name, mark=mark, counts=counts, duration_s=duration_s
    )


def _summary(specs: tuple[SpecFacts, ...]) -> list[Callable[[int], f.Fact]]:
    failed = sum(1 for _, counts, _ in specs if counts.failing)
    total = Counts(
        **{
            name: sum(getattr(counts, name) for _, counts, _ in specs)
            for name in ("tests", "passing", "failing", "pending", "skipped")
        }
    )

    def totals(offset: int) -> f.Fact:
        verdict = "failed" if failed else "passed"
        return f.TotalsReported(offset=offset, verdict=verdict, failed=failed, total=len(specs), counts=total)

    return [*(_row(*spec) for spec in specs), totals]


PASSED = Counts(tests=4, passing=4)
FAILED = Counts(tests=4, passing=3, failing=1)
CRASHED = Counts(failing=1)
WHOLE_BUILD = "e2e-redhat9.6-ubuntu24.04-fc"
RUN_URL = "https://cypress.example.test/run/4711"
FAILURE = (
    "cmc-e2e ubuntu24.04 > migrates the data volumes",
    "AssertionError: Timed out retrying after 120000ms: expected 'In Progress' to equal 'Complete'",
)
SESSION_FAILURE = (
    "cmc-e2e redhat9.6 > starts the session",
    (
        "CypressError: `cy.request()` failed on: https://cmc.example.test/api/v2/sessions?host=redhat9.6&transport=fc "
        "The response we received from your web server was: > 503: Service Unavailable, after 3 attempts in 90 seconds, "
        'with the body: {"error": "no free port", "code": 7}. The session was not started: license expired'
    ),
)


def completed() -> dict[str, Any]:
    """Return a run of one Cypress process in which every test passed."""
    play = Play(build=WHOLE_BUILD, hosts=("redhat9.6", "ubuntu24.04"), categorized=False)
    specs = (("redhat9.6.cy.ts", PASSED, 3725.0), ("ubuntu24.04.cy.ts", PASSED, 5401.0), CHECK)
    play.child(WHOLE_BUILD, *specs)
    play.log(lambda offset: f.RunRecorded(offset=offset, url=RUN_URL))
    play.end()
    return next(play.bodies())


def group() -> dict[str, Any]:
    """Return the second group of a categorized run, with one host to come and a test that passed after a retry."""
    play = Play()
    play.child("e2e-redhat9.6-fc", ("redhat9.6.cy.ts", PASSED, 3725.0), CHECK)
    play.wait(11)
    play.child("e2e-ubuntu24.04-fc", ("ubuntu24.04.cy.ts", PASSED, 5401.0), CHECK, flaky="takes a snapshot")
    play.wait(11)
    return list(play.bodies())[-1]


def failed() -> dict[str, Any]:
    """Return a run with failing tests on two hosts, one of them with a long error, and a flaky test."""
    play = Play(build=WHOLE_BUILD, hosts=("redhat9.6", "ubuntu24.04"), categorized=False)
    specs = (("redhat9.6.cy.ts", FAILED, 3725.0), ("ubuntu24.04.cy.ts", FAILED, 5401.0), CHECK)
    failures = {"redhat9.6.cy.ts": (SESSION_FAILURE,), "ubuntu24.04.cy.ts": (FAILURE,)}
    play.child(WHOLE_BUILD, *specs, failures=failures, flaky="cuts over")
    play.end(2)
    return next(play.bodies())


def crashed() -> dict[str, Any]:
    """Return a group whose browser crashed during a spec."""
    play = Play()
    play.log(
        _launched("e2e-ubuntu24.04-fc"),
        lambda offset: f.ChildStarted(offset=offset),
        lambda offset: f.ChildDescribed(offset=offset, specs_found=2),
        _started("ubuntu24.04.cy.ts", 1, 2),
    )
    play.log(
        lambda offset: f.ErrorReported(
            offset=offset,
            code="spec-crashed",
            scope="spec",
            text="We detected that the Electron Renderer process just crashed.",
        ),
        _reported("ubuntu24.04.cy.ts", CRASHED, 2710.0),
        after_s=2710.0,
    )
    play.log(_started(CHECK[0], 2, 2), _reported(*CHECK), after_s=3.0)
    rows = (("ubuntu24.04.cy.ts", CRASHED, 2710.0), CHECK)
    play.log(lambda offset: f.RunFinished(offset=offset), *_summary(rows))
    play.wait(11)
    return next(play.bodies())


def not_run() -> dict[str, Any]:
    """Return a run that ended before the spec of its second host."""
    play = Play(build=WHOLE_BUILD, hosts=("redhat9.6", "ubuntu24.04", "w2k25"), categorized=False)
    play.child(WHOLE_BUILD, ("redhat9.6.cy.ts", PASSED, 3725.0), CHECK)
    play.end()
    return next(play.bodies())


def wrong_hosts() -> dict[str, Any]:
    """Return a group that ran the spec of a host that was not requested, because the config was not rewritten."""
    play = Play()
    play.child("e2e-redhat9.6-fc", ("w2k22.cy.ts", PASSED, 2710.0), CHECK)
    play.wait(11)
    return next(body for body in play.bodies() if "attachments" in body)


def runner_failed() -> dict[str, Any]:
    """Return a run whose runner failed before it started Cypress."""
    play = Play(build=WHOLE_BUILD, hosts=(), categorized=False)
    play.log(
        last=(
            "Traceback (most recent call last):",
            'File "/root/cdc-e2e-cyp-12.17.4/run-sorry-cypress.py", line 12, in <module>',
            "ModuleNotFoundError: No module named 'requests'",
        )
    )
    play.end(1)
    return next(play.bodies())


def many_failures() -> dict[str, Any]:
    """Return a group with 256 failing tests, of which the log names the first fifty."""
    play = Play()
    failures = tuple(
        (f"block {number:03d} is identical after the cutover", "Error: checksum mismatch")
        for number in range(1, 51)
    )
    specs = (("ubuntu24.04.cy.ts", Counts(tests=256, failing=256), 14700.0), CHECK)
    play.child("e2e-ubuntu24.04-fc", *specs, failures={"ubuntu24.04.cy.ts": failures})
    play.wait(11)
    return next(play.bodies())


def quiet() -> dict[str, Any]:
    """Return a run whose log has no summary (`cypress run --quiet`) and whose runner failed."""
    play = Play(build=WHOLE_BUILD, hosts=("redhat9.6",), categorized=False)
    play.log(lambda offset: f.EpilogueRead(offset=offset, passing=4), last=("npm ERR! code ELIFECYCLE",))
    play.end(3)
    return next(play.bodies())


def label_mismatch() -> dict[str, Any]:
    """Return a group whose label names a host that did not run."""
    play = Play()
    play.child("e2e-w2k22-fc", ("w2k25.cy.ts", PASSED, 2710.0), CHECK)
    play.wait(11)
    return next(body for body in play.bodies() if "attachments" in body)


def log_gap() -> dict[str, Any]:
    """Return a group with a log that was cut in its middle: lines are lost, and the message reports it."""
    play = Play()
    play.log(_launched("e2e-redhat9.6-fc"))
    play.feed(LogReplaced(at=BEGIN, generation=1, why="truncated", begin=2501))
    play.generation = 1
    play.child("e2e-redhat9.6-fc", ("redhat9.6.cy.ts", PASSED, 3725.0), CHECK)
    play.wait(11)
    return next(body for body in play.bodies() if "attachments" in body)


def closing() -> dict[str, Any]:
    """Return a run whose third group never ran."""
    play = Play()
    for host in ("redhat9.6", "ubuntu24.04"):
        play.child(f"e2e-{host}-fc", (f"{host}.cy.ts", PASSED, 3725.0), CHECK)
        play.wait(11)
    play.end(0)
    return list(play.bodies())[-1]


def alert() -> dict[str, Any]:
    """Return a run whose browser is gone while Cypress waits for it."""
    play = Play()
    play.log(
        lambda offset: f.ChildStarted(offset=offset),
        lambda offset: f.ChildDescribed(offset=offset, specs_found=2),
        _started("ubuntu24.04.cy.ts", 1, 2),
    )
    cypress = Process(pid=300, create_time=2.0, name="Cypress", role="cypress", state="S")
    browser = Process(pid=301, create_time=3.0, name="electron", role="browser", state="S")
    play.feed(ProcessesSeen(at=BEGIN, processes=(cypress, browser)))
    play.feed(ProcessesSeen(at=BEGIN, processes=(cypress,)))
    play.wait(3601)
    return next(play.bodies())


def possible_duplicate() -> dict[str, Any]:
    """Return the repeat of a message that may or may not have arrived."""
    play = Play()
    play.uncertain_once = True
    play.child("e2e-redhat9.6-fc", ("redhat9.6.cy.ts", PASSED, 3725.0), CHECK)
    play.wait(11)
    play.wait(31)
    return list(play.bodies())[-1]


EXAMPLES: dict[str, Callable[[], dict[str, Any]]] = {
    "completed": completed,
    "group": group,
    "failed": failed,
    "crashed": crashed,
    "not-run": not_run,
    "wrong-hosts": wrong_hosts,
    "runner-failed": runner_failed,
    "many-failures": many_failures,
    "quiet": quiet,
    "label-mismatch": label_mismatch,
    "log-gap": log_gap,
    "closing": closing,
    "possible-duplicate": possible_duplicate,
    "alert": alert,
}
"""Name in docs/status-template.md -> body of the post, without the channel."""

PHONE_WIDTH = 40


def shown(body: dict[str, Any]) -> str:
    """Return a body as the screen of a phone shows it."""
    return "\n".join(message_lines(body, PHONE_WIDTH))
