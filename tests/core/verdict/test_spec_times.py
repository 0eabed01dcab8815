"""The times of specs and sub-runs in the public state, and the spec that is running."""

from datetime import timedelta

from atvm_pipeline.core import facts as f
from tests.support.run_builder import BEGIN, CYPRESS, RUNNER, Story, counts

GREEN = counts(4)


def at(seconds: float) -> object:
    return BEGIN + timedelta(seconds=seconds)


def started(story: Story, spec: str, position: int, total: int = 2) -> None:
    story.log(f.SpecStarted(offset=0, spec=spec, position=position, total=total))


def boxed(story: Story, spec: str) -> None:
    story.log(f.SpecReported(offset=0, spec=spec, counts=GREEN, duration_s=60.0))


def test_a_spec_runs_from_its_running_line_to_its_box() -> None:
    story = Story(hosts=()).started().begin_child(2)
    story.now_s = 5
    started(story, "a.cy.ts", 1)
    (running,) = story.view.subruns[0].specs

    assert (running.started_at, running.finished_at, running.running) == (at(5), None, True)

    story.now_s = 65
    boxed(story, "a.cy.ts")
    (ended,) = story.view.subruns[0].specs

    assert (ended.started_at, ended.finished_at, ended.running) == (at(5), at(65), False)


def test_a_spec_without_a_box_ended_when_the_next_one_started_or_its_process_ended() -> None:
    story = Story(hosts=()).started().begin_child(2)
    story.now_s = 5
    started(story, "a.cy.ts", 1)
    story.now_s = 50
    started(story, "b.cy.ts", 2)
    first, second = story.view.subruns[0].specs

    assert (first.finished_at, first.running) == (at(50), False)
    assert (second.finished_at, second.running) == (None, True)

    story.now_s = 90
    story.exit(1)
    first, second = story.view.subruns[0].specs

    assert (second.started_at, second.finished_at, second.running) == (at(50), at(90), False)


def test_a_spec_that_only_the_table_names_has_no_times() -> None:
    story = Story(hosts=()).started().begin_child(1).summary(("a.cy.ts", GREEN)).tick(11)
    (spec,) = story.view.subruns[0].specs

    assert (spec.started_at, spec.finished_at, spec.running) == (None, None, False)


def test_no_spec_runs_once_its_run_has_a_verdict() -> None:
    story = Story(hosts=(), stall_limit_s=100.0).started().processes(RUNNER, CYPRESS).begin_child(1)
    started(story, "a.cy.ts", 1, 1)
    story.tick(101)

    assert story.ending[0] == "HUNG"
    assert [spec.running for subrun in story.view.subruns for spec in subrun.specs] == [False]


def test_a_log_that_is_read_after_the_run_shows_no_times() -> None:
    story = Story(hosts=(), offline=True, categorized=False).begin_child(1).spec("a.cy.ts", GREEN)
    story.summary(("a.cy.ts", GREEN)).end()
    (subrun,) = story.view.subruns

    assert (subrun.specs[0].started_at, subrun.specs[0].finished_at, subrun.gap_before_s) == (
        None,
        None,
        None,
    )


def test_the_gap_before_a_sub_run_is_the_time_since_the_one_before_ended_or_the_run_started() -> None:
    story = Story(hosts=()).started()
    story.now_s = 7.5
    story.child(("a.cy.ts", GREEN))
    story.now_s = 30
    story.child(("b.cy.ts", GREEN))

    assert [subrun.gap_before_s for subrun in story.view.subruns] == [7.5, 22.5]


def test_there_is_no_gap_before_a_run_without_a_start_or_after_one_without_an_end() -> None:
    assert Story(hosts=(), categorized=False).view.subruns[0].gap_before_s is None

    story = Story(hosts=()).started().begin_child(1)
    story.log(f.ChildStarted(offset=0, stream=1))
    first, second = story.view.subruns

    assert first.gap_before_s == 0.0
    assert second.gap_before_s is None


def test_the_address_of_the_recorded_run_is_the_one_below_the_table_else_the_one_in_the_header() -> None:
    story = Story(hosts=()).started().begin_child(1, run_url="https://cloud/1")
    story.spec("a.cy.ts", GREEN).summary(("a.cy.ts", GREEN))
    assert story.view.subruns[0].recorded_url == "https://cloud/1"

    story.log(f.RunRecorded(offset=0, url="https://cloud/1?\x1b" + "x" * 3000))
    url = story.view.subruns[0].recorded_url

    assert url is not None
    assert url.startswith("https://cloud/1?")
    assert url.isprintable()
    assert len(url) == 2000
    assert Story(hosts=()).started().child(("a.cy.ts", GREEN)).view.subruns[0].recorded_url is None


def test_the_last_activity_is_the_last_change_of_log_or_reports() -> None:
    story = Story(hosts=())
    assert story.view.last_activity_at is None

    story.started().begin_child(1)
    story.tick(50)
    story.noise().tick(9)

    assert story.view.last_activity_at == at(50)


def test_flaky_tests_and_signatures_are_shown() -> None:
    story = Story(hosts=()).started().begin_child(1)
    started(story, "a.cy.ts", 1, 1)
    story.log(
        f.TestFlaky(offset=0, title="comes back"),
        f.TestFailed(offset=0, title="suite > breaks", error="Timed out after 4000ms"),
        f.SpecReported(offset=0, spec="a.cy.ts", counts=counts(3, 1)),
    )
    (spec,) = story.view.subruns[0].specs

    assert spec.flaky_tests == spec.flaky == ("comes back",)
    assert [(test.title, test.signature) for test in spec.failures] == [
        ("suite > breaks", "Timed out after <time>")
    ]


def test_a_delivery_shows_the_server_s_ids_and_keeps_them() -> None:
    story = Story(hosts=()).started().child(("a.cy.ts", GREEN)).tick(11)
    story.settle("uncertain", transport="token", root_id="root")
    story.tick(31)
    story.settle("sent", post_id="post")
    post = story.view.subruns[0].post

    assert post is not None
    assert (post.post_id, post.root_id, post.transport) == ("post", "root", "token")
