"""The follower compared with its model (model.py), and the model compared with followers that are known to be wrong."""

import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.shell.sources.log_file import LogFile
from atvm_pipeline.shell.sources.log_follower import LogFollower
from atvm_pipeline.shell.sources.log_rotation import NextFile, RotationTracker
from tests.support import descriptors
from tests.support.log_follower.model import ACTIONS, LOSSLESS, main, play, sequence

CAUGHT_WITHIN = 1500
"""The number of sequences within which a wrong follower must be caught."""
SEQUENCES = 150


@settings(max_examples=120, deadline=None)
@given(actions=st.lists(st.sampled_from(ACTIONS), max_size=25), restart_always=st.booleans())
def test_whatever_happens_to_the_file_what_was_written_is_read_or_the_gap_is_reported(
    actions: list[str], restart_always: bool
) -> None:
    play(actions, restart_always=restart_always)


@settings(max_examples=80, deadline=None)
@given(actions=st.lists(st.sampled_from(LOSSLESS), max_size=25), restart_always=st.booleans())
def test_rotations_and_restarts_alone_lose_nothing_and_report_nothing(
    actions: list[str], restart_always: bool
) -> None:
    told = play(actions, restart_always=restart_always)

    assert told["gaps reported"] == 0


@pytest.mark.exhaustive
def test_a_number_of_sequences_is_played_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tests.support.log_follower.model --sequences 20000` is the long form."""
    assert main(["--sequences", str(SEQUENCES), "--seed", "7"]) == 0

    said = capsys.readouterr().out
    print(said)
    assert f"{SEQUENCES} sequences" in said
    assert " gaps reported" in said


@pytest.mark.parametrize("follower", ["right", "wrong"])
def test_no_sequence_leaves_a_file_open(follower: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if follower == "wrong":
        compare_size_only(monkeypatch)
    before = descriptors.names()
    for number in range(60):
        dice = random.Random(f"descriptors/{number}")  # noqa: S311 - to be repeated
        with contextlib.suppress(AssertionError):
            play(sequence(dice, 20), restart_always=dice.random() < 0.3)

    assert descriptors.names() - before == Counter()


def is_never_renewed(*_args: object) -> bool:
    return False


def holds_always(*_args: object) -> bool:
    return True


def forget_half_line(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = LogFollower.__init__

    def without_tail(self: LogFollower, *args: object, state: ScannerState, **more: object) -> None:
        begin(self, *args, state=replace(state, tail=b""), **more)  # type: ignore[arg-type]

    monkeypatch.setattr(LogFollower, "__init__", without_tail)


def read_the_new_file_first(monkeypatch: pytest.MonkeyPatch) -> None:
    drain = LogFollower._drain

    def not_where_renewed(
        self: LogFollower, file: LogFile, budget: float, *, final: bool
    ) -> Iterator[object]:
        if self._rotation.has_next(file):
            return "drained"
        return (yield from drain(self, file, budget, final=final))

    monkeypatch.setattr(LogFollower, "_drain", not_where_renewed)


def compare_size_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogFile, "_holds", holds_always)
    monkeypatch.setattr(LogFile, "ends_as", holds_always)


def know_by_inode_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogFile, "matches", lambda self, identity: self.inode == identity.inode)
    monkeypatch.setattr(LogFile, "ends_as", holds_always)


def call_everything_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    following = RotationTracker.next

    def complete(self: RotationTracker, current: LogFile) -> NextFile | None:
        found = following(self, current)
        return found and found._replace(complete=True)

    monkeypatch.setattr(RotationTracker, "next", complete)


def begin_anew_at_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    replacing = LogFollower._replace

    def fresh(self: LogFollower, *args: object, unread_bytes: int | None) -> Iterator[object]:
        yield from replacing(self, *args, unread_bytes=unread_bytes)  # type: ignore[arg-type]
        self._state = ScannerState(offset=self._state.offset)

    monkeypatch.setattr(LogFollower, "_replace", fresh)


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "ignores another inode": lambda patch: patch.setattr(RotationTracker, "has_next", is_never_renewed),
    "compares the size only": compare_size_only,
    "knows a file by its inode only": know_by_inode_only,
    "drops the half line at a restart": forget_half_line,
    "reads the new file before the old one is drained": read_the_new_file_first,
    "passes over the files between": lambda patch: patch.setattr(
        RotationTracker, "_candidates", lambda *_args: []
    ),
    "calls every rotation complete": call_everything_complete,
    "starts again at a rotation": begin_anew_at_a_rotation,
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_model_catches_a_follower_that(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[mutant](monkeypatch)

    print(f"{mutant}: caught after {sequences_until_caught()} sequences")


def sequences_until_caught() -> int:
    """Return how many sequences the model needs; raise if it needs too many."""
    played: Counter[str] = Counter()
    for number in itertools.count(1):
        assert number <= CAUGHT_WITHIN, f"not caught: {dict(played)}"
        dice = random.Random(f"mutants/{number}")  # noqa: S311 - to be repeated
        try:
            played += play(sequence(dice, 20), restart_always=dice.random() < 0.3)
        except AssertionError:
            return number
    raise AssertionError
