"""The output of a start, through the wrappers, when the runner ends at once; and the moment when the start returns."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.system.files import is_locked
from tests.support.controller import BIN, Controller
from tests.support.project import BUILD
from tests.support.waiting import DEADLINE_S, wait_for

HEADER = r"printf '\n  (Run Starting)\n\n  ┌────────────────────────┐\n  │ Cypress:        12.17.4 │\n'"
WAIT_S = 2.0
PATIENT = f"""\
from atvm_pipeline.shell.start import first_moments as first_line
first_line.FIRST_LINE_WAIT_S = {DEADLINE_S}
"""
IMPATIENT = {"PYTHONPATH": ""}
"""The environment of a start that waits for two seconds."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Controller]:
    """A controller whose starts wait for a runner's first moments as long as a busy machine may take."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(PATIENT)
    with Controller(tmp_path, ATVM_RUNNER_ORPHAN_LIMIT_S="1", PYTHONPATH=str(site)) as controller:
        yield controller


class Answer(NamedTuple):
    code: int
    out: str
    lines: list[str]
    took_s: float


def start(
    host: Controller, runner: str, *more: str, wrapper: str = "start-atvm-run.sh", **environ: str
) -> Answer:
    words = ["--build-name", BUILD, "--runner-command", runner, "--supervisor", "local"]
    began_s = time.monotonic()
    done = host.call(wrapper, *words, *more, environ=environ)
    assert "Traceback" not in done.stderr
    return Answer(done.returncode, done.stdout, done.stderr.splitlines(), time.monotonic() - began_s)


def line_of(answer: Answer, word: str) -> str:
    (found,) = [line for line in answer.lines if word in line]
    return found


@pytest.mark.parametrize(
    ("runner", "words", "last"),
    [
        ("no-such-runner --x", "exit code 127 (command not found)", "no-such-runner: command not found"),
        ("./not-executable", "exit code 126 (the command is not executable", "Permission denied"),
        ("/tmp", "exit code 126 (the command is not executable", "Is a directory"),
        ("echo 'config gold.ts: not UTF-8' >&2; exit 1", "exit code 1,", "config gold.ts: not UTF-8"),
        ("echo late; sleep 1; exit 112", "exit code 112 (with --posix-exit-codes", "late"),
        ("exit 130", "exit code 130 (SIGINT: interrupted", None),
        ("exit 137", "exit code 137 (SIGKILL: killed", None),
        ("exit 143", "exit code 143 (SIGTERM: asked to stop", None),
        ("kill -KILL $$", "by signal SIGKILL (killed", None),
        ("kill -SEGV $$", "by signal SIGSEGV (the program crashed)", None),
        ("true | false", "exit code 1,", None),
        ("python3 -c 'raise SystemExit(\"no licence\")'", "exit code 1,", "no licence"),
        ("echo 'sh: 1: cypress: not found'; exit 127", "exit code 127", "sh: 1: cypress: not found"),
    ],
)
def test_a_runner_that_ends_at_once_in_failure_ends_the_start_with_cause_and_last_lines(
    runner: str, words: str, last: str | None, host: Controller
) -> None:
    (host.workdir / "not-executable").write_text("#!/bin/sh\n")
    answer = start(host, runner)
    said = line_of(answer, "ended at once")

    assert (answer.code, answer.out) == (69, "")
    assert said.startswith(f"start-atvm-run.sh: the runner of build {BUILD} ended at once ")
    assert words in said
    assert f"the watcher reports it, see {BIN / 'atvm-pipeline'} explain {BUILD};" in said
    assert str(host.state_root / BUILD / "runner.log") in said
    assert ("it is empty" in said) == (last is None)
    assert last is None or last in answer.lines[-1]
    host.wait()
    assert host.state()["phase"] in ("FAILED", "TERMINATED", "UNKNOWN")


@pytest.mark.parametrize(
    "runner",
    [
        "true",
        "echo no work to do",
        f"{HEADER}; exit 3",
        f"{HEADER} | sed 's/^/x/'",
        'echo "Can\'t run because no spec files were found."; exit 1',
    ],
)
def test_any_other_end_within_two_seconds_is_a_started_run(runner: str, host: Controller) -> None:
    answer = start(host, runner)

    assert answer.code == 0, answer.lines
    assert answer.out.strip() == str(host.state_root / BUILD)
    assert "runner: ended with exit code" in line_of(answer, "runner:") or "running" in line_of(
        answer, "runner:"
    )
    host.wait()


def test_a_quick_green_run_is_a_success(host: Controller) -> None:
    state = host.run()

    assert state["phase"] == "COMPLETED"


def test_the_start_returns_with_the_first_line_of_cypress(host: Controller) -> None:
    silent = start(host, "sleep 300", **IMPATIENT)
    host.call("cancel-atvm-runner.sh", "--build-name", BUILD)
    wait_for(lambda: not is_locked(Paths(host.state_root, BUILD).runner_lock), "the runner's end")
    printing = start(host, f"{HEADER}; sleep 300")

    assert (silent.code, printing.code) == (0, 0)
    assert line_of(silent, "runner:").startswith("runner: running")
    assert line_of(printing, "runner:").startswith("runner: running")
    assert silent.took_s > WAIT_S
    # Without that line it would have waited until the deadline.
    assert printing.took_s < DEADLINE_S


def test_a_runner_that_fails_after_two_seconds_is_a_started_run(host: Controller) -> None:
    answer = start(host, "until test -e go; do sleep 0.05; done; exit 1", **IMPATIENT)
    (host.workdir / "go").touch()

    assert answer.code == 0
    host.wait()
    assert host.record("runner-exit.json")["exit_code"] == 1


@pytest.mark.host
def test_the_lock_of_the_build_is_held_until_the_start_returns(host: Controller) -> None:
    lock = Paths(host.state_root, BUILD).start_lock
    answer = start(host, f"flock --nonblock --shared {lock} echo free || echo held; {HEADER}; sleep 300")

    assert answer.code == 0
    assert (host.state_root / BUILD / "runner.log").read_text().startswith("held\n")
    assert not is_locked(lock)


def test_only_this_runs_part_of_an_appended_log_counts(host: Controller) -> None:
    log = host.workdir / "logs" / "cypress.log"
    log.parent.mkdir()
    log.write_text("\n  (Run Starting)\n\n  │ Cypress:        12.17.4 │\nold error\n")
    answer = start(host, "echo new error; exit 2", ATVM_RUNNER_LOG="logs/cypress.log")

    assert answer.code == 69
    assert answer.lines[-1].strip() == "new error"
    assert not any("old error" in line or "Run Starting" in line for line in answer.lines)
    assert str(log) in line_of(answer, "ended at once")


def test_a_log_that_the_runner_cuts_is_read_from_its_start(host: Controller) -> None:
    log = host.workdir / "cypress.log"
    log.write_text("old\n" * 1000)
    answer = start(host, "echo new error >cypress.log; exit 2", ATVM_RUNNER_LOG="cypress.log")

    assert answer.code == 69
    assert answer.lines[-1].strip() == "new error"


def test_the_last_lines_are_bounded_and_obey_no_terminal(host: Controller) -> None:
    script = (
        "for n in $(seq 100); do echo line $n; done; printf '\\033[31mred\\033[0m\\a %0600d\\n' 7; exit 1"
    )
    answer = start(host, script)
    after = answer.lines[answer.lines.index(line_of(answer, "ended at once")) + 1 :]

    assert len(after) == 20
    assert after[0].strip() == "line 82"
    assert "\x1b" not in "".join(after)
    assert after[-1].strip().startswith("red")
    assert max(map(len, after)) < 520


def test_the_runners_half_prints_the_same_and_a_half_without_a_watcher_that_nothing_watches(
    host: Controller,
) -> None:
    alone = start(host, "no-such-runner", wrapper="start-atvm-runner.sh")
    watcher = host.call("start-atvm-run-watcher.sh", "--build-name", BUILD, "--supervisor", "local")
    watched = start(host, "no-such-runner", wrapper="start-atvm-runner.sh")

    assert watcher.returncode == 0, watcher.stderr
    assert (alone.code, watched.code) == (69, 69)
    assert "it is not watched" in line_of(alone, "ended at once")
    assert "the watcher reports it" in line_of(watched, "ended at once")
    assert "no-such-runner: command not found" in watched.lines[-1]


@pytest.mark.host
def test_a_runner_whose_wrapper_is_killed_at_once_is_no_started_run(host: Controller) -> None:
    record = host.state_root / BUILD / "runner.json"
    answer = start(host, f"while [ ! -e {record} ]; do sleep 0.05; done; kill -KILL $PPID")

    assert answer.code == 69
    assert "without an exit record" in line_of(answer, "ended at once")


def test_an_early_failure_is_on_disk_for_the_watcher(host: Controller) -> None:
    answer = start(host, "no-such-runner")
    host.wait()
    record = host.record("runner-exit.json")

    assert answer.code == 69
    assert record["exit_code"] == 127
    assert json.loads(host.call("atvm-pipeline", "explain", BUILD, "--json").stdout)["build_name"] == BUILD
