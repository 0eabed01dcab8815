"""Every error of a file names the path and the reason, in the same words everywhere."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atvm_pipeline.core.events import RunRequested
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.store import Store
from atvm_pipeline.shell.system import files
from atvm_pipeline.shell.system.files import locked, sync_folder, write_whole
from atvm_pipeline.shell.system.io_errors import io_error_text, naming, remedy_of
from tests.support.project import PROJECT
from tests.support.run_builder import BEGIN

ENTRY = RunRequested(seq=1, at=BEGIN, build_name="b", run_id="r", log_path="/l")


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_a_file_that_cannot_be_replaced_is_named_itself(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the temporary file, and not the descriptor."""
    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(OSError) as failure:
        write_whole(tmp_path / "a.json", b"{}")

    assert io_error_text(failure.value) == f"cannot write to {tmp_path}/a.json: no space left on device"


@pytest.mark.parametrize("call", ["write", "fdatasync", "ftruncate"])
def test_a_journal_that_cannot_be_written_is_named(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path, "b")

    def write_again() -> None:
        with Store(paths, 0) as again:
            again.append([ENTRY])
            again.sync()

    write_again()
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError) as failure:
        write_again()

    assert (
        io_error_text(failure.value, "append to")
        == f"cannot append to {paths.journal}: no space left on device"
    )


def test_a_directory_and_a_lock_that_fail_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.os, "fsync", full)
    monkeypatch.setattr(files.fcntl, "flock", full)
    for call in (lambda: sync_folder(tmp_path), lambda: locked(tmp_path).__enter__()):
        with pytest.raises(OSError) as failure:
            call()
        assert failure.value.filename == str(tmp_path)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "cannot access /a: permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "/a"), "cannot write to /a: read-only file system"),
        (OSError("odd"), "a system call failed: input/output error"),
    ],
)
def test_the_text_has_path_and_reason(error: OSError, text: str) -> None:
    assert io_error_text(error) == text


def test_a_named_error_keeps_its_kind_and_only_a_full_disk_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as failure, naming(tmp_path / "x"):
        os.close(os.open(tmp_path / ".x.tmp", os.O_RDONLY))

    assert failure.value.filename == str(tmp_path / "x")
    assert remedy_of(failure.value) == ""
    assert "free some space" in remedy_of(OSError(errno.EDQUOT, "Disk quota exceeded"))


@pytest.mark.parametrize("command", [["verdicts"], ["status", "--json"]])
def test_an_output_that_cannot_be_written_is_named(command: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "atvm_pipeline", *command],
            cwd=PROJECT,
            env={**os.environ, "ATVM_WATCHER_ENV_FILE": os.devnull, "ATVM_WATCHER_STATE_ROOT": str(tmp_path)},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 73
    assert done.stderr == (
        "atvm-pipeline: cannot write to standard output: no space left on device; "
        "free some space on that disk and try again\n"
    )
