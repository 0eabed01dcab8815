"""Small runs, each described as outside events with their seconds.

Together they produce every phase and every reason code.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from atvm_pipeline.core.events import Settings
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit.report import FailedCase, Report, ReportedSpec
from tests.core.verdict.test_early_ends import ENDS
from tests.support import cypress_output as prints
from tests.support.journal_player import xml_of
from tests.support.project import TWO_HOSTS_BUILD as BUILD

from .outside import Outside
from .world import OUTSIDE, RUNNER

FIRST, SECOND, STRANGER = "redhat9.6.cy.ts", "ubuntu24.04.cy.ts", "w2k25.cy.ts"
REPORTS = ("whole", "late", "torn", "replaced")
"""How a report comes."""
LIMITS: dict[str, Any] = {
    "settle_s": 0.5,
    "quiet_limit_s": 30.0,
    "stall_limit_s": 60.0,
    "start_limit_s": 20.0,
}

WITH_ALERTS = msgspec.convert({**LIMITS, "alerts": True}, Settings)

Do = Callable[[Outside], None]


class Step(NamedTuple):
    """An event outside of the watcher."""

    at_s: float
    do: Do
    owner: str = RUNNER


class Story(NamedTuple):
    """One run."""

    ending: tuple[str, str]
    """Phase and reason code of the undisturbed run."""
    steps: tuple[Step, ...]
    reports: tuple[tuple[float, str, bool], ...] = ()
    """(second, spec, passed)"""
    categorized: bool = False
    build: str = BUILD
    settings: Settings = msgspec.convert(LIMITS, Settings)


def report_of(spec: str, *, passed: bool) -> bytes:
    counts = Counts(tests=1, passing=int(passed), failing=int(not passed))
    failed = () if passed else (FailedCase(title="works", error="boom"),)
    reported = ReportedSpec(spec=f"cypress/e2e/{spec}", counts=counts, failed=failed, duration_s=3.0)
    return xml_of(Report(specs=(reported,)))


def _log(lines: Sequence[str]) -> Do:
    return lambda outside: outside.log(lines)


def _exit(code: int | None, **more: Any) -> Do:
    return lambda outside: outside.exit(code, **more)


def _begun(at_s: float = 1.0) -> tuple[Step, ...]:
    return (
        Step(0.5, Outside.start_runner),
        Step(at_s, Outside.start_cypress),
    )


def _spec(spec: str, position: int, total: int, *, passed: bool = True) -> list[str]:
    if passed:
        return prints.whole_spec(spec, position, total)
    failure = ("A suite", "works", "AssertionError: boom")
    return [
        *prints.running(spec, position, total),
        *prints.epilogue(0, [failure]),
        *prints.results(spec, 0, 1),
    ]


def _table(*specs: tuple[str, bool]) -> list[str]:
    failed = sum(not passed for _, passed in specs)
    rows = [
        prints.row(spec, (1, int(passed), int(not passed), 0, 0), "✔" if passed else "✖")
        for spec, passed in specs
    ]
    verdict = (
        f"{failed} of {len(specs)} failed ({100 * failed // len(specs)}%)" if failed else "All specs passed!"
    )
    totals = (len(specs), len(specs) - failed, failed, 0, 0)
    return prints.finished(rows, verdict, totals, "✖" if failed else "✔")


def _whole(
    *specs: tuple[str, bool],
    exit_: Do | None = None,
    ending: tuple[str, str] = ("COMPLETED", "all-passed"),
    table: Sequence[str] | None = None,
    **more: Any,
) -> Story:
    """Return one Cypress process that runs its specs to the end; `table` replaces their table in the log."""
    steps = [*_begun(), Step(1.2, _log(prints.starting(*(spec for spec, _ in specs))))]
    reports = []
    for number, (spec, passed) in enumerate(specs, 1):
        steps.append(Step(number + 1.0, _log(_spec(spec, number, len(specs), passed=passed))))
        reports.append((number + 0.9, spec, passed))
    end_s = len(specs) + 2.0
    code = sum(not passed for _, passed in specs)
    steps += [Step(end_s, _log(table or _table(*specs))), Step(end_s + 0.2, exit_ or _exit(code))]
    return Story(ending, tuple(steps), tuple(reports), **more)


def _printed(code: str, lines: Sequence[str]) -> Story:
    """Return a Cypress process that logs the reason of its end."""
    steps = (*_begun(), Step(1.5, _log(["run-sorry-cypress: starting", *lines])), Step(2.0, _exit(1)))
    return Story(("FAILED", code), steps)


def _groups(last: Sequence[Step], ending: tuple[str, str], **more: Any) -> Story:
    """Return a categorized run with a green group and a second one that `last` describes."""
    return Story(
        ending,
        (
            *_begun(),
            Step(1.1, _log(["+ npx cypress run --ci-build-id e2e-redhat9.6-fc", *prints.starting(FIRST)])),
            Step(2.0, _log(_spec(FIRST, 1, 1))),
            Step(2.2, _log(_table((FIRST, True)))),
            Step(2.3, Outside.end_cypress),
            Step(4.0, Outside.start_cypress),
            Step(4.1, _log(["+ npx cypress run --ci-build-id e2e-ubuntu24.04-fc", *prints.starting(SECOND)])),
            *last,
        ),
        ((1.9, FIRST, True),),
        categorized=True,
        **{"settings": WITH_ALERTS, **more},
    )


def _second(*, passed: bool) -> tuple[Step, ...]:
    return (
        Step(5.0, _log(_spec(SECOND, 1, 1, passed=passed))),
        Step(5.2, _log(_table((SECOND, passed)))),
        Step(5.4, _exit(int(not passed))),
    )


def _nothing(outside: Outside) -> None:
    del outside


BOTH = ((FIRST, True), (SECOND, True))
RUNS_ON = Step(5.0, _log(prints.running(SECOND, 1, 1)))
CRASHED = [
    *prints.starting(FIRST, SECOND),
    *prints.whole_spec(FIRST, 1, 2),
    *prints.running(SECOND, 2, 2),
    "",
    "We detected that the Electron Renderer process just crashed.",
    "",
    *prints.results(SECOND, 0, 1),
    *prints.finished(
        [prints.row(FIRST, (1, 1, 0, 0, 0)), prints.row(SECOND, (0, 0, 1, 0, 0), "✖")],
        "1 of 2 failed (50%)",
        (1, 1, 1, 0, 0),
        "✖",
    ),
]
GREEN_ROWS = [prints.row(spec, (1, 1, 0, 0, 0)) for spec, _ in BOTH]
TOO_MANY = prints.finished(GREEN_ROWS, "All specs passed!", (3, 3, 0, 0, 0))
"""A table whose totals row counts one spec more than there are rows and boxes."""
FAILS_BEHIND = [*_table(*BOTH), *prints.results(STRANGER, 0, 1)]
"""A green table, followed by the failing box of a spec that this run does not have."""
EMPTY = [*prints.starting(FIRST, SECOND), "=" * 100, "", "  (Run Finished)", "", ""]


def _tiny() -> Story:
    """Return one spec, all of the log at once."""
    lines = [*prints.starting(FIRST), *_spec(FIRST, 1, 1), *_table((FIRST, True))]
    steps = (*_begun(), Step(1.5, _log(lines)), Step(2.0, _exit(0)))
    return Story(("COMPLETED", "all-passed"), steps, ((1.4, FIRST, True),), build="e2e-redhat9.6-fc")


def _tiny_groups() -> Story:
    """Return two groups, each written at once; the second fails, and then the runner exits with 1."""
    steps = [*_begun()]
    for number, (spec, passed) in enumerate(((FIRST, True), (SECOND, False))):
        label = spec.removesuffix(".cy.ts")
        lines = [
            f"+ npx cypress run --ci-build-id e2e-{label}-fc",
            *prints.starting(spec),
            *_spec(spec, 1, 1, passed=passed),
            *_table((spec, passed)),
        ]
        steps.append(Step(1.5 + number, _log(lines)))
    steps.append(Step(3.5, _exit(1)))
    return Story(("FAILED", "tests-failed"), tuple(steps), categorized=True)


def _mixed() -> Story:
    """Another Cypress run writes all of its log between the two specs of this one; both are green.

    There is no report. A guess would decide which of two mixed runs it belongs to, by the time at which the
    watcher saw them start.
    """
    steps = (
        *_begun(),
        Step(1.2, _log([*prints.starting(FIRST, SECOND), *_spec(FIRST, 1, 2)])),
        Step(2.0, _log(prints.whole_run(STRANGER))),
        Step(3.0, _log([*_spec(SECOND, 2, 2), *_table(*BOTH)])),
        Step(3.2, _exit(0)),
    )
    return Story(("FAILED", "log-mixed"), steps)


def _proves_nothing(code: str, lines: Sequence[str]) -> Story:
    """Both reports are green, but no line of a Cypress run can be read; the planned specs are not known."""
    steps = (*_begun(), Step(1.5, _log(lines)), Step(3.5, _exit(0)))
    return Story(("UNKNOWN", code), steps, ((2.0, FIRST, True), (3.0, SECOND, True)))


STORIES: dict[str, Story] = {
    "tiny": _tiny(),
    "tiny-groups": _tiny_groups(),
    "passed": _whole(*BOTH),
    "failed": _whole((FIRST, True), (SECOND, False), ending=("FAILED", "tests-failed")),
    "groups-passed": _groups(_second(passed=True), ("COMPLETED", "all-passed")),
    "groups-failed": _groups(_second(passed=False), ("FAILED", "tests-failed")),
    "runner-failed": _whole(*BOTH, exit_=_exit(3), ending=("FAILED", "runner-failed")),
    "groups-runner-failed": _groups(
        (*_second(passed=True)[:-1], Step(8.0, _exit(3))), ("FAILED", "runner-failed")
    ),
    "host-pending": _whole((FIRST, True), ending=("FAILED", "host-pending")),
    "wrong-hosts": _whole((STRANGER, True), ending=("FAILED", "wrong-hosts")),
    "nothing-ran": Story(
        ("FAILED", "nothing-ran"), (*_begun(), Step(1.5, _log(EMPTY)), Step(13.0, _exit(0)))
    ),
    "results-missing": Story(
        ("FAILED", "results-missing"),
        (
            *_begun(),
            Step(1.5, _log([*prints.starting(FIRST, SECOND), *_spec(FIRST, 1, 2), *_table((FIRST, True))])),
            Step(2.0, _exit(0)),
        ),
    ),
    "totals-contradict": _whole(*BOTH, table=TOO_MANY, ending=("FAILED", "totals-contradict")),
    "failure-unattributed": _whole(*BOTH, table=FAILS_BEHIND, ending=("FAILED", "failure-unattributed")),
    "log-mixed": _mixed(),
    "no-summary": _proves_nothing("no-summary", [*prints.epilogue(), *prints.epilogue()]),
    "log-unreadable": _proves_nothing("log-unreadable", [" ".join(prints.whole_run(FIRST, SECOND))]),
    "spec-crashed": _printed("spec-crashed", CRASHED),
    "runner-not-started": Story(
        ("FAILED", "runner-not-started"),
        (Step(1.0, _exit(127, error="no such file")),),
    ),
    "cancelled": _groups((RUNS_ON, Step(6.0, Outside.cancel, OUTSIDE)), ("CANCELLED", "cancel-requested")),
    "killed": _groups(
        (RUNS_ON, Step(6.0, _exit(None, signal="SIGKILL"))), ("TERMINATED", "runner-signalled")
    ),
    "stopped": _groups((RUNS_ON, Step(6.0, Outside.stop_runner)), ("TERMINATED", "runner-stopped")),
    "out-of-memory": _groups(
        (RUNS_ON, Step(6.0, _exit(137, service_result="oom-kill"))), ("TERMINATED", "out-of-memory")
    ),
    "vanished": _groups((RUNS_ON, Step(6.0, Outside.kill)), ("TERMINATED", "runner-vanished")),
    "quiet": _groups((RUNS_ON, Step(12.0, Outside.lose_browser)), ("HUNG", "quiet-with-cause")),
    "stalled": _groups((RUNS_ON,), ("HUNG", "stalled")),
    "total-limit": _groups(
        (RUNS_ON,),
        ("HUNG", "total-limit"),
        settings=msgspec.convert({**LIMITS, "total_limit_s": 15.0, "alerts": True}, Settings),
    ),
    "no-evidence": Story(
        ("UNKNOWN", "no-evidence"),
        (Step(0.5, Outside.start_runner), Step(1.0, _log(["nothing of Cypress"])), Step(2.0, _exit(0))),
        build="nightly",
    ),
    "never-started": Story(("UNKNOWN", "runner-never-started"), (Step(1.0, _nothing),), settings=WITH_ALERTS),
    **{
        f"printed-{at:02d}-{code}": _printed(code, lines)
        for at, (code, lines) in enumerate(ENDS)
        if code not in [earlier for earlier, _ in ENDS[:at]]
    },
}
"""Name -> run."""
TINY = ("tiny", "tiny-groups")
SMALL = (*TINY, "passed", "groups-passed", "vanished")
"""The runs whose every point is tried; the tests do so with the tiny ones."""
