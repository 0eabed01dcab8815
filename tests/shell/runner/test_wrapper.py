"""The runner's wrapper, with real commands and real signals."""

import os
import signal
import sys
from pathlib import Path

import pytest

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.shell.exit_codes import CommandError
from atvm_pipeline.shell.processes.process_table import identity, is_alive
from atvm_pipeline.shell.runner.exit_status import note_service_result
from atvm_pipeline.shell.runner.stop import stop_runner
from atvm_pipeline.shell.runner.wrapper import run_runner
from atvm_pipeline.shell.state_dir.records import (
    ExitRecord,
    MarkerRecord,
    RunnerRecord,
    read_record,
    write_record,
)
from atvm_pipeline.shell.system.files import is_locked, locked
from tests.support.processes import RUN_ID, exit_record, make_request, runner
from tests.support.project import ONE_HOST_BUILD as BUILD
from tests.support.waiting import DEADLINE_S, wait_for

PRINT_CALL = """\
import os, sys
for word in sys.argv[1:]:
    os.write(1, word.encode("utf-8", "surrogateescape") + b"\\0")
"""
"""Replaces the runner: prints its arguments, each terminated by a NUL."""


def run(paths, **options):
    with runner(paths, **options) as wrapper:
        _out, err = wrapper.communicate(timeout=DEADLINE_S)
    return wrapper.returncode, err


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Create a FIFO: a command that reads it waits until the test writes to it."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def test_a_command_with_every_awkward_character_reaches_the_runner_unchanged(tmp_path):
    (tmp_path / "print_call.py").write_text(PRINT_CALL)
    command = (
        f"{sys.executable} {tmp_path}/print_call.py 'a b' \"c'd\" '$HOME' '%i %% %n' 'back\\slash\\n' "
        "'two\nlines' 'größer ✖' '`id`' '!x' '*' '--categorize' ''"
    )
    paths = make_request(tmp_path, command)

    code, _err = run(paths)

    words = paths.runner_log.read_bytes().decode().split("\0")[:-1]
    assert code == 0
    assert words == [
        *("a b", "c'd", "$HOME", "%i %% %n", "back\\slash\\n", "two\nlines", "größer ✖", "`id`", "!x", "*"),
        *("--categorize", ""),
    ]


def test_the_exit_code_is_the_commands_and_a_pipe_cannot_hide_it(tmp_path):
    paths = make_request(tmp_path, "(echo out; echo err >&2; exit 7) | cat")

    code, err = run(paths)

    assert (code, err) == (7, "")
    assert exit_record(paths).exit_code == 7
    assert exit_record(paths).signal is None
    assert sorted(paths.runner_log.read_text().split()) == ["err", "out"]
    assert not is_locked(paths.runner_lock)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV"])
def test_a_command_that_a_signal_ended_is_recorded_by_the_signals_name(tmp_path, name):
    paths = make_request(tmp_path, f"kill -{name} $$")

    code, _err = run(paths)

    assert code == 128 + signal.Signals[name]
    assert (exit_record(paths).exit_code, exit_record(paths).signal) == (None, name)
    assert not paths.stop.exists()


def test_a_command_that_does_not_exist_is_an_exit_code(tmp_path):
    paths = make_request(tmp_path, "no-such-program-here")

    assert run(paths)[0] == 127
    assert (exit_record(paths).exit_code, exit_record(paths).error) == (127, None)


def test_the_command_gets_the_saved_environment_and_no_secret(tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_OPTIONS": "a b",
        "MATTERMOST_ATVM_WEBHOOK": "https://x/hooks/y",
    }
    paths = make_request(tmp_path, "env -0", environment=environment)

    run(paths, env={**os.environ, "MATTERMOST_ATVM_CHANNEL": "c", "STRAY": "1"})

    lines = dict(line.split("=", 1) for line in paths.runner_log.read_text().split("\0")[:-1])
    assert lines["NODE_OPTIONS"] == "a b"
    assert lines["PYTHONUNBUFFERED"] == "1"
    assert {"STRAY", "MATTERMOST_ATVM_WEBHOOK", "MATTERMOST_ATVM_CHANNEL"}.isdisjoint(lines)


def test_the_log_is_appended_to_and_no_other_user_may_read_it(tmp_path):
    log = tmp_path / "elsewhere" / "deep" / "run.log"
    paths = make_request(tmp_path, "echo new", log_path=str(log))
    log.parent.mkdir(parents=True)
    log.write_text("old\n")
    log.unlink()

    run(paths)

    assert log.read_text() == "new\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_command_runs_in_the_working_directory_without_a_terminal_to_read_from(tmp_path):
    paths = make_request(tmp_path, "pwd; wc -c")

    run(paths)

    assert paths.runner_log.read_text().split() == [str(tmp_path / "work"), "0"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"workdir": "/no/such/folder"}, "/no/such/folder"),
        ({"log_path": "/proc/none/run.log"}, "/proc"),
        ({"log_path": "/"}, "directory"),
    ],
    ids=["workdir", "log-folder", "log-is-a-folder"],
)
def test_a_command_that_cannot_be_started_leaves_a_record_that_states_why(tmp_path, fields, told):
    paths = make_request(tmp_path, "echo never", **fields)

    code, err = run(paths)

    record = exit_record(paths)
    assert code == 69
    assert record.error is not None
    assert told in record.error
    assert record.error in err
    assert "Traceback" not in err
    assert (record.exit_code, record.signal) == (None, None)


def test_the_wrapper_waits_for_an_orphan_that_left_the_session(tmp_path, gate):
    paths = make_request(tmp_path, f"setsid bash -c '(read -r x < {gate}; echo orphan) &' ; exit 3")

    with runner(paths) as wrapper:
        wait_for(paths.runner.exists, "the runner's record")
        record = read_record(paths.runner, RunnerRecord, RUN_ID)
        assert record is not None
        assert record.command_pid is not None
        wait_for(lambda: identity(record.command_pid) is None, "the command's end")
        assert wrapper.poll() is None
        assert is_alive(record.pid, record.create_time)
        assert not paths.runner_exit.exists()
        gate.write_text("go\n")
        wrapper.communicate(timeout=DEADLINE_S)

    assert wrapper.returncode == 3
    assert exit_record(paths).survivors == ()
    assert paths.runner_log.read_text() == "orphan\n"


def test_an_orphan_that_outlives_the_limit_is_named_in_the_record(tmp_path):
    until_it_sleeps = "until [[ $(cat /proc/$!/comm) == sleep ]]; do sleep 0.05; done"
    paths = make_request(tmp_path, f"setsid sleep 300 & {until_it_sleeps}; exit 0", orphan_limit_s=0.3)

    code, _err = run(paths)

    survivors = exit_record(paths).survivors
    assert code == 0
    assert [process.name for process in survivors] == ["sleep"]
    assert is_alive(survivors[0].pid, survivors[0].create_time)

    stopped = stop_runner(paths, who="test", why="")

    assert stopped == (True, "runner stopped")
    assert not is_alive(survivors[0].pid, survivors[0].create_time)


def test_zombies_are_reaped_and_are_not_alive(tmp_path):
    """If a parent never reaps a process that has ended, the process must not keep the run open after that parent ends."""
    paths = make_request(
        tmp_path, "bash -c 'for i in 1 2 3; do (exit 0) & done; exec sleep 0.2'", orphan_limit_s=DEADLINE_S
    )

    assert run(paths)[0] == 0
    assert exit_record(paths).survivors == ()


def test_sigterm_to_the_wrapper_reaches_the_tree_and_is_remembered_as_a_stop(tmp_path):
    """The command handles SIGTERM and exits with 0. Only the marker distinguishes this from a successful end."""
    paths = make_request(tmp_path, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")

    with runner(paths) as wrapper:
        wait_for(lambda: paths.runner_log.exists() and paths.runner_log.read_text(), "the command")
        wrapper.send_signal(signal.SIGTERM)
        wrapper.communicate(timeout=DEADLINE_S)

    stop = read_record(paths.stop, MarkerRecord, RUN_ID)
    assert wrapper.returncode == 0
    assert "bye" in paths.runner_log.read_text()
    assert stop is not None
    assert "SIGTERM" in stop.who


def test_a_lost_terminal_does_not_end_the_run(tmp_path, gate):
    paths = make_request(tmp_path, f"read -r x < {gate}; exit 5")

    with runner(paths) as wrapper:
        wait_for(paths.runner.exists, "the runner's record")
        wrapper.send_signal(signal.SIGHUP)
        gate.write_text("go\n")
        wrapper.communicate(timeout=DEADLINE_S)

    assert wrapper.returncode == 5


def test_a_second_runner_of_a_living_run_is_refused_in_one_line(tmp_path):
    paths = make_request(tmp_path, "true")

    with locked(paths.runner_lock):
        code, err = run(paths)

    assert code == 75
    assert err.count("\n") == 1
    assert not paths.runner_exit.exists()


@pytest.mark.parametrize("record", ["exit", "runner"])
def test_a_run_that_had_its_runner_does_not_get_another_one(tmp_path, record):
    paths = make_request(tmp_path, "touch started")
    run(paths)
    (tmp_path / "work" / "started").unlink()
    if record == "runner":
        paths.runner_exit.unlink()

    assert run(paths)[0] == 75
    assert not (tmp_path / "work" / "started").exists()


def test_a_request_without_a_command_or_of_another_run_is_no_request(tmp_path):
    paths = make_request(tmp_path, None)

    with pytest.raises(DataError, match="contains no runner command"):
        run_runner(paths)
    with pytest.raises(DataError):
        run_runner(paths, run_id="another")


def test_an_exit_record_of_another_run_does_not_stop_a_new_one(tmp_path):
    paths = make_request(tmp_path, "exit 4")
    run(paths)
    make_request(tmp_path, "exit 5", run_id="f" * 16)

    assert run(paths)[0] == 5


def test_stopping_ends_the_complete_tree_and_leaves_the_wrappers_record(tmp_path):
    paths = make_request(
        tmp_path, "trap '' TERM; (trap '' TERM; setsid sleep 300) & echo up; sleep 300; sleep 300"
    )

    with runner(paths) as wrapper:
        wait_for(lambda: paths.runner_log.exists() and paths.runner_log.read_text(), "the command")
        result = stop_runner(paths, who="somebody", why="enough", grace_s=0.5)
        wrapper.communicate(timeout=DEADLINE_S)

    stop = read_record(paths.stop, MarkerRecord, RUN_ID)
    assert result == (True, "runner stopped")
    assert exit_record(paths).signal == "SIGKILL"
    assert stop is not None
    assert (stop.who, stop.why) == ("somebody", "enough")
    assert stop_runner(paths, who="somebody", why="again") == (True, "no runner is running")


def test_a_tree_whose_wrapper_was_killed_can_still_be_stopped(tmp_path):
    paths = make_request(tmp_path, "echo up; sleep 300; sleep 300")

    with runner(paths) as wrapper:
        wait_for(lambda: paths.runner_log.exists() and paths.runner_log.read_text(), "the command")
        wait_for(paths.runner.exists, "the runner's record")
        wrapper.kill()
        wrapper.communicate(timeout=DEADLINE_S)
    record = read_record(paths.runner, RunnerRecord, RUN_ID)
    assert record is not None
    assert record.command_pid is not None
    assert identity(record.command_pid) is not None

    result = stop_runner(paths, who="somebody", why="", grace_s=5)

    assert result == (True, "runner stopped")
    assert identity(record.command_pid) is None


def test_a_stop_without_a_runner_changes_nothing(tmp_path):
    paths = make_request(tmp_path, "true")

    assert stop_runner(paths, who="x", why="") == (True, "no runner is running")
    assert not paths.stop.exists()


def service(result, kind, status):
    return {"SERVICE_RESULT": result, "EXIT_CODE": kind, "EXIT_STATUS": status}


def test_systemds_word_is_added_to_the_wrappers_record(tmp_path):
    paths = make_request(tmp_path, "exit 3")
    run(paths)
    before = exit_record(paths)

    note_service_result(paths, service("exit-code", "exited", "3"))

    after = exit_record(paths)
    assert (after.service_result, after.exit_code, after.finished_at) == ("exit-code", 3, before.finished_at)


def test_systemd_makes_the_record_that_a_killed_wrapper_could_not_write(tmp_path):
    paths = make_request(tmp_path, "true")
    write_record(
        paths.runner,
        RunnerRecord(
            build_name=BUILD,
            run_id=RUN_ID,
            pid=1,
            create_time=0.0,
            started_at=read_request_time(paths),
        ),
    )

    note_service_result(paths, service("oom-kill", "killed", "KILL"))

    record = exit_record(paths)
    assert (record.signal, record.exit_code, record.service_result) == ("SIGKILL", None, "oom-kill")
    assert record.error is None


def read_request_time(paths):
    from atvm_pipeline.shell.state_dir.records import Request

    request = read_record(paths.request, Request)
    assert request is not None
    return request.requested_at


def test_a_service_that_never_started_the_command_is_an_error(tmp_path):
    paths = make_request(tmp_path, "true")

    note_service_result(paths, service("exit-code", "exited", "203"))

    record = exit_record(paths)
    assert record.error is not None
    assert "203" in record.error
    assert record.exit_code is None


def test_a_refused_service_reports_nothing_about_the_run(tmp_path):
    paths = make_request(tmp_path, "true")

    note_service_result(paths, service("exit-code", "exited", "75"))
    with locked(paths.runner_lock):
        note_service_result(paths, service("exit-code", "exited", "1"))
    note_service_result(paths, {})

    assert read_record(paths.runner_exit, ExitRecord) is None


def test_a_refusal_is_raised_with_its_exit_code(tmp_path):
    paths = make_request(tmp_path, "true")

    with locked(paths.runner_lock), pytest.raises(CommandError) as refused:
        run_runner(paths)

    assert refused.value.code == 75
    assert Path(paths.runner_lock).exists()
