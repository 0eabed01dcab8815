"""Discovery of Cypress processes on this host, also while processes start and end."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from atvm_pipeline.shell.processes.discovery import find_unwatched_cypress
from tests.support.waiting import wait_for


def test_a_process_that_ends_while_it_is_read_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may end after the table was read and before its command line is read. It then has no command line."""
    read = psutil.Process.cmdline
    asked: list[int] = []

    def ending(process: psutil.Process) -> list[str]:
        asked.append(process.pid)
        if asked.count(process.pid) > 1:
            raise psutil.NoSuchProcess(process.pid)
        return read(process)

    monkeypatch.setattr(psutil.Process, "cmdline", ending)
    command = "exec -a cypress bash -c 'sleep 60; :' --build_name=b"
    with subprocess.Popen(["bash", "-c", command], start_new_session=True) as process:
        try:
            line = Path(f"/proc/{process.pid}/cmdline")
            wait_for(lambda: line.read_bytes().startswith(b"cypress"), "its name")
            found = find_unwatched_cypress()
        finally:
            os.killpg(process.pid, signal.SIGKILL)

    assert {stray.build_name for stray in found if stray.pid == process.pid} == {None}


@pytest.mark.parametrize("words", ["--build_name=b", "--build-name b", "--build_name"])
def test_the_build_is_the_one_that_a_command_line_names(words: str) -> None:
    command = f"exec -a cypress bash -c 'sleep 60; :' {words}"
    with subprocess.Popen(["bash", "-c", command], start_new_session=True) as process:
        try:
            line = Path(f"/proc/{process.pid}/cmdline")
            wait_for(lambda: line.read_bytes().startswith(b"cypress"), "its name")
            found = {stray.pid: stray.build_name for stray in find_unwatched_cypress()}
        finally:
            os.killpg(process.pid, signal.SIGKILL)

    assert found.get(process.pid) == (None if words == "--build_name" else "b")
