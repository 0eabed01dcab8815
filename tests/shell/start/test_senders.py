"""Senders that a start starts for archived runs: what it prints, and that it never depends on them."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.start.senders import SENDERS_MAX, Senders, may_start
from atvm_pipeline.shell.state_dir.archive import ArchivedRun
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.supervisor import Local
from atvm_pipeline.shell.system.files import locked
from tests.support.project import PROJECT

STATE = {
    "build_name": "b",
    "run_id": "r",
    "phase": "COMPLETED",
    "reason": {"code": "all-passed", "text": "", "evidence": []},
    "ledger": {"planned": 1},
    "post": {"outcome": "pending"},
    "subruns": [],
}


class Recorder(Local):
    """A supervisor that starts nothing."""

    def __init__(self, refuses: Exception | None = None, fails: str | None = None) -> None:
        super().__init__()
        self.started: list[str] = []
        self._refuses, self._fails = refuses, fails

    def start_watcher(self, paths: Paths, _environment: Mapping[str, str]) -> None:
        if self._refuses is not None:
            raise self._refuses
        self.started.append(paths.folder.name)

    def wait_until_watching(self, _paths: Paths, _run_id: str, _timeout_s: float) -> str | None:
        return self._fails


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the commands on the PATH, so that they are printed by their names."""
    monkeypatch.setenv("PATH", f"{PROJECT}/bin:{os.environ['PATH']}")


@pytest.fixture
def current(tmp_path: Path) -> Paths:
    return Paths(tmp_path, "b")


def root_of(current: Paths) -> dict[str, str]:
    return {"ATVM_WATCHER_STATE_ROOT": str(current.state_root)}


def lay(current: Paths, time: str) -> Paths:
    paths = Paths(current.state_root, "b", current.archive / time)
    paths.folder.mkdir(parents=True)
    paths.state.write_text(json.dumps(STATE))
    return paths


def test_a_start_names_the_count_and_the_command_that_shows_the_run(
    current: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = Recorder()
    with Senders(supervisor, root_of(current)) as senders:
        senders.start(current, ArchivedRun(lay(current, "T1"), waiting=3))
        senders.start(current, ArchivedRun(lay(current, "T2"), waiting=1))

    assert capsys.readouterr().err.splitlines()[0] == (
        "notice: 3 messages of the previous run are not delivered yet; a sender of its own delivers them, see: "
        "atvm-pipeline status b@T1"
    )
    assert supervisor.started[:1] == ["T1"]


def test_one_message_is_in_the_singular(current: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    Senders(Recorder(), root_of(current)).start(current, ArchivedRun(lay(current, "T1"), waiting=1))

    assert "1 message of the previous run is not delivered yet; a sender of its own delivers it," in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("archived", [None, "settled"])
def test_a_previous_run_without_waiting_messages_has_no_sender_and_no_line(
    current: Paths, archived: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = Recorder()
    run = Paths(current.state_root, "b", current.archive / "T1")
    Senders(supervisor, root_of(current)).start(current, ArchivedRun(run) if archived else None)

    assert supervisor.started == []
    assert capsys.readouterr().err == ""


def test_a_run_with_a_problem_is_named_with_its_files(
    current: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Paths(current.state_root, "b", current.archive / "T1")
    Senders(Recorder(), root_of(current)).start(
        current, ArchivedRun(run, problem="the previous run had not finished")
    )

    assert (
        capsys.readouterr().err
        == f"notice: the previous run had not finished; its files are in {run.folder}\n"
    )


def test_the_messages_of_a_cancelled_run_are_named_as_dropped(
    current: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = Recorder()
    Senders(supervisor, root_of(current)).start(
        current, ArchivedRun(lay(current, "T1"), waiting=2, cancelled=True)
    )

    assert "2 messages of the previous run are dropped, because that run was cancelled (b@T1)" in (
        capsys.readouterr().err
    )
    assert supervisor.started == ["T1"]


def test_a_start_starts_the_senders_of_earlier_runs_that_are_gone_and_no_other(
    current: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = Recorder()
    lay(current, "T1")
    with locked(lay(current, "T2").watcher_lock):
        Senders(supervisor, root_of(current)).start(current, None)

    assert supervisor.started == ["T1"]
    assert "1 message of an earlier run is not delivered yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "refusal", [OSError(5, "systemctl start failed"), ConfigError("the webhook is not set")]
)
def test_a_sender_that_cannot_be_started_is_one_line_with_the_way_out(
    current: Paths, refusal: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with Senders(Recorder(refuses=refusal), root_of(current)) as senders:
        senders.start(current, ArchivedRun(lay(current, "T1"), waiting=1))

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    why = getattr(refusal, "strerror", None) or str(refusal)
    assert lines[1].startswith(f"warning: the sender of these messages did not start: {why}; ")
    assert lines[1].endswith("; start it with: atvm-pipeline deliver b@T1 --background")


def test_a_sender_that_ends_at_once_is_reported_at_the_end_of_the_start(
    current: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lay(current, "T1")
    with Senders(Recorder(fails="it ended with exit code 78"), {}) as senders:
        senders.start(current, ArchivedRun(run, waiting=1))

    assert f"did not start: it ended with exit code 78; see {run.watcher_log}" in capsys.readouterr().err


def test_a_state_root_that_the_command_would_not_find_is_named(
    current: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    Senders(Recorder(), {}).start(current, ArchivedRun(lay(current, "T1"), waiting=1))

    assert f"atvm-pipeline status b@T1 --state-root {current.state_root}" in capsys.readouterr().err


def test_a_build_has_a_limited_number_of_senders(current: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    supervisor = Recorder()
    with contextlib.ExitStack() as stack:
        for number in range(SENDERS_MAX - 1):
            stack.enter_context(locked(lay(current, f"T{number}").watcher_lock))
        senders = Senders(supervisor, root_of(current))
        senders.start(current, ArchivedRun(lay(current, "T8"), waiting=1))
        senders.start(current, ArchivedRun(lay(current, "T9"), waiting=1))
        other = Paths(current.state_root, "other", current.state_root / ".archive" / "other" / "T1")

        assert may_start(other, [])
    assert supervisor.started == ["T8"]
    assert f"{SENDERS_MAX} senders of this build are running; one of them continues with b@T9" in (
        capsys.readouterr().err
    )
