"""The template step, with real commands."""

import os
import signal
import subprocess
import sys

import pytest

from atvm_pipeline.shell.start import template
from atvm_pipeline.shell.start.template import keep_output, run_template
from tests.support.project import ONE_HOST_BUILD as BUILD, PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def test_output_and_exit_code_of_the_command_are_kept(tmp_path):
    result = run_template("echo out; echo err >&2; exit 4", tmp_path, ENVIRONMENT, BUILD, tmp_path)

    assert (result.exit_code, result.signal) == (4, None)
    assert result.log_path == tmp_path / f"{BUILD}.launch.log"
    assert result.log_path.read_text() == "out\nerr\n"
    assert result.log_path.stat().st_mode & 0o777 == 0o600
    assert result.tail == ("out", "err")
    assert os.listdir(tmp_path) == [f"{BUILD}.launch.log"]


def test_a_copy_of_the_output_is_kept_with_the_run(tmp_path):
    run_template("echo out", tmp_path, ENVIRONMENT, BUILD, tmp_path)
    kept = tmp_path / "template.log"
    keep_output(BUILD, tmp_path, kept)

    assert kept.read_text() == "out\n"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_of_a_long_output_the_end_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(template, "KEPT_BYTES_MAX", 4)
    (tmp_path / f"{BUILD}.launch.log").write_text("123456\n")
    keep_output(BUILD, tmp_path, tmp_path / "template.log")

    assert (tmp_path / "template.log").read_text() == "456\n"


@pytest.mark.parametrize("place", ["nowhere", "folder"])
def test_a_copy_that_fails_is_not_an_error(place, tmp_path):
    (tmp_path / "folder").mkdir()
    if place == "folder":
        (tmp_path / f"{BUILD}.launch.log").write_text("x")
    keep_output(BUILD, tmp_path, tmp_path / place)

    assert not (tmp_path / "folder").is_file()
    assert sorted(os.listdir(tmp_path / "folder")) == []


def test_it_runs_in_the_working_directory_with_the_given_environment_only(tmp_path):
    (tmp_path / "work").mkdir()
    environment = {**ENVIRONMENT, "NODE_ENV": "a b"}

    result = run_template(
        "pwd; echo $NODE_ENV; echo ${HOME-none}", tmp_path / "work", environment, BUILD, tmp_path
    )

    assert result.tail == (str(tmp_path / "work"), "a b", "none")


def test_a_failure_inside_a_pipe_is_a_failure(tmp_path):
    assert run_template("exit 3 | cat", tmp_path, ENVIRONMENT, BUILD, tmp_path).exit_code == 3


def test_a_signal_is_named(tmp_path):
    result = run_template("kill -KILL $$", tmp_path, ENVIRONMENT, BUILD, tmp_path)

    assert (result.exit_code, result.signal) == (None, "SIGKILL")


def test_a_link_laid_in_the_way_is_replaced_and_not_written_through(tmp_path):
    """Every user can write to the directory: one could guess the name and wait for root to write there."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f"{BUILD}.launch.log").symlink_to(victim)

    result = run_template("echo mine", tmp_path, ENVIRONMENT, BUILD, tmp_path)

    assert victim.read_text() == "precious"
    assert not result.log_path.is_symlink()
    assert result.log_path.read_text() == "mine\n"


def test_the_tail_is_twenty_lines_that_cannot_control_a_terminal(tmp_path):
    command = "seq 1 100; printf '\\033[31mred\\033[0m \\033]0;title\\007\\r\\b\\xff \\u202e end\\n\\n'; printf 'x%.0s' {1..9000}"

    result = run_template(command, tmp_path, {**ENVIRONMENT, "LC_ALL": "C.UTF-8"}, BUILD, tmp_path)

    assert len(result.tail) == 20
    assert result.tail[0] == "83"
    assert result.tail[-2].startswith("red")
    assert all(line.isprintable() and len(line) <= 500 for line in result.tail)


def test_a_command_that_cannot_be_started_is_an_oserror_that_names_the_directory(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        run_template("echo never", tmp_path / "none", ENVIRONMENT, BUILD, tmp_path)

    assert error.value.filename == str(tmp_path / "none") or error.value.filename == tmp_path / "none"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_start_ends_its_template_command(tmp_path, name):
    """The signal is sent to the starter alone, as `kill` sends it; ^C would reach both."""
    program = (
        "import signal, sys; from pathlib import Path; from atvm_pipeline.shell.start.template import run_template\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup\n"
        "here = Path(sys.argv[1])\n"
        "try:\n"
        "    run_template('echo $$ > pid; exec sleep 300', here, {'PATH': sys.argv[2]}, 'b', here)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path, os.environ["PATH"]], cwd=PROJECT
    ) as starter:
        pid = tmp_path / "pid"
        wait_for(lambda: pid.exists() and pid.read_text().strip(), "the template command")
        starter.send_signal(signal.Signals[name])
        starter.wait(DEADLINE_S)

    assert starter.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_start_under_nohup_outlives_the_terminal(tmp_path):
    program = (
        "import sys; from pathlib import Path; from atvm_pipeline.shell.start.template import run_template\n"
        "here = Path(sys.argv[1])\n"
        "run_template('echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done', here, {'PATH': sys.argv[2]}, 'b', here)\n"
    )
    with subprocess.Popen(
        ["nohup", sys.executable, "-c", program, tmp_path, os.environ["PATH"]],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as starter:
        pid = tmp_path / "pid"
        wait_for(lambda: pid.exists() and pid.read_text().strip(), "the template command")
        starter.send_signal(signal.SIGHUP)
        (tmp_path / "go").touch()
        starter.wait(DEADLINE_S)

    assert starter.returncode == 0
