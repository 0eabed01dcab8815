"""A watcher that is restarted on files left by a crash, a disk error or another release: same verdict, same messages.

One real run is the pattern.  The test restores its directory as it was in the middle of the run, damages it, and
starts a real watcher on it.
"""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from atvm_pipeline.core.codec import decode_event, encode_state
from atvm_pipeline.core.events import DeliverySettled, LogRead, WatcherStarted
from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.snapshot import state_file
from tests.support.controller import Controller
from tests.support.mattermost_server import MattermostModel, slow
from tests.support.processes import pipeline
from tests.support.project import BUILD
from tests.support.waiting import DEADLINE_S, wait_for


class Pattern(NamedTuple):
    """A run that ended without disturbance."""

    folder: Path
    state: dict[str, Any]
    texts: list[str]
    lines: list[bytes]
    first_sent: int
    """Lines of the journal up to the first message that was sent."""

    def snapshot(self, lines: int) -> bytes:
        return encode_state(state_file(replay([decode_event(line) for line in self.lines[:lines]])))


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pattern]:
    with Controller(tmp_path_factory.mktemp("pattern"), scenario="failing-test", speed=8) as host:
        state = host.run()
        folder = host.state_root / BUILD
        lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
        settled = [n for n, line in enumerate(lines, 1) if isinstance(decode_event(line), DeliverySettled)]
        yield Pattern(folder, state, host.texts(), lines, settled[0])


@pytest.fixture
def laid(pattern: Pattern, tmp_path: Path) -> Path:
    """The run's directory right after its first message. Its snapshot contains everything up to there."""
    folder = tmp_path / "state" / BUILD
    shutil.copytree(pattern.folder, folder)
    (folder / "journal.jsonl").write_bytes(b"".join(pattern.lines[: pattern.first_sent]))
    (folder / "state.json").write_bytes(pattern.snapshot(pattern.first_sent))
    shutil.rmtree(folder / "subruns")
    shutil.rmtree(folder / "posts")
    return folder


def environ(server: MattermostModel) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ATVM_WATCHER_ENV_FILE": os.devnull,
        "MATTERMOST_ATVM_WEBHOOK": server.url,
    }


def watch(folder: Path, server: MattermostModel) -> tuple[int, str]:
    """Run a real watcher until its end."""
    watcher = pipeline("watch", BUILD, "--state-root", str(folder.parent), env=environ(server))
    _, said = watcher.communicate(timeout=DEADLINE_S)
    return watcher.returncode, said


def journal(folder: Path) -> list[Any]:
    return [decode_event(line) for line in (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)]


def headline(text: str) -> str:
    return text.splitlines()[0]


def assert_as_the_pattern(pattern: Pattern, folder: Path, server: MattermostModel) -> None:
    state = json.loads((folder / "state.json").read_text())
    assert (state["phase"], state["reason"], state["ledger"]) == (
        pattern.state["phase"],
        pattern.state["reason"],
        pattern.state["ledger"],
    )
    for one, other in zip(state["subruns"], pattern.state["subruns"], strict=True):
        assert (one["phase"], one["name"], one["ledger"]) == (other["phase"], other["name"], other["ledger"])
        assert (one["post"]["outcome"], one["post"]["attempts"]) == ("sent", 1)
    # The first message was sent by the watcher that died. Every other message arrives once, and none is marked.
    assert [headline(post.text) for post in server.posts] == [headline(text) for text in pattern.texts[1:]]


Damage = Callable[[Pattern, Path], None]


def _journal(change: Callable[[bytes], bytes]) -> Damage:
    def damage(_: Pattern, folder: Path) -> None:
        path = folder / "journal.jsonl"
        path.write_bytes(change(path.read_bytes()))

    return damage


def _state(content: bytes | None) -> Damage:
    def damage(_: Pattern, folder: Path) -> None:
        (folder / "state.json").unlink()
        if content is not None:
            (folder / "state.json").write_bytes(content)

    return damage


def _older(pattern: Pattern, folder: Path) -> None:
    (folder / "state.json").write_bytes(pattern.snapshot(pattern.first_sent // 2))


def _shorter(pattern: Pattern, folder: Path) -> None:
    (folder / "journal.jsonl").write_bytes(b"".join(pattern.lines[: pattern.first_sent // 2]))


def _of_another_run(pattern: Pattern, folder: Path) -> None:
    run_id = pattern.state["run_id"].encode()
    (folder / "state.json").write_bytes(pattern.snapshot(len(pattern.lines)).replace(run_id, b"f" * 16))


def _leftovers(_: Pattern, folder: Path) -> None:
    for name in (".state.json.aaaaaaaaaaaa.tmp", "posts/.002.json.aaaaaaaaaaaa.tmp"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"half of a file")


def _middle(pattern: Pattern, folder: Path) -> None:
    lines = pattern.lines[: pattern.first_sent]
    (folder / "journal.jsonl").write_bytes(b"".join([*lines[:4], b"\0" * 300 + b"\n", *lines[5:]]))


MENDED: dict[str, Damage] = {
    "nothing is damaged": lambda _pattern, _folder: None,
    "a torn last line": _journal(lambda data: data + b'{"at":"2026-11-2'),
    "a tail of zeros": _journal(lambda data: data + b"\0" * 4096),
    "no snapshot": _state(None),
    "a snapshot of no bytes": _state(b""),
    "a torn snapshot": _state(b'{"schema": 1, "build_name": "e2e'),
    "a snapshot that is older than the journal": _older,
    "a journal that is shorter than the snapshot": _shorter,
    "a snapshot of another run": _of_another_run,
    "an empty journal": _journal(lambda _data: b""),
    "a journal of garbage": _journal(lambda data: b"\xff" * len(data)),
    "garbage in the middle of the journal": _middle,
    "leftover temporary files": _leftovers,
}


@pytest.mark.parametrize("damage", MENDED)
def test_a_restarted_watcher_ends_with_the_same_verdict_and_doubles_nothing(
    damage: str, pattern: Pattern, laid: Path, server: MattermostModel
) -> None:
    MENDED[damage](pattern, laid)
    code, said = watch(laid, server)

    assert code == 0, said
    assert_as_the_pattern(pattern, laid, server)
    assert not list(laid.rglob("*.tmp"))


def test_a_restarted_watcher_continues_at_the_recorded_offset_of_the_log(
    pattern: Pattern, laid: Path, server: MattermostModel
) -> None:
    known = replay([decode_event(line) for line in pattern.lines[: pattern.first_sent]])
    assert watch(laid, server)[0] == 0
    events = journal(laid)[pattern.first_sent :]
    read = [event for event in events if isinstance(event, LogRead)]

    assert isinstance(events[0], WatcherStarted)
    assert events[0].resumed
    assert read[0].start == known.log.end > 0
    assert [one.end for one in read[:-1]] == [two.start for two in read[1:]]


def test_the_log_of_a_restarted_watcher_starts_with_the_present_state_and_repeats_nothing(
    laid: Path, server: MattermostModel
) -> None:
    code, said = watch(laid, server)
    lines = [line.split(" ", 2)[2] for line in said.splitlines()]

    assert code == 0, said
    assert lines[0].startswith(f"resumed watching {BUILD} (run ")
    assert ": RUNNING: 2 of " in lines[0]
    assert not [line for line in lines if line.startswith(("sub-run 1 (", "message of sub-run 1 "))]
    assert [line.split(" (")[0] for line in lines if " sent (delivery " in line and "alert" not in line] == [
        "message of sub-run 2 sent",
        "message of sub-run 3 sent",
    ]
    assert lines[-1] == "finished: 3 of 3 messages sent"


def test_a_message_that_was_under_way_in_a_crash_is_repeated_once_and_marked(
    pattern: Pattern, laid: Path, server: MattermostModel
) -> None:
    (laid / "journal.jsonl").write_bytes(b"".join(pattern.lines[: pattern.first_sent - 1]))
    (laid / "state.json").unlink()
    assert watch(laid, server)[0] == 0
    name = headline(pattern.texts[0])
    first = [post.text for post in server.posts if name in post.text]

    assert len(first) == 1
    assert "Possible duplicate" in first[0]
    assert len(server.posts) == len(pattern.texts)


def _newer_journal(pattern: Pattern, folder: Path) -> None:
    lines = pattern.lines[: pattern.first_sent]
    (folder / "journal.jsonl").write_bytes(
        b"".join([lines[0].replace(b'"schema":2', b'"schema":3', 1), *lines[1:]])
    )


def _newer_event(pattern: Pattern, folder: Path) -> None:
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"at":"2027-01-01T00:00:00Z","seq":%d,"type":"host-woken"}\n' % (pattern.first_sent + 1))


def _newer_state(_: Pattern, folder: Path) -> None:
    path = folder / "state.json"
    path.write_bytes(path.read_bytes().replace(b'"schema": 2', b'"schema": 3', 1))


def _put(name: str, kind: str) -> Damage:
    def damage(_: Pattern, folder: Path) -> None:
        place = folder / name
        place.rename(folder / "aside")
        if kind == "folder":
            place.mkdir()
        elif kind == "fifo":
            os.mkfifo(place)
        else:
            place.symlink_to(folder / "aside")

    return damage


def _lost(pattern: Pattern, folder: Path) -> None:
    (folder / "state.json").unlink()
    _middle(pattern, folder)


REFUSED: dict[str, tuple[Damage, str]] = {
    "a journal of a newer schema": (_newer_journal, "schema 3"),
    "an event of a newer release": (_newer_event, "another release"),
    "a snapshot of a newer schema": (_newer_state, "schema 3"),
    "a directory in the journal's place": (_put("journal.jsonl", "folder"), "not a regular file"),
    "a FIFO in the journal's place": (_put("journal.jsonl", "fifo"), "not a regular file"),
    "a link in the journal's place": (_put("journal.jsonl", "link"), "not a regular file"),
    "a directory in the snapshot's place": (_put("state.json", "folder"), "not a regular file"),
    "a FIFO in the snapshot's place": (_put("state.json", "fifo"), "not a regular file"),
    "a damaged journal and no snapshot": (_lost, "line 5"),
}


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("command", ["watch", "resend"])
def test_what_cannot_be_gone_on_with_is_refused_in_one_line_and_nothing_is_changed(
    command: str, why: str, pattern: Pattern, laid: Path, server: MattermostModel
) -> None:
    damage, word = REFUSED[why]
    damage(pattern, laid)
    before = {path: path.read_bytes() for path in laid.rglob("*") if path.is_file()}
    process = pipeline(command, BUILD, "--state-root", str(laid.parent), env=environ(server))
    answer, said = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 65, said
    assert (answer, said.count("\n")) == ("", 1), said
    assert word in said
    assert str(laid) in said
    assert {path: path.read_bytes() for path in laid.rglob("*") if path.is_file()} == before
    assert server.requests == 0


@pytest.mark.host
def test_a_second_watcher_of_a_build_is_refused_and_writes_nothing(
    pattern: Pattern, laid: Path, server: MattermostModel
) -> None:
    server.script(slow(60))
    one = pipeline("watch", BUILD, "--state-root", str(laid.parent), env=environ(server))
    try:
        wait_for(lambda: server.requests, "the first watcher's message")
        wait_for(lambda: len(json.loads((laid / "state.json").read_text())["subruns"]) == 3, "its state")
        code, said = watch(laid, server)
    finally:
        one.send_signal(signal.SIGKILL)
        one.communicate()

    assert code == 75
    assert "being watched" in said
    started = [event.pid for event in journal(laid) if isinstance(event, WatcherStarted)]
    assert started[-1] == json.loads((laid / "watcher.json").read_text())["pid"] == one.pid
    assert server.requests == 1
