"""How the tests of a spec differ from earlier runs, through the fold: exact words, series and their starts."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.case_list import Case, case_key, packed
from atvm_pipeline.core.events import ArtifactWritten, BaselineRead
from atvm_pipeline.core.history import changes
from atvm_pipeline.core.history.baseline import EarlierSpec, EarlierTest, History, KnownIssue
from atvm_pipeline.core.junit.report import Report, ReportedSpec
from atvm_pipeline.core.results import SpecResult, TestChange as Change
from tests.support.run_builder import Story, counts

SPEC = "redhat9.6.cy.ts"
EARLIER = datetime(2026, 11, 20, tzinfo=UTC)


def earlier(result: str, title: str = "s > b", **more: Any) -> EarlierTest:
    return EarlierTest(case=case_key(title), title=title, result=result, since=EARLIER, **more)  # type: ignore[arg-type]


def history(
    *tests: EarlierTest, passed: str = "", issues: tuple[KnownIssue, ...] = (), **more: Any
) -> History:
    spec = EarlierSpec(
        spec=SPEC, host="redhat9.6", run_id="r0", at=EARLIER, runs=5, tests=tests, passed=case_key(passed)
    )
    return History(scenario="e2e/-/fc", runs=5, specs=(spec,), issues=issues, **more)


def result(
    known: History | None,
    *,
    failing: tuple[str, ...] = (),
    flaky: tuple[str, ...] = (),
    cases: dict[str, str] | None = None,
    spec: str = SPEC,
    **report: Any,
) -> SpecResult:
    """Return the spec of a run in which tests fail or are flaky; `cases` are those of its report."""
    story = Story(hosts=("redhat9.6",))
    if known is not None:
        story.feed(BaselineRead(at=story.at, history=known))
    story.started().begin_child(1)
    found = counts(3, len(failing))
    story.log(
        f.SpecStarted(offset=0, spec=spec, position=1, total=1),
        *(f.TestFlaky(offset=0, title=title) for title in flaky),
        *(f.TestFailed(offset=0, title=title, error="boom 5") for title in failing),
        f.SpecReported(offset=0, spec=spec, counts=found),
    )
    if cases is not None:
        listed = packed(Case(case_key(title), word) for title, word in cases.items())  # type: ignore[arg-type]
        reported = ReportedSpec(spec=f"cypress/e2e/{spec}", counts=found, cases=listed, **report)
        story.feed(
            ArtifactWritten(
                at=story.at,
                path="cmcReporter/x.xml",
                size=1,
                mtime=story.at,
                report=Report(specs=(reported,)),
            )
        )
    (only,) = story.summary((spec, found)).tick(11).view.subruns[0].specs
    return only


@pytest.mark.parametrize(
    ("known", "change", "runs"),
    [
        (None, None, None),
        (History(scenario="s"), None, None),
        (History(scenario="s", runs=2), "first-seen", None),
        (history(), "first-seen", None),
        (history(passed="s > b"), "new", None),
        (history(earlier("flaky")), "new", None),
        (history(earlier("pending")), "new", None),
        (history(earlier("failed", runs=3)), "still-failing", 4),
        (history(earlier("failed", title="s > renamed")), "first-seen", None),
    ],
    ids=[
        "no history",
        "no earlier run",
        "no result of the spec",
        "no such test",
        "it passed",
        "it was flaky",
        "it was pending",
        "it failed",
        "it had another name",
    ],
)
def test_a_failing_test_is_compared_with_the_last_result_of_its_spec(
    known: History | None, change: str | None, runs: int | None
) -> None:
    (test,) = result(known, failing=("s > b",)).failures

    assert (test.change, test.failing_runs) == (change, runs)
    assert test.failing_since == (EARLIER if runs else None)
    assert test.known is None


def test_a_spec_in_another_directory_is_another_spec() -> None:
    found = result(history(earlier("failed")), failing=("s > b",), spec=f"moved/{SPEC}")

    assert [test.change for test in found.failures] == ["first-seen"]


@pytest.mark.parametrize(("expired", "change"), [(False, "known"), (True, "new")])
def test_a_known_issue_is_named_and_counts_as_new_once_it_has_expired(*, expired: bool, change: str) -> None:
    issue = KnownIssue(ref="MIG-1", until=date(2026, 12, 31), signature="boom *", owner="qa", expired=expired)
    (test,) = result(history(earlier("failed"), issues=(issue,)), failing=("s > b",)).failures

    assert test.change == change
    assert test.failing_runs == 2
    assert test.known is not None
    assert (test.known.ref, test.known.until, test.known.expired) == ("MIG-1", "2026-12-31", expired)


def test_only_the_test_that_an_issue_fits_is_known() -> None:
    issue = KnownIssue(ref="MIG-1", until=date(2026, 12, 31), title="s > b")
    found = result(history(issues=(issue,)), failing=("s > b", "s > c"))

    assert [test.change for test in found.failures] == ["known", "first-seen"]


def test_a_test_that_passes_again_is_fixed_and_one_that_vanished_is_gone() -> None:
    known = history(earlier("failed", runs=2), earlier("failed", title="s > c", runs=3))
    found = result(known, cases={"s b": "passed", "s d": "passed"})

    assert found.changes == (
        Change(title="s > b", change="fixed", runs=2, since=EARLIER),
        Change(title="s > c", change="gone", runs=3, since=EARLIER),
    )


@pytest.mark.parametrize(
    ("cases", "report"),
    [
        (None, {}),
        ({}, {}),
        ({"s d": "passed"}, {"cases_left_out": 1}),
        ({"s b": "failed"}, {}),
        ({"s b": "pending"}, {}),
    ],
    ids=["no report", "no cases", "not all tests", "it failed", "it is pending"],
)
def test_without_the_names_of_all_tests_nothing_is_fixed_or_gone(
    cases: dict[str, str] | None, report: dict[str, Any]
) -> None:
    assert result(history(earlier("failed")), cases=cases, **report).changes == ()


def test_a_test_that_was_not_failing_is_neither_fixed_nor_gone() -> None:
    assert (
        result(history(earlier("flaky"), earlier("pending", title="x")), cases={"y": "passed"}).changes == ()
    )


def test_a_flaky_test_is_counted_over_the_last_runs_and_never_fixed() -> None:
    known = history(earlier("flaky", title="b", flaky=2, of=19), earlier("failed"))
    found = result(known, flaky=("b", "c"), cases={"s b": "passed"})

    assert found.changes == (
        Change(title="b", change="flaky", runs=3, of=20),
        Change(title="c", change="flaky", runs=1, of=6),
    )
    first = result(History(scenario="s"), flaky=("b",))
    assert first.changes == (Change(title="b", change="flaky", runs=1, of=1),)


def test_flaky_tests_of_a_report_count_if_the_log_names_none() -> None:
    assert result(None, cases={}, flaky=()).flaky_tests == ()

    story = Story(hosts=("redhat9.6",)).started().begin_child(1).spec(SPEC, counts(3))
    reported = ReportedSpec(spec=f"cypress/e2e/{SPEC}", counts=counts(3), flaky=("s b",))
    story.feed(
        ArtifactWritten(at=story.at, path="x.xml", size=1, mtime=story.at, report=Report(specs=(reported,)))
    )
    (spec,) = story.view.subruns[0].specs

    assert spec.flaky_tests == ("s b",)
    assert spec.flaky == ()
    assert story.view.ledger.flaky == 0


def test_a_crashed_spec_fixes_nothing() -> None:
    story = Story(hosts=("redhat9.6",)).feed(BaselineRead(at=EARLIER, history=history(earlier("failed"))))
    story.started().begin_child(1).log(
        f.SpecStarted(offset=0, spec=SPEC, position=1, total=1),
        f.ErrorReported(offset=0, code="spec-crashed", scope="spec", text="crashed"),
    )
    reported = ReportedSpec(
        spec=f"cypress/e2e/{SPEC}", counts=counts(1), cases=packed([Case(case_key("s b"), "passed")])
    )
    story.feed(
        ArtifactWritten(at=story.at, path="x.xml", size=1, mtime=story.at, report=Report(specs=(reported,)))
    )
    (spec,) = story.view.subruns[0].specs

    assert spec.detail == "crashed"
    assert spec.changes == ()


def test_named_changes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "CHANGES_MAX", 2)

    assert len(result(history(), flaky=("a", "b", "c")).changes) == 2
