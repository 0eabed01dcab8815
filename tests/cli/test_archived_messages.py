"""Undelivered messages in `status`, `doctor`, the sweep at boot and the alert: current runs, and archived ones."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.cli.commands import sweep
from atvm_pipeline.cli.doctor_checks.finding import DoctorFinding, Where
from atvm_pipeline.cli.doctor_checks.runs import runs
from atvm_pipeline.cli.main import main
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.install.layout import Places
from atvm_pipeline.shell.start.senders import SENDERS_MAX
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.supervisor import Local
from atvm_pipeline.shell.system.files import locked
from tests.support.mattermost_server import MattermostModel

TIME = "2026-11-24T00:00:00Z"
PENDING = {"outcome": "pending", "detail": "connection refused"}
STATE: dict[str, Any] = {
    "build_name": "b",
    "run_id": "r",
    "phase": "COMPLETED",
    "reason": {"code": "all-passed", "text": "All passed.", "evidence": []},
    "ledger": {"planned": 1, "passed": 1},
    "post": None,
    "subruns": [],
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("ATVM_", "MATTERMOST_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ATVM_WATCHER_ENV_FILE", os.devnull)


def lay(root: Path, time: str | None = TIME, **more: Any) -> Paths:
    """Write a run of build b: an archived one, or with `time` None the current one."""
    paths = Paths(root, "b", root / ".archive" / "b" / time if time is not None else None)
    paths.folder.mkdir(parents=True)
    paths.watcher_lock.parent.mkdir(exist_ok=True)
    paths.state.write_text(json.dumps({**STATE, **more}, indent=1))
    paths.request.write_text(
        json.dumps(
            {
                "build_name": "b",
                "run_id": "r",
                "requested_at": "2026-11-24T00:00:00Z",
                "workdir": "/",
                "log_path": "/l",
                "artifacts_dir": "/a",
                "alert_channel": "alerts",
            }
        )
    )
    return paths


def findings(root: Path) -> list[DoctorFinding]:
    return runs(Where({}, root, Places(Path("/nowhere"))))


def shown(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["status", "--state-root", str(root)]) == 0
    return capsys.readouterr().out


# --- doctor ---


def test_doctor_counts_the_messages_that_a_living_watcher_delivers(tmp_path: Path) -> None:
    paths = lay(tmp_path, None, post=PENDING, subruns=[])
    with locked(paths.watcher_lock):
        (found,) = findings(tmp_path)

    assert found.ok
    assert found.text == "b: 1 message is not delivered yet; its watcher delivers: connection refused"


def test_doctor_names_an_archived_run_whose_sender_is_gone_with_the_command_that_starts_it(
    tmp_path: Path,
) -> None:
    lay(tmp_path, post=PENDING, alerts=[{"outcome": "pending"}])
    (found,) = findings(tmp_path)

    assert not found.ok
    assert (
        found.text == f"b@{TIME} (archived): 2 messages are not delivered yet and its sender is not running"
    )
    assert found.fix == f"atvm-pipeline deliver b@{TIME} --background"


def test_doctor_has_no_complaint_while_the_sender_of_an_archived_run_lives(tmp_path: Path) -> None:
    with locked(lay(tmp_path, post=PENDING).watcher_lock):
        (found,) = findings(tmp_path)

    assert found.ok
    assert found.text.endswith("; its sender delivers: connection refused")


def test_doctor_names_an_archived_run_with_a_lost_message(tmp_path: Path) -> None:
    lay(tmp_path, post={"outcome": "rejected"})
    (found,) = findings(tmp_path)

    assert (found.ok, found.fix) == (False, f"atvm-pipeline resend b@{TIME}")


def test_doctor_states_that_nothing_is_undelivered_only_where_that_is_so(tmp_path: Path) -> None:
    lay(tmp_path, post={"outcome": "sent"})
    (found,) = findings(tmp_path)

    assert (found.ok, found.text) == (True, "every unfinished run is watched, and no message is undelivered")


# --- status ---


def test_status_shows_archived_runs_with_waiting_messages_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path, None)
    lay(tmp_path, "1", post={"outcome": "sent"})
    lay(tmp_path, "2", post={"outcome": "rejected"})
    waiting = lay(tmp_path, "3", post=PENDING)
    without = shown(tmp_path, capsys)
    with locked(waiting.watcher_lock):
        during = shown(tmp_path, capsys)

    assert "b@1" not in without
    assert "b@2" not in without
    assert "\nb@3 " in without
    assert "\n  1 message is not delivered yet: connection refused, and no sender is running\n" in without
    assert "\n  1 message is not delivered yet: connection refused\n" in during


# --- sweep ---


class Recorder(Local):
    """A supervisor that starts nothing."""

    def __init__(self, refuses: Exception | None = None) -> None:
        super().__init__()
        self.started: list[str] = []
        self._refuses = refuses

    def start_watcher(self, paths: Paths, _environment: Mapping[str, str]) -> None:
        if self._refuses is not None:
            raise self._refuses
        self.started.append(address_of(paths))


def swept(root: Path, monkeypatch: pytest.MonkeyPatch, supervisor: Recorder) -> int:
    monkeypatch.setattr(sweep, "choose", lambda _name: supervisor)
    return main(["sweep", "--state-root", str(root)])


def test_the_sweep_starts_the_senders_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path, None)
    lay(tmp_path, "1", post={"outcome": "sent"})
    lay(tmp_path, "2", post=PENDING)
    supervisor = Recorder()
    with locked(lay(tmp_path, "3", post=PENDING).watcher_lock):
        code = swept(tmp_path, monkeypatch, supervisor)

    assert (code, supervisor.started) == (0, ["b@2"])
    assert capsys.readouterr().out == "b@2: 1 message not delivered; its sender was started\n"


def test_the_sweep_starts_no_more_senders_of_a_build_than_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(SENDERS_MAX + 2):
        lay(tmp_path, f"{number}", post=PENDING)
    supervisor = Recorder()
    swept(tmp_path, monkeypatch, supervisor)

    assert len(supervisor.started) == SENDERS_MAX


def test_a_sender_that_cannot_be_started_ends_the_sweep_with_69(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path, post=PENDING)
    code = swept(tmp_path, monkeypatch, Recorder(ConfigError("the webhook is not set")))

    assert code == 69
    assert "its sender could not be started: the webhook is not set" in capsys.readouterr().err


# --- alert ---


def alerted(root: Path, monkeypatch: pytest.MonkeyPatch, server: MattermostModel) -> int:
    monkeypatch.setenv("MATTERMOST_ATVM_WEBHOOK", server.url)
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", "signal")
    return main(["alert", f"b@{TIME}", "--state-root", str(root)])


def test_the_death_of_a_sender_is_reported_with_the_command_that_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, post=PENDING)
    with MattermostModel() as server:
        code = alerted(tmp_path, monkeypatch, server)
        (post,) = server.posts

    assert code == 0
    assert "the sender of the archived run" in post.text
    assert "died (killed by a signal) and is not restarted; 1 message not delivered" in post.text
    assert "--background" in post.text


def test_a_sender_that_lost_a_message_is_reported_with_the_command_that_sends_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, post={"outcome": "rejected"}, phase="RUNNING")
    with MattermostModel() as server:
        alerted(tmp_path, monkeypatch, server)
        (post,) = server.posts

    assert "1 message was rejected" in post.text
    assert "atvm-pipeline resend b" in post.text


def test_a_sender_that_runs_again_or_has_delivered_all_is_no_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = lay(tmp_path, post=PENDING)
    with MattermostModel() as server:
        with locked(paths.watcher_lock):
            again = alerted(tmp_path, monkeypatch, server)
        paths.state.write_text(json.dumps({**STATE, "post": {"outcome": "sent"}}))
        done = alerted(tmp_path, monkeypatch, server)

        assert server.requests == 0
    assert (again, done) == (0, 0)
    assert capsys.readouterr().err.splitlines() == [
        f"b@{TIME} is being watched: nothing to report",
        f"b@{TIME} has ended (COMPLETED); all messages are settled.",
    ]
