"""`wait`: what it waits for, in lines now and then, and the one line with which it ends."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atvm_pipeline.cli.commands import wait
from atvm_pipeline.cli.main import main
from atvm_pipeline.shell.exit_codes import DATA, NO, UNAVAILABLE, USAGE, CommandError
from tests.support.shown_runs import ShownRuns
from tests.support.waiting import wait_for

WAITS = ("not-arrived", "connection refused")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShownRuns]:
    monkeypatch.setenv("ATVM_WATCHER_ENV_FILE", "/dev/null")
    monkeypatch.setenv("ATVM_WATCHER_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setattr(wait, "WAIT_POLL_S", 0.01)
    monkeypatch.setattr(wait, "UNWATCHED_S", 0.05)
    monkeypatch.setattr(wait, "QUIET_S", 0.0)
    with ShownRuns(tmp_path / "state") as made:
        yield made


def refused(*words: str) -> CommandError:
    with pytest.raises(CommandError) as error:
        main(["wait", *words])
    assert "\n" not in str(error.value)
    return error.value


@pytest.mark.parametrize(("run", "code"), [("completed", 0), ("failed-demo", NO), ("terminated", NO)])
def test_a_run_that_has_ended_returns_its_result_in_one_line(
    run: str, code: int, runs: ShownRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.add("b", run)

    assert main(["wait", "b"]) == code
    assert re.fullmatch(r"b: [A-Z]+: [^\n]+\n", capsys.readouterr().err)


def test_an_archived_run_has_ended(runs: ShownRuns, capsys: pytest.CaptureFixture[str]) -> None:
    runs.add("b", "completed", archived="2026-11-24T10:00:00Z")

    assert main(["wait", "b@2026"]) == 0
    assert capsys.readouterr().err.startswith("b@2026-11-24T10:00:00Z: COMPLETED: ")


def test_the_lines_show_what_it_waits_for_once_per_change(
    runs: ShownRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.add("b", "failed-demo", events=4, live=("watcher",))
    codes: list[int] = []
    waiting = threading.Thread(target=lambda: codes.append(main(["wait", "b"])))
    waiting.start()
    lines: list[str] = []

    def prints(text: str) -> None:
        def found() -> bool:
            lines.extend(capsys.readouterr().err.splitlines())
            return any(text in line for line in lines)

        wait_for(found, text)

    prints("b is RUNNING: 0 of 3 specs done")
    runs.add("b", "failed-demo", events=27)
    prints(
        "b is RUNNING: 5 of 6 specs done, failing: 1 spec failed: ubuntu24.04.cy.ts, running check-xml-files.ts"
    )
    runs.add("b", "failed-demo", ended_s_ago=60, delivery=WAITS)
    prints("b has ended (FAILED); 3 messages are not delivered yet: connection refused, next attempt now")
    runs.add("b", "failed-demo")
    waiting.join()

    assert codes == [NO]
    lines += capsys.readouterr().err.splitlines()
    assert len(lines) == len(set(lines)) == 4


def test_a_line_is_repeated_now_and_then(
    runs: ShownRuns, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "REPORT_S", 0.05)
    runs.add("b", "completed", events=12, live=("watcher",))
    refused("b", "--timeout", "0.5")

    assert capsys.readouterr().err.count("b is RUNNING: ") > 2


@pytest.mark.parametrize(
    ("events", "text"),
    [
        (12, "b is RUNNING: 2 of 4 specs done; gave up after 0 s (--timeout)"),
        (1, "b is PENDING: no runner was seen yet; gave up after 0 s (--timeout)"),
    ],
)
def test_a_wait_that_is_given_up_names_the_state(events: int, text: str, runs: ShownRuns) -> None:
    runs.add("b", "completed", events=events, live=("watcher",))
    error = refused("b", "--timeout", "0")

    assert (error.code, str(error)) == (UNAVAILABLE, text)


def test_a_wait_for_messages_that_is_given_up_names_their_cause(runs: ShownRuns) -> None:
    runs.add("b", "failed-demo", ended_s_ago=60, delivery=WAITS, live=("watcher",))

    assert str(refused("b", "--timeout", "0")) == (
        "b has ended (FAILED); 3 messages are not delivered yet: connection refused, next attempt now; "
        "gave up after 0 s (--timeout)"
    )


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (
            "rejected",
            "3 messages were rejected (sub-run 1: rejected, sub-run 2: rejected, sub-run 3: rejected); refused",
        ),
        ("uncertain", "3 messages may not have arrived (sub-run 1: uncertain, "),
    ],
)
def test_a_lost_message_ends_the_wait_with_one_line_and_the_way_out(
    outcome: str, text: str, runs: ShownRuns
) -> None:
    runs.add("b", "failed-demo", delivery=(outcome, "refused"))
    error = refused("b")

    assert error.code == UNAVAILABLE
    assert f"b has ended (FAILED); {text}" in str(error)
    assert str(error).endswith("; to send again: atvm-pipeline resend b")


@pytest.mark.parametrize(
    ("make", "words", "text"),
    [
        (
            lambda runs: runs.add("b", "completed", events=12),
            ("b",),
            "no watcher is running for b (RUNNING): attach one with start-atvm-run-watcher.sh --attach --build-name b",
        ),
        (
            lambda runs: runs.add("b", "completed").state.unlink(),
            ("b",),
            "no watcher is running for b (not started): attach one with start-atvm-run-watcher.sh --attach --build-name b",
        ),
        (
            lambda runs: runs.add("b", "completed", events=12, archived="2026-11-24T10:00:00Z"),
            ("b@2026",),
            "b@2026-11-24T10:00:00Z: it was archived before it had a verdict",
        ),
        (
            lambda runs: runs.add("b", "failed-demo", delivery=WAITS, archived="2026-11-24T10:00:00Z"),
            ("b@2026",),
            "b@2026-11-24T10:00:00Z: 3 messages are not delivered yet: connection refused, and no sender is running; atvm-pipeline deliver b@2026-11-24T10:00:00Z --background",
        ),
    ],
    ids=["running", "requested", "archived", "archived with messages"],
)
def test_without_a_watcher_the_wait_ends_with_the_command_that_helps(
    make: Callable[[ShownRuns], object], words: tuple[str, ...], text: str, runs: ShownRuns
) -> None:
    make(runs)
    error = refused(*words)

    assert (error.code, str(error)) == (UNAVAILABLE, text)


def test_an_unknown_build_and_a_wrong_time_are_refused(runs: ShownRuns) -> None:
    assert refused("none").code == DATA
    assert refused("none", "--timeout", "nan").code == USAGE
