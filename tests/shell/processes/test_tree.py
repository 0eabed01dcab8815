"""New processes in the process table, with real processes. Scanning a tree reads next to nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.shell.processes import process_table, tree
from atvm_pipeline.shell.processes.process_table import identity
from atvm_pipeline.shell.processes.tree import NewProcessScan, ProcessTree
from tests.support.waiting import wait_for


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Start a shell that starts a child process for each line of its input and prints the child's pid."""
    shell = 'while read -r _; do sleep 60 </dev/null & echo "$!"; done'
    command = ["bash", "-c", shell]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def one_more(sleeper: subprocess.Popen[bytes]) -> int:
    assert sleeper.stdin is not None
    assert sleeper.stdout is not None
    sleeper.stdin.write(b"\n")
    sleeper.stdin.flush()
    return int(sleeper.stdout.readline())


def tree_of(process: subprocess.Popen[bytes], *, apart_s: float = 0.0) -> ProcessTree:
    root = identity(process.pid)
    assert root is not None
    seen = ProcessTree(Dialect(), apart_s=apart_s)
    seen.root(root.pid, root.create_time)
    return seen


def pids(seen: ProcessTree) -> set[int]:
    seen.scan()
    return set(seen._known)


def test_the_kernel_shows_the_id_that_it_assigned_last(sleeper: subprocess.Popen[bytes]) -> None:
    before = process_table.newest_pid()
    one_more(sleeper)

    assert before is not None
    assert process_table.newest_pid() != before


def test_where_no_one_reports_it_no_id_was_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_table, "_read", lambda _path: b"")

    assert process_table.newest_pid() is None

    monkeypatch.setattr(process_table, "_read", lambda _path: b"0.25 0.46 1.50 1/93 0\n")

    assert process_table.newest_pid() is None


def test_only_processes_that_started_since_are_new(sleeper: subprocess.Popen[bytes]) -> None:
    newcomers = NewProcessScan()

    for _ in range(2):
        assert os.getpid() in {row.pid for row in newcomers.scan()}

    pid = one_more(sleeper)
    for _ in range(2):
        new = {row.pid for row in newcomers.scan()}

        assert pid in new
        assert os.getpid() not in new
        assert sleeper.pid not in new

    assert pid not in {row.pid for row in newcomers.scan()}


def test_no_process_is_read_while_the_last_id_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []
    monkeypatch.setattr(process_table, "newest_pid", lambda: 7)
    monkeypatch.setattr(process_table, "pids", lambda: listed.append(1) or [])
    newcomers = NewProcessScan()
    for _ in range(1 + tree.SCANS_WITHOUT_CHANGE_MAX):
        newcomers.scan()

    assert len(listed) == 1

    newcomers.scan()

    assert len(listed) == 2, "a container may show an old number for a while"


def test_without_a_last_id_everybody_is_listed_with_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []
    monkeypatch.setattr(process_table, "newest_pid", lambda: None)
    monkeypatch.setattr(process_table, "pids", lambda: listed.append(1) or [])
    newcomers = NewProcessScan()
    for _ in range(3):
        newcomers.scan()

    assert len(listed) == 3


def test_everybody_is_read_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    newcomers = NewProcessScan()
    newcomers.scan()
    monkeypatch.setattr(process_table, "newest_pid", lambda: None)
    monkeypatch.setattr(tree, "WHOLE_EVERY_S", 0.0)

    assert os.getpid() in {row.pid for row in newcomers.scan()}


def test_a_child_of_a_member_is_a_member(sleeper: subprocess.Popen[bytes]) -> None:
    seen = tree_of(sleeper)

    assert pids(seen) == {sleeper.pid}

    one, other = one_more(sleeper), one_more(sleeper)

    assert pids(seen) == {sleeper.pid, one, other}

    os.kill(one, signal.SIGKILL)
    wait_for(lambda: identity(one) is None, "the end of a process")

    assert pids(seen) == {sleeper.pid, other}


def test_who_is_adopted_while_the_table_is_read_is_a_member_with_the_next_look(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent ends after the process's own row was read and before the parent's row: this scan finds no parent for it."""
    seen = tree_of(sleeper)
    assert pids(seen) == {sleeper.pid}
    pid = one_more(sleeper)
    real = process_table.read_row

    def orphaned(one: int) -> process_table.ProcessRow | None:
        row = real(one)
        return row._replace(parent=2**30) if row is not None and one == pid else row

    monkeypatch.setattr(process_table, "read_row", orphaned)

    assert pids(seen) == {sleeper.pid}

    monkeypatch.setattr(process_table, "read_row", real)

    assert pids(seen) == {sleeper.pid, pid}


def test_who_was_there_before_the_root_was_known_is_a_member(sleeper: subprocess.Popen[bytes]) -> None:
    """A watcher that scans another tree first has already seen every process."""
    pid = one_more(sleeper)
    seen = tree_of(sleeper)
    seen.scan()
    root = identity(sleeper.pid)
    assert root is not None
    again = ProcessTree(Dialect(), [root], apart_s=0.0)
    again._known.clear()
    again._new_processes.scan()
    again.root(root.pid, root.create_time)

    assert pids(again) == {sleeper.pid, pid}


def test_a_scan_of_a_quiet_tree_reads_its_members_and_no_other(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    below = {one_more(sleeper) for _ in range(3)}
    seen = tree_of(sleeper)
    # No other process of this machine may start in the meantime.
    listed = process_table.pids()
    monkeypatch.setattr(process_table, "pids", lambda: listed)
    monkeypatch.setattr(process_table, "newest_pid", lambda: 7)
    for _ in range(2):
        seen.scan()
    read: list[str] = []
    monkeypatch.setattr(process_table, "_read", lambda path: read.append(path) or b"")
    seen.scan()

    assert sorted(read) == sorted(f"/proc/{pid}/stat" for pid in (sleeper.pid, *below))


def test_a_young_process_is_classified_again_after_it_became_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "cypress.py"
    browser.write_text("import time; time.sleep(60)")
    # Its own command line must not contain the word yet.
    path = f"{str(browser).removesuffix('press.py')!r} + 'press.py'"
    script = f"import os, sys; sys.stdin.readline(); os.execv(sys.executable, [sys.executable, {path}])"
    below = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", below], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            seen = tree_of(process)
            wait_for(lambda: len(pids(seen)) == 2, "two processes")
            role = lambda: (seen.scan(), max(seen._known.values(), key=lambda one: one.create_time).role)[1]  # noqa: E731
            wait_for(lambda: role() == "other", "a process that is no Cypress")
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()

            wait_for(lambda: role() == "cypress", "the process as what it has become")

            asked: list[int] = []
            monkeypatch.setattr(tree, "YOUNG_S", 0.0)
            monkeypatch.setattr(process_table, "command_line", lambda pid: asked.append(pid) or [])
            seen.scan()

            assert asked == [], "once it is no longer young"

            monkeypatch.setattr(tree, "COMMAND_TRUSTED_S", 0.0)
            seen.scan()

            assert len(asked) == 2
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_command_line_that_was_rewritten_with_blanks_is_shown_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for data, words in (
        (b"node\0/x/cypress\0run\0", ["node", "/x/cypress", "run"]),
        (b"npm exec cypress run\0", ["npm", "exec", "cypress", "run"]),
        (b"nginx: worker process", ["nginx:", "worker", "process"]),
        (b"a\0\0b\0", ["a", "", "b"]),
        (b"\xff\0x\0", ["\udcff", "x"]),
        (b"", []),
    ):
        monkeypatch.setattr(process_table, "_read", lambda _path, data=data: data)

        assert process_table.command_line(1) == words


def test_a_long_command_line_is_read_completely() -> None:
    word = "x" * process_table.READ_BYTES
    with subprocess.Popen(["bash", "-c", "read -r _", word, word, word], stdin=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + 20
            while process_table.command_line(process.pid)[:1] != ["bash"]:
                assert time.monotonic() < end

            assert process_table.command_line(process.pid)[3:] == [word, word, word]
        finally:
            process.kill()
