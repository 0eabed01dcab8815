"""Facts that never change a verdict: each is remembered once, shown, and survives a reload."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from atvm_pipeline.core import facts as f, reducer, side_facts
from atvm_pipeline.core.case_list import Case, case_key, packed
from atvm_pipeline.core.codec import decode_event, decode_state, encode_event, encode_state
from atvm_pipeline.core.events import (
    ArtifactWritten,
    BaselineRead,
    ForecastMade,
    HistoryRecorded,
    PostSearched,
    ProvenanceRead,
    ScreenshotKept,
)
from atvm_pipeline.core.history.baseline import History
from atvm_pipeline.core.history.provenance import Provenance
from atvm_pipeline.core.junit.report import Report, ReportedSpec
from atvm_pipeline.core.results import Screenshot
from atvm_pipeline.core.snapshot import state_file
from tests.support.run_builder import BEGIN, Story, counts

SPEC = "redhat9.6.cy.ts"
GREEN = counts(4)
HISTORY = History(scenario="a/b/c", runs=3)
PROVENANCE = Provenance(git_commit="abc", git_dirty=True, versions={"cypress": "12.17.4"})


def story() -> Story:
    return Story(hosts=()).started()


def forecast(share: float = 0.25) -> ForecastMade:
    at = BEGIN + timedelta(hours=1)
    return ForecastMade(at=BEGIN, at_share=share, low_at=at, mid_at=at, high_at=at, from_runs=4)


def kept(told: Story, path: str = "/w/a.png", **more: Any) -> ScreenshotKept:
    offset = told.run.subruns[0].children[0].specs[0].offset
    given = {"subrun": 1, "spec": SPEC, "spec_offset": offset, "path": path, **more}
    return ScreenshotKept(at=BEGIN, **given)


def test_a_baseline_is_kept_once_and_not_after_a_verdict() -> None:
    told = story().feed(BaselineRead(at=BEGIN, history=HISTORY))
    told.feed(BaselineRead(at=BEGIN, history=History(scenario="other")))

    assert told.run.history == HISTORY
    assert told.view.ignored == 1

    late = story().child((SPEC, GREEN)).tick(11).feed(BaselineRead(at=BEGIN, history=HISTORY))
    ended = story().end().feed(BaselineRead(at=BEGIN, history=HISTORY))
    assert late.run.history is ended.run.history is None


def test_provenance_is_shown_without_the_lines_of_the_config() -> None:
    told = story().feed(ProvenanceRead(at=BEGIN, provenance=PROVENANCE, config_lines=("a: 1",)))
    told.feed(ProvenanceRead(at=BEGIN, provenance=Provenance()))

    assert told.view.provenance == PROVENANCE
    assert told.run.config_lines == ("a: 1",)
    assert told.view.ignored == 1


def test_the_last_forecast_is_shown_and_one_is_kept_for_each_share(monkeypatch: pytest.MonkeyPatch) -> None:
    told = story()
    assert told.view.forecast is None

    told.feed(forecast(0.1)).feed(forecast(0.25)).feed(forecast(0.25))
    shown = told.view.forecast

    assert [one.at_share for one in told.run.forecasts] == [0.1, 0.25]
    assert shown is not None
    assert (shown.at_share, shown.from_runs, shown.made_at) == (0.25, 4, BEGIN)

    monkeypatch.setattr(side_facts, "FORECASTS_MAX", 2)
    assert len(told.feed(forecast(0.5)).run.forecasts) == 2
    assert story().end().feed(forecast()).run.forecasts == ()


def test_a_screenshot_is_shown_at_its_spec_also_after_the_verdict() -> None:
    told = story().child((SPEC, GREEN))
    told.feed(kept(told, kept="001-a.png", sha256="0f", bytes=5))
    before = told.tick(11).run.subruns[0].result
    told.feed(kept(told, "/w/b.png", error="disk full"))
    (spec,) = told.view.subruns[0].specs

    assert spec.screenshots == (
        Screenshot(path="/w/a.png", kept="001-a.png", sha256="0f", bytes=5),
        Screenshot(path="/w/b.png", error="disk full"),
    )
    assert told.run.subruns[0].result == before


def test_screenshots_that_the_log_names_are_shown_before_they_are_kept() -> None:
    told = story().begin_child(1).spec(SPEC, GREEN)
    told.log(f.ScreenshotsListed(offset=0, spec=SPEC, paths=("/w/a.png", "/w/b.png")))
    told.log(f.ScreenshotsListed(offset=0, spec=SPEC, paths=("/w/b.png",)))
    told.log(f.ScreenshotsListed(offset=0, spec="other.cy.ts", paths=("/w/c.png",)))
    told.feed(kept(told, "/w/b.png", kept="b.png"))
    (spec,) = told.view.subruns[0].specs

    assert spec.screenshots == (Screenshot(path="/w/a.png"), Screenshot(path="/w/b.png", kept="b.png"))


def test_a_spec_that_runs_twice_gets_its_own_screenshots() -> None:
    told = Story(hosts=(), categorized=False).started().child((SPEC, GREEN)).child((SPEC, GREEN))
    second = told.run.subruns[0].children[1].specs[0].offset
    told.feed(kept(told, kept="a.png")).feed(kept(told, "/w/b.png", spec_offset=second, kept="b.png"))
    shown = [[shot.kept for shot in spec.screenshots] for spec in told.view.subruns[0].specs]

    assert shown == [["a.png"], ["b.png"]]


def test_a_screenshot_that_is_known_or_of_no_sub_run_or_beyond_the_limit_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = story().child((SPEC, GREEN))
    told.feed(kept(told)).feed(kept(told)).feed(kept(told, subrun=2)).feed(kept(told, subrun=0))
    monkeypatch.setattr(side_facts, "SCREENSHOTS_MAX", 1)
    told.feed(kept(told, "/w/b.png"))

    assert len(told.run.screenshots) == 1
    assert told.view.ignored == 4


def test_the_record_for_later_runs_is_remembered_once() -> None:
    told = story()
    assert told.view.history is None

    told.end().feed(HistoryRecorded(at=BEGIN, name="x.json", error="disk full"))
    told.feed(HistoryRecorded(at=BEGIN, name="x.json", bytes=9))

    assert told.view.history is not None
    assert (told.view.history.name, told.view.history.error, told.view.history.bytes) == (
        "x.json",
        "disk full",
        0,
    )


def test_none_of_them_changes_a_verdict_and_all_survive_a_reload() -> None:
    told = story().feed(BaselineRead(at=BEGIN, history=HISTORY))
    told.feed(ProvenanceRead(at=BEGIN, provenance=PROVENANCE, config_lines=("a: 1",))).feed(forecast())
    told.child((SPEC, GREEN))
    told.feed(kept(told, kept="a.png")).end()
    told.feed(HistoryRecorded(at=BEGIN, name="x.json"))

    assert told.ending == story().child((SPEC, GREEN)).end().ending
    assert decode_state(encode_state(state_file(told.run))) == told.run
    assert [decode_event(encode_event(event)) for event in told.events] == told.events


def waiting() -> Story:
    """Return a run whose message may have arrived."""
    return story().child((SPEC, GREEN)).tick(11).settle("uncertain", transport="token")


def searched(told: Story, outcome: str, **more: Any) -> PostSearched:
    (post,) = told.run.outbox
    given = {"key": post.key, "search": post.searches + 1, "outcome": outcome, **more}
    return PostSearched(at=told.at, **given)


def test_a_message_that_a_search_finds_was_sent() -> None:
    told = waiting()
    told.feed(searched(told, "found", post_id="abc", status=200))
    (post,) = told.run.outbox

    assert (post.outcome, post.post_id, post.status) == ("sent", "abc", 200)
    assert told.feed(searched(told, "absent")).view.ignored == 1


def test_complete_listings_without_the_message_are_counted_until_the_next_attempt() -> None:
    told = waiting()
    told.feed(searched(told, "absent")).feed(searched(told, "incomplete")).feed(searched(told, "absent"))
    told.feed(searched(told, "absent", search=1)).feed(searched(told, "absent", key="r1/009"))
    (post,) = told.run.outbox

    assert (post.outcome, post.absent, post.searches) == ("pending", 2, 3)
    assert post.searched_watched_s == told.now_s
    assert told.view.ignored == 2

    told.tick(31)
    (post,) = told.run.outbox
    assert (post.in_flight, post.absent) == (True, 0)
    assert told.feed(searched(told, "absent")).view.ignored == 3


def test_the_results_of_single_tests_are_kept_up_to_a_limit_and_decide_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reducer, "CASES_KEPT_MAX", 3)
    told = story()
    cases = packed([Case(case_key("a"), "passed"), Case(case_key("b"), "failed")])
    reported = ReportedSpec(spec=SPEC, counts=GREEN, cases=cases)
    event = ArtifactWritten(at=BEGIN, path="a.xml", size=1, mtime=BEGIN, report=Report(specs=(reported,)))
    told.feed(event).feed(msgspec.structs.replace(event, path="b.xml"))
    told.feed(msgspec.structs.replace(event, path="b.xml"))

    assert [artifact.report.specs[0].cases for artifact in told.run.artifacts if artifact.report] == [
        cases,
        "",
    ]
    assert told.run.cases_kept == 2
    assert told.view.ignored == 1
