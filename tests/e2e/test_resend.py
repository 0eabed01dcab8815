"""Resending by hand: refused requests, each in one line, and delivered messages, always marked."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atvm_pipeline.core.codec import decode_event
from atvm_pipeline.core.events import Settings
from atvm_pipeline.shell.state_dir.records import Paths, Request, write_record
from atvm_pipeline.shell.state_dir.store import load
from atvm_pipeline.shell.system.files import locked, make_folder
from tests.support.mattermost_server import MattermostModel, error, ok, posted_500, rate_limited
from tests.support.processes import pipeline
from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_S

LINES = (PROJECT / "fixtures" / "schema-1" / "journal.jsonl").read_bytes().splitlines(keepends=True)
RUN_ID = decode_event(LINES[0]).run_id
UNDER_WAY = len(LINES) - 1
"""Lines up to the run's verdict, while the third group's message is in flight."""
NONE = 31
"""Lines up to the runner's end, before any verdict."""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "state", "b")


def lay(paths: Paths, count: int = len(LINES), folder: Path | None = None) -> None:
    place = Paths(paths.state_root, "b", folder)
    make_folder(place.folder)
    if count:
        place.journal.write_bytes(b"".join(LINES[:count]))
    write_record(
        place.request,
        Request(
            build_name="b",
            run_id=RUN_ID,
            requested_at=datetime.now(UTC),
            workdir="/",
            log_path="/l",
            artifacts_dir="/a",
            settings=Settings(),
        ),
    )


def resend(
    paths: Paths, server: MattermostModel, *words: str, address: str = "b", **environ: str
) -> tuple[int, str]:
    given = {
        "PATH": f"{PROJECT}/bin:{os.environ['PATH']}",
        "ATVM_WATCHER_ENV_FILE": os.devnull,
        "MATTERMOST_ATVM_WEBHOOK": server.url,
    }
    process = pipeline(
        "resend", address, *words, "--state-root", str(paths.state_root), env={**given, **environ}
    )
    answer, said = process.communicate(timeout=DEADLINE_S)
    assert answer == ""
    return process.returncode, said


def refused(
    paths: Paths, server: MattermostModel, *words: str, address: str = "b", **environ: str
) -> tuple[int, str]:
    """Return the one line of a call that must have changed nothing and sent nothing."""
    before = {path: path.read_bytes() for path in paths.state_root.rglob("*.json*")}
    code, said = resend(paths, server, *words, address=address, **environ)

    assert said.count("\n") == 1, said
    assert {path: path.read_bytes() for path in paths.state_root.rglob("*.json*")} == before
    assert server.requests == 0
    return code, said


def test_a_build_that_is_not_known_is_refused(paths: Paths, server: MattermostModel) -> None:
    code, said = refused(paths, server)

    assert (code, "not found" in said) == (65, True)


def test_a_run_without_a_journal_is_refused(paths: Paths, server: MattermostModel) -> None:
    lay(paths, 0)
    code, said = refused(paths, server)

    assert (code, "has no journal" in said) == (65, True)


def test_a_run_that_is_watched_is_refused(paths: Paths, server: MattermostModel) -> None:
    lay(paths)
    with locked(paths.watcher_lock):
        code, said = refused(paths, server)

    assert (code, "still being watched; try again when that has ended" in said) == (75, True)


def test_an_archived_run_whose_sender_is_running_is_refused(paths: Paths, server: MattermostModel) -> None:
    archived = paths.archive / "x"
    lay(paths, folder=archived)
    with locked(Paths(paths.state_root, "b", archived).watcher_lock):
        code, said = refused(paths, server, address="b@x")

    assert (code, "b@x cannot be resent now, because the sender of its messages is running" in said) == (
        75,
        True,
    )


def test_a_run_that_has_not_ended_is_refused_with_the_command_that_delivers_it(
    paths: Paths, server: MattermostModel
) -> None:
    lay(paths, NONE)
    code, said = refused(paths, server)

    assert (code, "--attach --build-name b" in said) == (75, True)


def test_a_sub_run_without_a_message_is_refused_with_those_that_have_one(
    paths: Paths, server: MattermostModel
) -> None:
    lay(paths)
    code, said = refused(paths, server, "7")

    assert (code, "1, 2, 3" in said) == (64, True)


def test_where_every_message_was_sent_nothing_is_left_to_do(paths: Paths, server: MattermostModel) -> None:
    lay(paths)
    code, said = refused(paths, server)
    again = f"atvm-pipeline resend b 3 --state-root {paths.state_root}"

    assert code == 0
    assert said.endswith(
        f"b: all messages were sent; to repeat one, give the number of its sub-run, for example: {again}\n"
    )


def test_a_run_without_messages_has_none_to_resend(paths: Paths, server: MattermostModel) -> None:
    archived = paths.archive / "x"
    lay(paths, NONE, archived)
    code, said = refused(paths, server, "--archived", str(archived))

    assert (code, said) == (0, "b@x: this run has no messages\n")
    assert refused(paths, server, "1", address="b@x")[0] == 64


@pytest.mark.parametrize("webhook", ["", "chat"])
def test_without_a_webhook_nothing_can_be_resent(webhook: str, paths: Paths, server: MattermostModel) -> None:
    lay(paths)

    assert refused(paths, server, "1", MATTERMOST_ATVM_WEBHOOK=webhook)[0] == 78


def test_a_sent_message_that_is_named_comes_again_marked(paths: Paths, server: MattermostModel) -> None:
    lay(paths)
    code, said = resend(paths, server, "2")

    assert code == 0, said
    assert ["Possible duplicate" in post.text for post in server.posts] == [True]
    assert "sub-run 2: sent" in said
    run = load(paths, RUN_ID).run
    assert run is not None
    assert [post.key.partition("/")[2] for post in run.outbox if post.marked] == ["002/resend-1"]


def test_what_was_under_way_when_the_watcher_died_comes_marked(paths: Paths, server: MattermostModel) -> None:
    lay(paths, UNDER_WAY)
    code, said = resend(paths, server)
    run = load(paths, RUN_ID).run

    assert code == 0, said
    assert run is not None
    assert not any(post.in_flight for post in run.outbox)
    assert ["Possible duplicate" in post.text for post in server.posts] == [True]


@pytest.mark.parametrize("address", ["b@2026-11-24T00:00:00Z", "b@2026", RUN_ID, "--archived"])
def test_an_earlier_run_is_resent_from_its_archive(
    address: str, paths: Paths, server: MattermostModel
) -> None:
    archived = paths.archive / "2026-11-24T00:00:00Z"
    lay(paths, len(LINES), archived)
    if address == "--archived":
        code, said = resend(paths, server, "1", "--archived", str(archived))
    else:
        code, said = resend(paths, server, "1", address=address)

    assert code == 0, said
    assert len(server.posts) == 1
    assert not paths.folder.exists()


@pytest.mark.parametrize(
    ("behaviour", "words", "step"),
    [
        (error(404), "rejected", "fix the webhook, then send again:"),
        (posted_500(), "may not have arrived", "if the channel does not have it, send again:"),
        (rate_limited(), "not delivered", "send again:"),
    ],
    ids=["404", "500", "429"],
)
def test_a_repeat_that_is_not_taken_is_reported_and_not_repeated(
    behaviour: object, words: str, step: str, paths: Paths, server: MattermostModel
) -> None:
    lay(paths)
    server.script(behaviour, ok())  # type: ignore[arg-type]
    code, said = resend(paths, server, "1")

    assert code == 69
    assert f"message of sub-run 1: {words}: " in said
    assert said.endswith(f"; {step} atvm-pipeline resend b 1 --state-root {paths.state_root}\n")
    repeats = [post for post in server.posts if "Possible duplicate" in post.text]
    assert len(repeats) == (1 if words == "may not have arrived" else 0)


def test_a_rejected_repeat_of_a_message_that_may_have_arrived_keeps_its_mark(
    paths: Paths, server: MattermostModel
) -> None:
    lay(paths, UNDER_WAY)
    server.script(error(404))
    assert resend(paths, server)[0] == 69
    server.script(ok())
    code, said = resend(paths, server, "3")

    assert code == 0, said
    assert "may have arrived" in server.posts[-1].text
    assert "sent (marked as a repeat, delivery " in said
