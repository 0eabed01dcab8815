"""The log of a watcher has one line for each fact, from the states before and after an event, and none twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from atvm_pipeline.core.codec import decode_event
from atvm_pipeline.core.events import (
    Event,
    RunnerVanished,
    RunRequested,
    StopRequest,
    WatcherStarted,
    WatcherStopped,
)
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.shell.watcher.story import story_lines
from atvm_pipeline.shell.watcher.story_messages import LOST_SHOWN, Line, Naming
from tests.conftest import REPLAY
from tests.core.messages.test_outbox import told as messaged
from tests.support.run_builder import BEGIN, BROWSER, BUILD, CYPRESS, RUNNER, Story, counts

FIRST = ("redhat9.6.cy.ts", counts(4))
RED = ("ubuntu24.04.cy.ts", counts(3, 1))
JOURNALS = sorted(REPLAY.glob("*/journal.jsonl"))


def typed(*words: str) -> str:
    return " ".join(words)


def lines_of(events: list[Event], address: str = BUILD) -> Iterator[Line]:
    first, *rest = events
    assert isinstance(first, RunRequested)
    run = begin_run(first).run
    for event in rest:
        after = reduce(run, event).run
        yield from story_lines(run, event, after, Naming(address, typed))
        run = after


def texts(story: Story, address: str = BUILD) -> list[str]:
    return [line.text for line in lines_of(story.events, address)]


def watched(**settings: object) -> Story:
    return Story(**settings).feed(WatcherStarted(at=BEGIN, pid=1, utc_offset_s=3600))  # type: ignore[arg-type]


def test_a_categorized_run_is_a_story() -> None:
    story = watched().started()
    story.child(FIRST, label="e2e-redhat9.6-fc").tick(11).settle()
    story.child(RED, label="e2e-ubuntu24.04-fc").tick(11).settle("not-arrived", detail="connection refused")
    story.exit(1).tick(20).settle()
    one, two = story.run.outbox

    assert texts(story) == [
        f"watching {BUILD} (run r1): waiting for its runner; log runner.log; hosts checked: redhat9.6, ubuntu24.04",
        "runner seen: process 100",
        "sub-run 1 started: e2e-redhat9.6-fc (1 spec)",
        "sub-run 1 (e2e-redhat9.6-fc) ended: COMPLETED (all-passed); 1 spec: 1 passed; The planned spec passed.",
        f"message of sub-run 1 sent (delivery {one.delivery_id})",
        "sub-run 2 started: e2e-ubuntu24.04-fc (1 spec)",
        "sub-run 2 (e2e-ubuntu24.04-fc) ended: FAILED (tests-failed); 1 spec: 1 failed; 1 of 1 spec failed: ubuntu24.04.cy.ts.",
        "message of sub-run 2 not arrived: connection refused; next attempt at 11:00:27 (attempt 1 failed)",
        "runner ended with exit code 1; the verdict follows in 10 s, after late reports",
        "run ended: FAILED (tests-failed); 2 specs: 1 passed, 1 failed; 1 of 2 sub-runs failed: e2e-ubuntu24.04-fc. 1 of 1 spec failed: ubuntu24.04.cy.ts.",
        f"message of sub-run 2 sent (delivery {two.delivery_id}, attempt 2)",
        "finished: 2 of 2 messages sent",
    ]


def test_a_run_that_is_not_categorized_has_one_verdict_and_one_message() -> None:
    story = watched(categorized=False, hosts=()).started().child(FIRST).end(0).settle()

    assert texts(story)[2:] == [
        "Cypress started (1 spec)",
        "runner ended with exit code 0; the verdict follows in 10 s, after late reports",
        "run ended: COMPLETED (all-passed); 1 spec: 1 passed; The planned spec passed; hosts not checked.",
        f"message of sub-run 1 sent (delivery {story.run.outbox[0].delivery_id})",
        "finished: 1 of 1 message sent",
    ]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"code": None, "signal": "SIGTERM"}, "runner ended by SIGTERM (asked to stop)"),
        ({"code": 0, "service_result": "timeout"}, "runner ended with exit code 0, systemd: timeout"),
        ({"code": None}, "runner ended in an unknown way"),
        (
            {"code": None, "error": "cannot access /x: no such file"},
            "the runner was not started: cannot access /x",
        ),
        (
            {"code": 0, "stop": StopRequest(who="alice", why="host\x1b needed", requested_at=BEGIN)},
            "runner ended with exit code 0, after alice requested a stop at 2026-11-23 11:00:00 +0100: host",
        ),
    ],
)
def test_the_end_of_the_runner_is_one_line(end: dict[str, object], words: str) -> None:
    story = watched().started().begin_child(1)
    story.exit(end.pop("code"), **end)  # type: ignore[arg-type]

    assert [line for line in texts(story) if "runner" in line][2].startswith(words)


def test_a_runner_whose_processes_live_on_is_waited_for() -> None:
    story = watched().started().processes(RUNNER, CYPRESS).begin_child(1).exit(1)

    assert texts(story)[-1] == "runner ended with exit code 1; waiting for 2 processes"


def test_a_runner_that_is_gone_and_a_rebooted_host_are_named() -> None:
    stop = StopRequest(requested_at=BEGIN)
    gone = watched(settle_s=0).started().begin_child(1)
    gone.feed(RunnerVanished(at=BEGIN, rebooted=True, stop_requested=True, stop=stop))

    assert (
        "runner gone without an exit record, because the host was rebooted, after an unknown user requested a stop "
        "at 2026-11-23 11:00:00 +0100"
    ) in texts(gone)


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        ("log", "runner seen by its output"),
        ("processes", "runner seen by its processes"),
        ("exit", "runner ended"),
    ],
)
def test_a_runner_without_a_record_is_seen_by_its_signs(sign: str, words: str) -> None:
    story = watched()
    {"log": story.noise, "processes": lambda: story.processes(RUNNER), "exit": story.exit}[sign]()

    assert texts(story)[1].startswith(words)


def test_a_cancel_names_who_and_why_and_the_messages_that_it_drops() -> None:
    story = watched().started().child(FIRST, label="e2e-redhat9.6-fc").tick(11)
    story.settle("not-arrived").cancel()

    assert texts(story)[-4:] == [
        "the run was cancelled by alice: wrong host",
        "run ended: CANCELLED (cancel-requested); 2 specs: 1 passed, 1 not run; The run was cancelled by alice: wrong host.",
        "message of sub-run 1 dropped, because the run was cancelled",
        "finished: 0 of 1 message sent",
    ]


def test_attention_is_logged_when_it_comes_and_when_it_ends() -> None:
    story = watched().started().processes(RUNNER, CYPRESS, BROWSER).begin_child(2).tick(3600).tick(60).noise()

    assert [line for line in texts(story) if "ttention" in line] == [
        (
            "attention: No progress since 2026-11-23 11:00:00 +0100 (limit 1 h 00 min). No spec was running. Processes: "
            "bash(S), cypress(S), electron(S)."
        ),
        "attention ended: No progress since 2026-11-23 11:00:00 +0100 (limit 1 h 00 min)",
    ]


# --- messages ---


@pytest.mark.parametrize(
    ("settled", "words"),
    [
        (
            {"outcome": "rejected", "status": 404, "detail": "no such channel"},
            (
                "message of sub-run 1 rejected (status 404): no such channel; correct the webhook or its channel and check it "
                f"with: atvm-pipeline doctor --post-test; to send it again: atvm-pipeline resend {BUILD} 1"
            ),
        ),
        (
            {"outcome": "uncertain", "detail": "no response"},
            "message of sub-run 1 may have arrived: no response; it is repeated at 10:00:40, marked as a possible duplicate",
        ),
        (
            {"outcome": "probably-not-arrived", "detail": "a proxy answered"},
            (
                "message of sub-run 1 has probably not arrived: a proxy answered; next check of the server at 10:00:15, "
                "then a marked repeat"
            ),
        ),
    ],
)
def test_an_attempt_that_fails_states_the_cause_and_the_next_step(
    settled: dict[str, object], words: str
) -> None:
    story = messaged().settle(**settled)  # type: ignore[arg-type]

    assert words in texts(story)


def test_a_repeat_that_stays_uncertain_is_left_to_a_person() -> None:
    story = messaged().settle("uncertain", detail="a").tick(30).settle("uncertain", detail="no response")

    assert texts(story)[-3:] == [
        "repeating message of sub-run 1, marked as a possible duplicate (attempt 2)",
        (
            f"message of sub-run 1 may not have arrived: no response; look for delivery {story.run.outbox[0].delivery_id} in the "
            f"channel; to send it again: atvm-pipeline resend {BUILD} 1"
        ),
        "attention: The message of sub-run 1 was sent, but may not have arrived.",
    ]


def test_an_attempt_that_a_crash_cut_off_is_repeated_now() -> None:
    story = messaged().settle("uncertain", detail="the watcher ended while sending", crashed=True)

    assert texts(story)[-2:] == [
        (
            "message of sub-run 1 may have arrived: the watcher ended while sending; it is repeated now, marked as a possible "
            "duplicate"
        ),
        "repeating message of sub-run 1, marked as a possible duplicate (attempt 2)",
    ]


def test_a_ping_of_a_server_that_is_away_states_the_next_check() -> None:
    story = (
        messaged().settle("probably-not-arrived").tick(5).ping(up=False, detail="the server is not back yet")
    )

    assert texts(story)[-1] == (
        "message of sub-run 1 waits for its server: the server is not back yet; next check at 10:00:20"
    )


def test_a_server_that_refuses_for_three_days_repeats_one_line() -> None:
    story = messaged()
    for _ in range(300):
        story.settle("not-arrived", detail="connection refused").tick(900)
        if story.run.outbox[0].outcome != "pending":
            break
    repeated = [line for line in lines_of(story.events) if "not arrived" in line.text]

    assert len(repeated) > 250
    assert {(line.subject, line.cause) for line in repeated} == {("r1/001", "not-arrived connection refused")}
    assert any(
        "not delivered within 72 hours and dropped: connection refused; to send" in line
        for line in texts(story)
    )


def test_an_alert_is_named_by_its_cause_and_has_no_resend() -> None:
    story = watched(alerts=True).started().begin_child(2).tick(43_200)
    story.settle("rejected", status=404, detail="no such channel")
    (line,) = [line for line in texts(story) if line.startswith("alert")]

    assert line.startswith('alert "end" rejected (status 404): no such channel; correct')
    assert "resend" not in line
    assert (
        texts(story)[-1]
        == "finished: no message was requested; exit code 69, because a message was not delivered"
    )


def test_a_closing_message_is_named() -> None:
    story = watched().started().child(FIRST, label="e2e-redhat9.6-fc").tick(11).settle().end(3).settle()

    assert any(line.startswith("closing message sent") for line in texts(story))


# --- a watcher that resumes, and one that stops ---


def test_a_watcher_that_resumes_logs_the_present_state_and_nothing_again() -> None:
    story = watched().started().child(FIRST, label="e2e-redhat9.6-fc").tick(11)
    story.settle("not-arrived", detail="connection refused")
    before = len(texts(story))
    story.feed(WatcherStarted(at=story.at, pid=2, resumed=True))
    (line,) = texts(story)[before:]

    assert line.startswith(
        f"resumed watching {BUILD} (run r1): RUNNING: 1 of 2 specs passed, 1 sub-run; 1 message not delivered yet: "
        "connection refused, next attempt at "
    )


def test_a_watcher_that_resumes_names_the_messages_that_were_lost_before() -> None:
    story = watched().started()
    for number in range(LOST_SHOWN + 2):
        story.child((f"redhat9.6-{number}.cy.ts", counts(1)), label="e2e-redhat9.6-fc").tick(10).settle(
            "rejected"
        )
    before = len(texts(story))
    story.feed(WatcherStarted(at=story.at, pid=2, resumed=True))
    _, *lost = texts(story)[before:]

    assert [line.split(" rejected")[0] for line in lost[:2]] == [
        "message of sub-run 1",
        "message of sub-run 2",
    ]
    assert lost[LOST_SHOWN:] == ["2 more messages not delivered"]


@pytest.mark.parametrize(
    ("address", "verdict", "words"),
    [
        (BUILD, True, f"resumed delivery of the messages of {BUILD} (run r1): TERMINATED"),
        (f"{BUILD}@1", True, f"delivering the messages of the archived run {BUILD}@1 (run r1): TERMINATED"),
    ],
)
def test_a_process_that_only_delivers_calls_itself_so(address: str, verdict: bool, words: str) -> None:
    story = watched().started().begin_child(1).exit(None, signal="SIGKILL").tick(20)
    story.feed(WatcherStarted(at=story.at, pid=2, resumed=True))

    assert texts(story, address)[-1].startswith(words)


@pytest.mark.parametrize(
    ("address", "command"),
    [
        (BUILD, f"start-atvm-run-watcher.sh --attach --build-name {BUILD}"),
        (f"{BUILD}@1", f"atvm-pipeline deliver {BUILD}@1 --background"),
    ],
)
def test_a_watcher_that_is_stopped_names_the_signal_and_the_command_that_resumes(
    address: str, command: str
) -> None:
    story = watched().started().feed(WatcherStopped(at=BEGIN, why="SIGTERM"))

    assert texts(story, address)[-1] == f"stopped by SIGTERM before everything was done; to resume: {command}"


# --- every recorded run ---


@pytest.mark.parametrize("journal", JOURNALS, ids=lambda path: path.parent.name)
def test_each_recorded_run_has_one_line_for_each_sub_run_verdict_and_message(journal: Path) -> None:
    events = [decode_event(line) for line in journal.read_bytes().splitlines()]
    found = [line.text for line in lines_of(events)]
    run = begin_run(events[0]).run  # type: ignore[arg-type]
    for event in events[1:]:
        run = reduce(run, event).run
    results = [subrun.result for subrun in run.subruns if subrun.result is not None]
    sent = [post for post in run.outbox if post.outcome == "sent"]

    assert sum(" ended: " in line and line.startswith("sub-run") for line in found) == (
        len(results) if run.request.categorized else 0
    )
    assert sum(line.startswith("run ended: ") for line in found) == 1
    assert sum(" sent (delivery " in line for line in found) == len(sent)
    assert len(found) < 30


@pytest.mark.parametrize("journal", JOURNALS[:5], ids=lambda path: path.parent.name)
def test_an_event_that_comes_twice_is_logged_once(journal: Path) -> None:
    events = [decode_event(line) for line in journal.read_bytes().splitlines()]
    doubled = [events[0]]
    for event in events[1:]:
        seq = doubled[-1].seq + 1
        twice = [] if isinstance(event, WatcherStarted) else [replace(event, seq=seq + 1)]
        doubled += [replace(event, seq=seq), *twice]

    assert [line.text for line in lines_of(doubled)] == [line.text for line in lines_of(events)]
