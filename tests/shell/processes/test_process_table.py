"""The process table, with real processes."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import Process, ProcessesSeen
from atvm_pipeline.shell.processes import process_table
from atvm_pipeline.shell.processes.discovery import find_runner
from atvm_pipeline.shell.processes.exit_watch import ExitWatcher
from atvm_pipeline.shell.processes.process_table import identity, is_alive, self_identity
from atvm_pipeline.shell.processes.roles import ProcessClassifier, is_own_program
from atvm_pipeline.shell.processes.stopping import stop_tree
from atvm_pipeline.shell.processes.tree import STUCK_LOOKS, ProcessTree
from tests.support.waiting import DEADLINE_S, wait_for

SLEEP = "import time; time.sleep(60)"
BUILD = f"test-build-{os.getpid()}"
"""Unique to this test run: another one on the same machine has its own."""


@contextlib.contextmanager
def running(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process; kill it and all its descendants at the end."""
    with subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def known(pid: int) -> Process:
    found = identity(pid)
    assert found is not None
    return found


def program(path: Path, text: str) -> str:
    """Create an executable that appears under its own name, as a copied interpreter would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Replace wrapper, shell, run-sorry-cypress.py, Cypress and its browser: each is the parent of the next."""
    browser = tmp_path / "electron"
    browser.symlink_to(sys.executable)
    cypress = tmp_path / "stand-in" / "cypress"
    cypress.parent.mkdir()
    cypress.write_text(
        f"import subprocess; subprocess.Popen([{str(browser)!r}, '-c', {SLEEP!r}, '--type=renderer']); {SLEEP}"
    )
    script = tmp_path / "run-sorry-cypress.py"
    script.write_text(
        f"import subprocess, sys\nsubprocess.run([sys.executable, {str(cypress)!r}, 'run', '--browser', 'electron'])"
    )
    wrapper = tmp_path / "atvm_pipeline_runner.py"
    command = f"{sys.executable} {script} --build_name {BUILD}; true"
    wrapper.write_text(f"import subprocess; subprocess.run(['bash', '-c', {command!r}])")
    with running(sys.executable, str(wrapper)) as process:
        yield process


def roles(tree: ProcessTree) -> dict[str, int]:
    """Return the number of processes in each role of the current tree."""
    return {
        role: sum(member.role == role for member in tree._known.values())
        for role in ("runner", "cypress", "browser", "other")
    }


def pid_of(tree: ProcessTree, role: str) -> int:
    return max(member.pid for member in tree._known.values() if member.role == role)


def tree_of(process: subprocess.Popen[bytes]) -> ProcessTree:
    tree = ProcessTree(Dialect(), apart_s=0.0)
    root = known(process.pid)
    tree.root(root.pid, root.create_time)

    def whole() -> bool:
        tree.scan()
        return roles(tree) == {"runner": 3, "cypress": 1, "browser": 1, "other": 0}

    wait_for(whole, "the complete tree")
    return tree


def test_our_own_identity_lives() -> None:
    assert is_alive(*self_identity())
    assert known(os.getpid()).create_time == self_identity()[1]


def test_a_pid_with_another_start_time_is_another_process() -> None:
    pid, create_time = self_identity()

    assert not is_alive(pid, create_time + 1)
    assert not is_alive(pid, create_time - 1)


def test_no_process_has_no_identity() -> None:
    assert identity(2**22 + 1) is None
    assert not is_alive(2**22 + 1, 1.0)


def test_a_zombie_does_not_live() -> None:
    process = subprocess.Popen(["true"])
    wait_for(lambda: process_table.read_row(process.pid).state == "Z", "a zombie")  # type: ignore[union-attr]
    row = process_table.read_row(process.pid)
    assert row is not None

    assert identity(process.pid) is None
    assert not is_alive(process.pid, row.create_time)

    process.wait()


def test_a_name_with_brackets_and_spaces_is_read_completely(tmp_path: Path) -> None:
    with running(program(tmp_path / "a) (b c", "sleep 60")) as process:
        wait_for(lambda: known(process.pid).name == "a) (b c", "its name")

        assert known(process.pid).state in ("S", "R", "D")


def test_the_tree_shows_what_each_process_is(runner: subprocess.Popen[bytes]) -> None:
    tree = tree_of(runner)

    assert tree.scan() is None
    assert tree.alive()


def test_a_browser_that_dies_is_seen(runner: subprocess.Popen[bytes]) -> None:
    tree = tree_of(runner)
    os.kill(pid_of(tree, "browser"), signal.SIGKILL)
    seen: list[ProcessesSeen] = []

    def gone() -> bool:
        seen.extend(event for event in [tree.scan()] if event is not None)
        return bool(seen) and all(process.role != "browser" for process in seen[-1].processes)

    wait_for(gone, "the end of the browser")

    assert [process.role for process in seen[-1].processes] == ["runner", "runner", "runner", "cypress"]


def test_orphans_are_still_of_the_tree_and_keep_their_roles(runner: subprocess.Popen[bytes]) -> None:
    tree = tree_of(runner)
    for member in list(tree._known.values()):
        if member.role == "runner":
            os.kill(member.pid, signal.SIGKILL)
    runner.wait()

    def runners_gone() -> bool:
        tree.scan()
        return roles(tree)["runner"] == 0

    wait_for(runners_gone, "the end of the runners")

    assert roles(tree) == {"runner": 0, "cypress": 1, "browser": 1, "other": 0}
    assert tree.alive()


def test_a_restarted_watcher_knows_orphans_from_its_state(runner: subprocess.Popen[bytes]) -> None:
    before = tree_of(runner)
    members = list(before._known.values())
    for member in members:
        if member.role == "runner":
            os.kill(member.pid, signal.SIGKILL)
    runner.wait()
    wait_for(lambda: sum(is_alive(m.pid, m.create_time) for m in members) == 2, "two living members")

    seen = ProcessTree(Dialect(), members).scan()

    assert seen is not None
    assert [process.role for process in seen.processes] == ["cypress", "browser"]


def test_the_end_of_the_run_is_reported_once(runner: subprocess.Popen[bytes]) -> None:
    tree = tree_of(runner)
    os.killpg(runner.pid, signal.SIGKILL)
    runner.wait()
    wait_for(lambda: not tree.alive(), "the end of the tree")

    seen = tree.scan()

    assert seen is not None
    assert seen.processes == ()
    assert tree.scan() is None


def test_a_stopped_cypress_tree_is_stuck_only_after_several_scans(runner: subprocess.Popen[bytes]) -> None:
    tree = tree_of(runner)
    stopped = [pid_of(tree, "cypress"), pid_of(tree, "browser")]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(known(pid).state == "T" for pid in stopped), "all stopped")

    assert [tree.scan() for _ in range(STUCK_LOOKS - 1)] == [None] * (STUCK_LOOKS - 1)

    seen = tree.scan()

    assert seen is not None
    assert seen.stuck

    os.kill(stopped[0], signal.SIGCONT)
    wait_for(lambda: known(stopped[0]).state != "T", "one continues")
    seen = tree.scan()

    assert seen is not None
    assert not seen.stuck


def test_scans_that_come_fast_do_not_make_a_tree_stuck(runner: subprocess.Popen[bytes]) -> None:
    tree = tree_of(runner)
    tree._apart_s = 3600.0
    stopped = [pid_of(tree, "cypress"), pid_of(tree, "browser")]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(known(pid).state == "T" for pid in stopped), "all stopped")

    assert [tree.scan() for _ in range(10)] == [None] * 10


def test_a_fast_scan_still_sees_ended_processes(runner: subprocess.Popen[bytes]) -> None:
    tree = tree_of(runner)
    tree._apart_s = 3600.0
    browser = pid_of(tree, "browser")
    os.kill(browser, signal.SIGKILL)
    wait_for(lambda: identity(browser) is None, "the end of the browser")

    seen = tree.scan()

    assert seen is not None
    assert all(process.pid != browser for process in seen.processes)


def test_no_event_holds_an_argument(runner: subprocess.Popen[bytes]) -> None:
    tree = ProcessTree(Dialect())
    root = known(runner.pid)
    tree.root(root.pid, root.create_time)
    seen = tree.scan()

    assert seen is not None
    assert BUILD not in repr(seen)
    assert "run-sorry" not in repr(seen)


def test_a_tree_without_a_root_has_nothing_to_report() -> None:
    assert ProcessTree(Dialect()).scan() is None


def test_a_runner_that_another_user_started_is_found_by_its_build_name(
    runner: subprocess.Popen[bytes],
) -> None:
    tree = tree_of(runner)
    found = find_runner(BUILD, Path.cwd())

    assert found is not None
    assert found.pid in tree._known
    assert found.role == "runner"
    assert find_runner(BUILD[:-1], Path.cwd()) is None


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (["timeout", "50", "env", "A=1", "B=2", "start-atvm-run.sh", "--build-name", BUILD], True),
        (["bash", "/opt/x/bin/start-atvm-run-watcher.sh"], True),
        (["sudo", "-u", "x", "sh", "-c", 'cd /x; atvm-pipeline run "$@"', "x"], True),
        (["/x/.venv/bin/python", "-P", "-m", "atvm_pipeline", "run"], True),
        (["python3", "/opt/atvm-pipeline/run-sorry-cypress.py", "--build_name", BUILD], False),
        (["python3", "./run-sorry-cypress.py", "--build_name", BUILD], False),
    ],
)
def test_our_own_programs_are_known_wherever_they_stand(command: list[str], ours: bool) -> None:
    assert is_own_program(command) is ours


ELECTRON = ["/root/.cache/Cypress/12.17.4/Cypress/Cypress", "--no-sandbox", "--", "--run-project", "/x"]


@pytest.mark.parametrize(
    ("name", "command", "role"),
    [
        ("node", ["node", "/x/node_modules/.bin/cypress", "run", "--browser", "chrome"], "cypress"),
        ("npm exec cypres", ["npm exec cypress run"], "cypress"),
        ("Cypress", ELECTRON, "cypress"),
        ("Cypress", [ELECTRON[0], "--type=zygote"], "cypress"),
        ("Cypress", [ELECTRON[0], "--type=renderer", "--lang=en"], "browser"),
        (
            "chrome",
            ["/opt/google/chrome/chrome", "--user-data-dir=/root/.config/Cypress/cy/production"],
            "browser",
        ),
        ("firefox-bin", ["/opt/firefox/firefox-bin", "-profile", "/root/.config/Cypress/cy"], "browser"),
        ("python3", ["python3", "-u", "stand-in/cypress", "run", "--browser", "electron"], "cypress"),
        ("ssh", ["ssh", "controller", "govc", "snapshot.revert"], "other"),
        ("kworker/0:1", [], "other"),
    ],
)
def test_a_role_depends_on_the_program_before_its_arguments(name: str, command: list[str], role: str) -> None:
    assert ProcessClassifier(Dialect()).classify(name, command) == role


def test_stopping_a_tree_leaves_no_process(runner: subprocess.Popen[bytes]) -> None:
    tree = tree_of(runner)
    members = list(tree._known.values())
    reaper = threading.Thread(target=runner.wait)
    reaper.start()

    assert stop_tree(known(runner.pid), grace_s=5.0) == []

    reaper.join(DEADLINE_S)
    assert not any(is_alive(member.pid, member.create_time) for member in members)


def test_who_ignores_sigterm_or_is_stopped_is_killed(tmp_path: Path) -> None:
    deaf = f"import signal, os; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
    with running(sys.executable, "-c", deaf) as process, running("sleep", "60") as stopped:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(stopped.pid, signal.SIGSTOP)
        also = [known(stopped.pid)]

        assert stop_tree(known(process.pid), grace_s=0.2, also_known=also) == []
        assert process.wait(DEADLINE_S) == -signal.SIGKILL
        assert stopped.wait(DEADLINE_S) == -signal.SIGTERM


def test_a_root_that_writes_its_record_on_the_way_out_is_not_killed(tmp_path: Path) -> None:
    """The wrapper ignores SIGTERM, because it has to wait for its command and record how the command ended."""
    record = tmp_path / "record"
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    wrapper = (
        "import signal, subprocess, sys, pathlib; signal.signal(15, signal.SIG_IGN); "
        f"child = subprocess.Popen([sys.executable, '-c', {deaf!r}]); print('up', flush=True); "
        f"pathlib.Path({str(record)!r}).write_text(str(child.wait()))"
    )
    with running(sys.executable, "-c", wrapper) as process:
        assert process.stdout is not None
        process.stdout.readline()

        assert stop_tree(known(process.pid), grace_s=0.2) == []
        assert process.wait(DEADLINE_S) == 0

    assert record.read_text() in ("-9", "-15")


def test_a_pid_that_has_come_round_is_not_signalled() -> None:
    with running("sleep", "60") as process:
        stranger = Process(pid=process.pid, create_time=known(process.pid).create_time - 5)

        assert stop_tree(stranger, grace_s=0.2) == []
        assert process.poll() is None


@pytest.mark.parametrize("pidfd", [True, False], ids=["pidfd", "without pidfd"])
def test_the_end_of_a_process_that_is_no_child_hints(pidfd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not pidfd:

        def refuse(_pid: int) -> int:
            raise OSError

        monkeypatch.setattr(os, "pidfd_open", refuse)
    ended = threading.Event()
    hints: list[Path | None] = []

    def hint(path: Path | None) -> None:
        hints.append(path)
        ended.set()

    with (
        running("sleep", "60") as process,
        closing(ExitWatcher(process.pid, known(process.pid).create_time, hint)),
    ):
        assert not ended.wait(0.2)

        process.kill()

        assert ended.wait(DEADLINE_S), "also while it is a zombie"

    assert hints == [None]


def test_the_end_of_a_process_that_has_ended_before_hints_at_once() -> None:
    ended = threading.Event()
    pid, create_time = self_identity()
    with closing(ExitWatcher(pid, create_time - 5, lambda _path: ended.set())):
        assert ended.wait(DEADLINE_S)
