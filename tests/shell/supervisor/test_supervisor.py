"""Both supervisors: `local` with real processes, `systemd` with a systemctl that records its calls."""

import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.config import settings
from atvm_pipeline.shell.exit_codes import CommandError
from atvm_pipeline.shell.processes.process_table import is_alive, read_row, self_identity
from atvm_pipeline.shell.runner.stop import stop_runner
from atvm_pipeline.shell.state_dir.records import (
    Paths,
    RunnerRecord,
    WatcherRecord,
    read_record,
    write_record,
)
from atvm_pipeline.shell.supervisor import Local, Systemd, choose, systemd
from atvm_pipeline.shell.system.clock import now
from atvm_pipeline.shell.system.files import is_locked
from tests.support.privileges import needs
from tests.support.processes import RUN_ID, exit_record, make_request, pipeline
from tests.support.project import ONE_HOST_BUILD as BUILD
from tests.support.waiting import DEADLINE_S, SOON_S, wait_for

WEBHOOK = "http://127.0.0.1:9/hooks/abcdefghijklmnopqrstuvwxyz"


def environment(**more):
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ATVM_", "MATTERMOST_"))
    }
    return {
        **kept,
        "ATVM_WATCHER_ENV_FILE": os.devnull,
        "MATTERMOST_ATVM_WEBHOOK": WEBHOOK,
        "MATTERMOST_ATVM_CHANNEL": "atvm",
        **more,
    }


def environ_of(pid):
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.fixture
def watched(tmp_path):
    """Create a watched request. Its watcher has ended when the test has ended."""
    paths = make_request(tmp_path, "echo up; sleep 300")
    local = Local()
    local.start_watcher(paths, environment(ATVM_PROG="start-atvm-run.sh"))
    reason = local.wait_until_watching(paths, RUN_ID, DEADLINE_S)
    assert reason is None, paths.watcher_log.read_text()
    yield local, paths
    stop_runner(paths, who="test", why="over", grace_s=1)
    local.stop_watcher(paths, DEADLINE_S)
    assert not is_locked(paths.watcher_lock)


def watcher_of(paths):
    record = read_record(paths.watcher, WatcherRecord, RUN_ID)
    assert record is not None
    return record


def test_the_watcher_is_detached_and_the_secret_is_only_in_its_environment(watched):
    _local, paths = watched
    record = watcher_of(paths)

    assert is_locked(paths.watcher_lock)
    assert os.getsid(record.pid) == record.pid
    assert b"hooks" not in Path(f"/proc/{record.pid}/cmdline").read_bytes()
    assert b"MATTERMOST_ATVM_WEBHOOK=" in environ_of(record.pid)
    assert b"ATVM_PROG" not in environ_of(record.pid)
    assert [Path(f"/proc/{record.pid}/fd/{n}").readlink() for n in (0, 1, 2)] == [
        Path(os.devnull),
        paths.watcher_log,
        paths.watcher_log,
    ]
    assert paths.watcher_log.stat().st_mode & 0o777 == 0o600
    assert b"hooks" not in b"".join(f.read_bytes() for f in paths.folder.rglob("*") if f.is_file())


def test_the_runners_wrapper_gets_no_secret_and_is_its_own_session(watched, monkeypatch):
    local, paths = watched
    monkeypatch.setenv("MATTERMOST_ATVM_WEBHOOK", WEBHOOK)

    local.start_runner(paths)

    assert local.wait_until_running(paths, RUN_ID, DEADLINE_S) is None
    record = read_record(paths.runner, RunnerRecord, RUN_ID)
    assert record is not None
    assert record.command_pid is not None
    assert os.getsid(record.pid) == record.pid
    assert os.getsid(record.command_pid) == record.command_pid
    assert b"MATTERMOST" not in environ_of(record.pid) + environ_of(record.command_pid)


def test_a_watcher_is_stopped_by_sigterm_and_the_lock_is_free_afterwards(watched):
    local, paths = watched
    record = watcher_of(paths)

    local.stop_watcher(paths, DEADLINE_S)

    assert not is_locked(paths.watcher_lock)
    assert not is_alive(record.pid, record.create_time)


def test_a_watcher_that_does_not_hear_is_killed_after_the_timeout(watched):
    local, paths = watched
    record = watcher_of(paths)
    os.kill(record.pid, signal.SIGSTOP)

    local.stop_watcher(paths, 0.3)

    assert not is_locked(paths.watcher_lock)
    assert not is_alive(record.pid, record.create_time)


def test_stopping_a_watcher_that_is_not_there_is_done_at_once(tmp_path):
    paths = make_request(tmp_path, "true")
    pid, create_time = self_identity()
    write_record(
        paths.watcher,
        WatcherRecord(build_name=BUILD, run_id=RUN_ID, pid=pid, create_time=create_time, started_at=now()),
    )
    begin = time.monotonic()

    Local().stop_watcher(paths, DEADLINE_S)

    # This process is still running, which shows that a record without a held lock gets no signal.
    assert time.monotonic() - begin < SOON_S


def test_a_watcher_that_cannot_start_is_reported_early_and_with_its_end(tmp_path):
    paths = make_request(tmp_path, "true", dialect_path="/no/such/dialect.toml")
    local = Local()

    local.start_watcher(paths, environment())
    reason = local.wait_until_watching(paths, RUN_ID, DEADLINE_S)

    assert reason == "it ended with exit code 78"
    assert "dialect" in paths.watcher_log.read_text()


def test_a_runner_that_cannot_start_is_reported_with_its_own_reason(tmp_path):
    paths = make_request(tmp_path, "true", workdir="/no/such/folder")
    local = Local()

    local.start_runner(paths)

    assert "/no/such/folder" in str(local.wait_until_running(paths, RUN_ID, DEADLINE_S))
    assert exit_record(paths).error is not None


def test_a_runner_that_has_ended_already_did_run(tmp_path):
    paths = make_request(tmp_path, "exit 9")
    local = Local()
    local.start_runner(paths)
    wait_for(paths.runner_exit.exists, "the exit record")

    assert local.wait_until_running(paths, RUN_ID, DEADLINE_S) is None


def test_what_was_never_started_is_not_waited_for(tmp_path):
    paths = make_request(tmp_path, "true")

    assert Local().wait_until_running(paths, RUN_ID, DEADLINE_S) == "it was not started"


def test_both_outlive_the_process_that_started_them(tmp_path):
    """The starter is a separate process here, and has ended."""
    paths = make_request(tmp_path, "echo up; sleep 300")
    program = (
        "import sys, os; from pathlib import Path\n"
        "from atvm_pipeline.shell.state_dir.records import Paths; from atvm_pipeline.shell.supervisor import Local\n"
        f"paths = Paths(Path({str(paths.state_root)!r}), {BUILD!r}); local = Local(); local.start_runner(paths)\n"
        f"sys.exit(local.wait_until_running(paths, {RUN_ID!r}, {DEADLINE_S}))\n"
    )
    starter = pipeline.__globals__["subprocess"].run(
        [sys.executable, "-c", program], check=False, timeout=DEADLINE_S
    )

    record = read_record(paths.runner, RunnerRecord, RUN_ID)
    assert starter.returncode == 0
    assert record is not None
    assert is_alive(record.pid, record.create_time)
    row = read_row(record.pid)
    assert row is not None
    assert row.parent != os.getpid()
    assert stop_runner(paths, who="test", why="").stopped
    assert exit_record(paths).signal == "SIGTERM"


# --- systemd ---


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Install a systemctl that records its arguments and answers from the file `answer`; return a reader of the calls."""
    folder = tmp_path / "fake-bin"
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(
        f'#!/bin/bash\nprintf "%s\\n" "$*" >>{folder}/calls\n[[ $3 != start || ! -e {folder}/refuse ]] || exit 5\n'
        f"cat {folder}/answer 2>/dev/null || true\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    env_file = tmp_path / "env"
    env_file.write_text(f"MATTERMOST_ATVM_WEBHOOK={WEBHOOK}\nATVM_WATCHER_STATE_ROOT={tmp_path}/state\n")
    monkeypatch.setattr(settings, "ENV_FILE", env_file)
    return folder


def calls(folder):
    prefix = "--no-ask-password --no-pager "
    return [line.removeprefix(prefix) for line in (folder / "calls").read_text().splitlines()]


def test_units_bear_the_build_name_as_it_is(tmp_path, systemctl):
    paths = make_request(tmp_path, "true")

    Systemd().start_watcher(paths, environment())
    Systemd().start_runner(paths)
    Systemd().stop_watcher(paths, 5)

    assert calls(systemctl) == [
        f"reset-failed atvm-run-watcher@{BUILD}.service",
        f"start --no-block atvm-run-watcher@{BUILD}.service",
        f"reset-failed atvm-runner@{BUILD}.service",
        f"start --no-block atvm-runner@{BUILD}.service",
        f"stop atvm-run-watcher@{BUILD}.service",
    ]


def test_the_unit_of_a_sender_bears_the_build_name_and_the_time_of_the_archived_run(tmp_path, systemctl):
    build = Paths(tmp_path / "state", BUILD)
    paths = Paths(build.state_root, BUILD, build.archive / "2026-11-24T00:00:00Z")
    unit = f"atvm-run-deliver@{BUILD}@2026-11-24T00:00:00Z.service"

    Systemd().start_watcher(paths, environment())
    Systemd().stop_watcher(paths, 5)

    assert calls(systemctl) == [f"reset-failed {unit}", f"start --no-block {unit}", f"stop {unit}"]


def test_a_unit_that_failed_is_reported_early(tmp_path, systemctl):
    paths = make_request(tmp_path, "true")
    (systemctl / "answer").write_text("ActiveState=failed\nResult=exit-code\nExecMainStatus=78\n")

    reason = Systemd().wait_until_watching(paths, RUN_ID, DEADLINE_S)

    assert reason is not None
    assert "exit-code, status 78" in reason
    assert f"journalctl -u atvm-run-watcher@{BUILD}.service" in reason


@pytest.mark.parametrize(
    "answer", ["ActiveState=activating\n", "ActiveState=inactive\nJob=17\n", "ActiveState=active\n", ""]
)
def test_a_unit_that_starts_is_waited_for_until_the_limit(tmp_path, systemctl, answer):
    paths = make_request(tmp_path, "true")
    (systemctl / "answer").write_text(answer)

    assert Systemd().wait_until_running(paths, RUN_ID, 0.2) == "it is not running after 0 s"


def test_a_unit_that_systemd_refuses_is_one_line(tmp_path, systemctl):
    paths = make_request(tmp_path, "true")
    (systemctl / "refuse").touch()

    with pytest.raises(OSError, match=r"systemctl start atvm-runner@.* failed"):
        Systemd().start_runner(paths)


def test_another_state_root_than_the_services_is_refused_before_anything_starts(tmp_path, systemctl):
    paths = make_request(tmp_path / "other" if (tmp_path / "other").mkdir() is None else tmp_path, "true")

    with pytest.raises(ConfigError, match="ATVM_WATCHER_STATE_ROOT"):
        Systemd().start_watcher(paths, environment())

    assert not (systemctl / "calls").exists()


def test_a_webhook_that_the_service_would_not_see_is_refused_without_showing_it(tmp_path, systemctl):
    paths = make_request(tmp_path, "true")
    settings.ENV_FILE.write_text(f"ATVM_WATCHER_STATE_ROOT={tmp_path}/state\n")

    with pytest.raises(ConfigError) as error:
        Systemd().check(paths, environment())

    assert "MATTERMOST_ATVM_WEBHOOK" in str(error.value)
    assert "hooks" not in str(error.value)


def test_a_local_start_stops_a_watcher_of_systemd_by_its_unit(watched, systemctl):
    """If it were killed, systemd would start it again."""
    local, paths = watched
    make_request(paths.state_root.parent, "true", supervisor="systemd")

    local.stop_watcher(paths, DEADLINE_S)

    assert f"stop atvm-run-watcher@{BUILD}.service" in calls(systemctl)
    assert not is_locked(paths.watcher_lock)


def test_auto_is_local_where_systemd_is_not_pid_1(tmp_path, systemctl, monkeypatch):
    monkeypatch.setattr(systemd, "RUNNING", tmp_path / "none")

    assert choose("auto").name == "local"
    assert choose("local").name == "local"
    with pytest.raises(CommandError) as refused:
        choose("systemd")
    assert refused.value.code == 69


@needs(None if os.geteuid() == 0 else "only root may start units")
def test_auto_is_systemd_where_it_runs_and_has_both_units(tmp_path, systemctl, monkeypatch):
    monkeypatch.setattr(systemd, "RUNNING", tmp_path)

    assert choose("auto").name == "systemd"
    assert choose("systemd").name == "systemd"
    assert calls(systemctl)[:2] == ["cat atvm-run-watcher@.service", "cat atvm-runner@.service"]
