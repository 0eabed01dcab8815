"""Conflicts of a start: which runs of the state root are live, and when one may be joined. A start must not take anything
from them.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import Metadata, Settings
from atvm_pipeline.shell.exit_codes import IN_USE, CommandError
from atvm_pipeline.shell.processes.discovery import find_runner
from atvm_pipeline.shell.start.conflicts import attach_lock, living_runs
from atvm_pipeline.shell.start.start_options import StartOptions
from atvm_pipeline.shell.state_dir.records import ExitRecord, Paths, Request, write_record
from atvm_pipeline.shell.supervisor import Local
from atvm_pipeline.shell.system.files import is_locked, locked, make_folder
from tests.support.waiting import wait_for

RUN_ID = "0123456789abcdef"
STATE = (
    '{"build_name": "other", "run_id": "%s", "phase": "%s", "ledger": {"planned": 0}, "post": null, "subruns": [],'
    ' "reason": {"code": "all-passed", "text": "", "evidence": []}}'
)


@pytest.fixture
def other(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "state", "other")
    make_folder(paths.folder)
    request(paths, "true")
    return paths


def request(paths: Paths, command: str | None) -> None:
    workdir = paths.state_root.parent / "work"
    workdir.mkdir(exist_ok=True)
    write_record(
        paths.request,
        Request(
            build_name=paths.build_name,
            run_id=RUN_ID,
            requested_at=datetime.now(UTC),
            runner_command=command,
            workdir=str(workdir),
            log_path="/l",
            artifacts_dir="/a",
        ),
    )


def end(paths: Paths, run_id: str = RUN_ID) -> None:
    now = datetime.now(UTC)
    write_record(
        paths.runner_exit,
        ExitRecord(build_name=paths.build_name, run_id=run_id, exit_code=0, finished_at=now),
    )


def living(paths: Paths) -> list[str]:
    """Return the live runs as another build of this state root sees them."""
    return [request.build_name for _, request in living_runs(Paths(paths.state_root, "mine"))]


@pytest.fixture
def by_hand(other: Paths) -> Iterator[Path]:
    """Start a runner of that build outside this program, in the run's working directory."""
    workdir = other.state_root.parent / "work"
    call = [sys.executable, "-c", "input()", "--build_name", "other"]
    with subprocess.Popen(call, cwd=workdir, stdin=subprocess.PIPE) as process:
        wait_for(lambda: find_runner("other", workdir) is not None, "the runner in the process table")
        yield workdir
        process.kill()


def test_a_run_whose_runner_holds_its_lock_lives(other: Paths) -> None:
    assert living(other) == []
    with locked(other.runner_lock):
        assert living(other) == ["other"]
    assert living(other) == []


def test_a_runner_that_holds_its_lock_lives_whatever_the_files_state(other: Paths) -> None:
    end(other)
    other.state.write_text(STATE % (RUN_ID, "HUNG"))
    with locked(other.runner_lock):
        assert living(other) == ["other"]


def test_a_run_that_is_being_started_lives_until_it_has_ended(other: Paths) -> None:
    with locked(other.start_lock):
        assert living(other) == ["other"]
        end(other, "f" * 16)
        assert living(other) == ["other"]
        end(other)
        assert living(other) == []
        other.runner_exit.unlink()
        other.state.write_text(STATE % (RUN_ID, "RUNNING"))
        assert living(other) == ["other"]
        other.state.write_text(STATE % (RUN_ID, "CANCELLED"))
        assert living(other) == []


def test_a_watched_runner_that_another_user_started_lives_while_its_process_does(
    other: Paths, by_hand: Path
) -> None:
    request(other, None)
    assert living(other) == []
    with locked(other.watcher_lock):
        assert living(other) == ["other"]
        other.state.write_text(STATE % (RUN_ID, "TERMINATED"))
        assert living(other) == []


def test_a_watcher_that_waits_for_an_external_runner_is_no_living_run(other: Paths) -> None:
    request(other, None)
    with locked(other.watcher_lock):
        assert living(other) == []


def test_a_watcher_of_a_runner_of_this_program_proves_no_runner(other: Paths, by_hand: Path) -> None:
    with locked(other.watcher_lock):
        assert living(other) == []


def test_only_the_requests_of_other_builds_that_can_be_read_count(other: Paths) -> None:
    hidden = Paths(other.state_root, ".archive")
    make_folder(hidden.folder)
    request(hidden, "true")
    broken = Paths(other.state_root, "broken")
    make_folder(broken.folder)
    broken.request.write_text("{")
    with ExitStack() as locks:
        for paths in (hidden, broken, other):
            locks.enter_context(locked(paths.runner_lock))

        assert living(other) == ["other"]
        assert list(living_runs(other)) == []
        assert list(living_runs(Paths(other.state_root / "gone", "mine"))) == []


def wanted(paths: Paths) -> StartOptions:
    return StartOptions(
        paths=paths,
        environ=dict(os.environ),
        settings=Settings(),
        metadata=Metadata(),
        dialect=Dialect(),
        workdir=paths.state_root,
        supervisor=Local(),
    )


def test_who_joins_holds_the_builds_lock_alone(other: Paths) -> None:
    with attach_lock(wanted(other)):
        assert is_locked(other.start_lock)
        assert list(other.start_lock.parent.glob("*.config")) == []
    assert not is_locked(other.start_lock)


def test_who_joins_while_a_start_or_cancel_is_under_way_is_refused_in_one_line(other: Paths) -> None:
    with (
        locked(other.start_lock),
        pytest.raises(CommandError, match="being started or cancelled") as refusal,
        attach_lock(wanted(other)),
    ):
        pytest.fail("no second process may enter")

    assert refusal.value.code == IN_USE
    assert "\n" not in str(refusal.value)
