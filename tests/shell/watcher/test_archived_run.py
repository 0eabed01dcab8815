"""The sender of an archived run: real processes that are killed, a real receiver, and a run that keeps its verdict."""

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from atvm_pipeline.core.codec import decode_event, encode_state
from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.shell.state_dir.records import MarkerRecord, Paths, Request, write_record
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.state_dir.store import read_journal
from atvm_pipeline.shell.system.files import is_locked, locked, make_folder
from tests.support.mattermost_server import MattermostModel, error, held, ok, rate_limited
from tests.support.processes import pipeline
from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

LINES = (PROJECT / "fixtures" / "schema-1" / "journal.jsonl").read_bytes().splitlines(keepends=True)
FIRST = decode_event(LINES[0])
SETTLED = len(LINES)
IN_FLIGHT = SETTLED - 1
"""Lines up to the verdict, while the third group's message is in flight."""
UNJUDGED = 38
"""Lines up to where no verdict exists, the third group's message waits, and an alert is in flight."""
MARK = "Possible duplicate"
TIMES = ("2026-11-24T00:00:00Z", "2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def senders() -> Iterator[list["Popen[str]"]]:
    """Collect the senders of a test, which are killed at its end."""
    started: list[Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def lay(root: Path, count: int, time: str = TIMES[0]) -> Paths:
    """Write an archived run as its watcher left it after so many lines of its journal."""
    paths = Paths(root, "b", root / ".archive" / "b" / time)
    make_folder(paths.folder)
    paths.journal.write_bytes(b"".join(LINES[:count]))
    paths.state.write_bytes(encode_state(state_file(replay([decode_event(line) for line in LINES[:count]]))))
    write_record(
        paths.request,
        Request(
            build_name="b",
            run_id=FIRST.run_id,
            requested_at=datetime(2026, 11, 24, tzinfo=UTC),
            workdir="/",
            log_path="/l",
            artifacts_dir="/a",
            alert_channel="alerts",
        ),
    )
    return paths


def environ(server: MattermostModel) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ATVM_WATCHER_ENV_FILE": os.devnull,
        "MATTERMOST_ATVM_WEBHOOK": server.url,
    }


def sender(paths: Paths, server: MattermostModel, *more: str) -> "Popen[str]":
    words = ("deliver", address_of(paths), *more, "--state-root", str(paths.state_root))
    return pipeline(*words, env=environ(server), start_new_session=True)


def delivered(paths: Paths, server: MattermostModel, *more: str) -> tuple[int, str]:
    """Run `deliver` to its end; return its exit code and all that it prints."""
    process = sender(paths, server, *more)
    printed, logged = process.communicate(timeout=DEADLINE_S)
    return process.returncode, printed + logged


def state_of(paths: Paths) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(paths.state.read_bytes())
    return state


def outcomes(paths: Paths) -> dict[str, str]:
    run = replay(read_journal(paths.journal).events)
    return {post.key.partition("/")[2]: post.outcome for post in run.outbox}


def verdict_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state without messages and times of writing."""
    kept = {
        key: value
        for key, value in state.items()
        if key
        not in ("post", "alerts", "updated_at", "facts", "attention", "attentions", "subruns", "ignored")
    }
    subruns = [{key: value for key, value in sub.items() if key != "post"} for sub in state["subruns"]]
    return {**kept, "subruns": subruns}


def texts(server: MattermostModel) -> list[str]:
    return [post.text for post in server.posts]


def assert_journal_gives_state(paths: Paths) -> None:
    assert encode_state(state_file(replay(read_journal(paths.journal).events))) == paths.state.read_bytes()


def test_a_message_in_flight_is_sent_again_with_a_mark_and_the_verdict_stays(
    root: Path, server: MattermostModel
) -> None:
    paths = lay(root, IN_FLIGHT)
    before = state_of(paths)
    code, said = delivered(paths, server)

    assert (code, "all messages are settled" in said) == (0, True)
    assert [MARK in text for text in texts(server)] == [True]
    assert state_of(paths)["subruns"][2]["post"]["outcome"] == "sent"
    assert verdict_of(state_of(paths)) == verdict_of(before)
    assert not is_locked(paths.watcher_lock)
    assert_journal_gives_state(paths)


def test_a_run_without_a_verdict_gets_none_and_its_waiting_message_is_sent_unmarked(
    root: Path, server: MattermostModel
) -> None:
    paths = lay(root, UNJUDGED)
    before = state_of(paths)
    code, _ = delivered(paths, server)
    assert code == 0
    assert state_of(paths)["phase"] == before["phase"] == "RUNNING"
    assert verdict_of(state_of(paths)) == verdict_of(before)
    assert [MARK in text for text in texts(server)] == [True, False]
    assert set(outcomes(paths).values()) == {"sent"}
    assert_journal_gives_state(paths)


def test_sending_again_by_hand_returns_an_archived_run_no_verdict_either(
    root: Path, server: MattermostModel
) -> None:
    paths = lay(root, UNJUDGED)
    words = ("resend", address_of(paths), "--state-root", str(root))
    process = pipeline(*words, env=environ(server))
    process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 0
    assert replay(read_journal(paths.journal).events).archived
    assert state_of(paths)["phase"] == "RUNNING"
    assert set(outcomes(paths).values()) == {"sent"}


def test_a_rejected_message_ends_the_sender_with_69_and_is_named(root: Path, server: MattermostModel) -> None:
    server.script(error(404))
    paths = lay(root, IN_FLIGHT)
    code, said = delivered(paths, server)

    assert code == 69
    assert "message of sub-run 3 rejected" in said
    assert state_of(paths)["subruns"][2]["post"]["outcome"] == "rejected"
    assert any("rejected by the webhook" in text for text in state_of(paths)["attentions"])


def test_a_settled_run_stays_byte_for_byte(root: Path, server: MattermostModel) -> None:
    paths = lay(root, SETTLED)
    before = {path: path.read_bytes() for path in paths.folder.rglob("*") if path.is_file()}
    code, _ = delivered(paths, server)
    after = {path: path.read_bytes() for path in paths.folder.rglob("*") if path.is_file()}

    assert (code, server.requests) == (0, 0)
    assert {path: data for path, data in after.items() if path != paths.watcher_lock} == before


def test_the_messages_of_a_cancelled_run_are_dropped_although_no_watcher_has_read_the_cancel(
    root: Path, server: MattermostModel
) -> None:
    paths = lay(root, UNJUDGED)
    marker = MarkerRecord(build_name="b", run_id=FIRST.run_id, who="alice", requested_at=datetime.now(UTC))
    write_record(paths.cancel, marker)
    code, _ = delivered(paths, server)

    assert server.requests == 0
    assert [outcome for key, outcome in outcomes(paths).items() if "003" in key] == ["dropped"]
    assert code == 69  # the alert that was in flight may have arrived
    assert_journal_gives_state(paths)


def test_a_cancel_of_another_run_drops_nothing(root: Path, server: MattermostModel) -> None:
    paths = lay(root, UNJUDGED)
    write_record(
        paths.cancel,
        MarkerRecord(build_name="b", run_id="other", who="alice", requested_at=datetime.now(UTC)),
    )
    delivered(paths, server)

    assert set(outcomes(paths).values()) == {"sent"}


def test_a_sender_killed_while_the_server_answers_is_followed_by_one_that_marks(
    root: Path, server: MattermostModel, senders: list["Popen[str]"]
) -> None:
    gate = threading.Event()
    server.script(ok(), held(gate, ok()), ok())
    paths = lay(root, UNJUDGED)
    process = sender(paths, server)
    senders.append(process)
    wait_for(lambda: server.requests == 2, "the request of the third group's message")
    process.kill()
    process.wait()
    gate.set()
    code, _ = delivered(paths, server)
    wait_for(lambda: len(server.posts) == 3, "the alert, and the message twice")

    assert code == 0
    assert sorted(MARK in text for text in texts(server)[1:]) == [False, True]
    assert set(outcomes(paths).values()) == {"sent"}
    assert_journal_gives_state(paths)


def test_a_sender_that_is_stopped_ends_and_leaves_the_message_to_the_next_one(
    root: Path, server: MattermostModel, senders: list["Popen[str]"]
) -> None:
    server.script(ok(), rate_limited("3600"), ok())
    paths = lay(root, UNJUDGED)
    process = sender(paths, server)
    senders.append(process)
    wait_for(lambda: b'"not-arrived"' in paths.journal.read_bytes(), "the server's refusal")
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, printed) == (0, "")
    assert b'"watcher-stopped"' in paths.journal.read_bytes()
    assert "pending" in outcomes(paths).values()
    assert_journal_gives_state(paths)


def test_one_sender_at_a_time(root: Path, server: MattermostModel) -> None:
    paths = lay(root, IN_FLIGHT)
    with locked(paths.watcher_lock):
        code, said = delivered(paths, server)

    assert (code, server.requests) == (75, 0)
    assert said == f"atvm-pipeline: the messages of b@{TIMES[0]} are already being delivered or sent again\n"


@pytest.mark.parametrize(
    ("address", "code", "text"),
    [
        ("b", 64, "b is not an archived run; its watcher delivers its messages"),
        ("b@2020", 65, "build b has no archived run '2020'"),
        ("/nowhere", 65, "no such directory"),
        (f"b@{TIMES[1]}", 65, "request.json is missing or unreadable"),
    ],
)
def test_an_address_of_no_archived_run_is_refused_in_one_line(
    root: Path, server: MattermostModel, address: str, code: int, text: str
) -> None:
    lay(root, IN_FLIGHT)
    lay(root, IN_FLIGHT, TIMES[1]).request.unlink()
    process = pipeline("deliver", address, "--state-root", str(root), env=environ(server))
    _, said = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == code
    assert text in said
    assert said.count("\n") == 1


def test_a_history_that_cannot_be_read_is_refused_and_sends_nothing(
    root: Path, server: MattermostModel
) -> None:
    paths = lay(root, IN_FLIGHT)
    paths.state.unlink()
    paths.journal.write_bytes(b"".join([*LINES[:3], b"\0\n", *LINES[4:]]))
    code, said = delivered(paths, server)

    assert (code, server.requests, said.count("\n")) == (65, 0, 1)


def test_a_sender_continues_with_the_other_archived_runs_of_its_build(
    root: Path, server: MattermostModel
) -> None:
    first, second, third = (lay(root, IN_FLIGHT, time) for time in TIMES)
    with locked(second.watcher_lock):
        code, said = delivered(first, server)

    assert code == 0
    assert f"continuing with the messages of b@{TIMES[2]}" in said
    assert [state_of(paths)["subruns"][2]["post"]["outcome"] for paths in (first, second, third)] == [
        "sent",
        "pending",
        "sent",
    ]


def test_a_sender_in_the_background_outlives_the_command(root: Path, server: MattermostModel) -> None:
    gate = threading.Event()
    server.script(held(gate, ok()), ok())
    paths = lay(root, IN_FLIGHT)
    code, said = delivered(paths, server, "--background", "--supervisor", "local")
    again = delivered(paths, server, "--background", "--supervisor", "local")
    pid = json.loads(paths.watcher.read_bytes())["pid"]
    session = os.getsid(pid)
    gate.set()
    wait_for(lambda: not is_locked(paths.watcher_lock), "the end of the sender")

    assert (code, said) == (0, f"b@{TIMES[0]}: the sender of its messages was started\n")
    assert again == (0, f"b@{TIMES[0]}: its messages are already being delivered\n")
    assert session == pid
    assert state_of(paths)["subruns"][2]["post"]["outcome"] == "sent"


def test_a_sender_in_the_background_that_cannot_start_is_reported(
    root: Path, server: MattermostModel
) -> None:
    paths = lay(root, IN_FLIGHT)
    given = {**environ(server), "MATTERMOST_ATVM_WEBHOOK": "nonsense"}
    words = ("deliver", address_of(paths), "--background", "--supervisor", "local", "--state-root", str(root))
    process = pipeline(*words, env=given)
    _, said = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 69
    assert said == (
        f"atvm-pipeline: the sender of b@{TIMES[0]} did not start: it ended with exit code 78; see {paths.watcher_log}\n"
    )
