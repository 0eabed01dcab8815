"""The launch log: its path, and the user that may replace it."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from atvm_pipeline.shell.config.settings import launch_log_dir
from atvm_pipeline.shell.exit_codes import CommandError
from atvm_pipeline.shell.start.template import check_launch_log, run_template
from tests.support.privileges import NOBODY, needs
from tests.support.project import ONE_HOST_BUILD as BUILD

LOG = f"{BUILD}.launch.log"
as_root = needs(None if os.geteuid() == 0 else "only root may give a file to another user, and become one")


@pytest.fixture
def shared() -> Iterator[Path]:
    """Create a directory like /tmp: every user may write to it, and may replace only their own files."""
    folder = Path(tempfile.mkdtemp(prefix="atvm-test-"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    """Act as a user that is subject to permissions."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def refusal(folder: Path) -> str:
    """Return the line of a refusal, which must come before the command runs."""
    for attempt in (
        lambda: check_launch_log(BUILD, folder),
        lambda: run_template(f"touch {folder}/ran", Path("/"), {"PATH": os.environ["PATH"]}, BUILD, folder),
    ):
        with pytest.raises(CommandError) as refused:
            attempt()
        assert refused.value.code == 73
    assert not (folder / "ran").exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_it_is_in_tmp_unless_a_setting_names_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert launch_log_dir({}) == Path("/tmp")
    assert launch_log_dir({"ATVM_WATCHER_LAUNCH_LOG_DIR": ""}) == Path("/tmp")
    assert launch_log_dir({"ATVM_WATCHER_LAUNCH_LOG_DIR": "logs"}) == tmp_path / "logs"


@as_root
@pytest.mark.parametrize("kind", ["file", "link"])
def test_that_of_another_user_is_refused_with_its_owner(kind: str, shared: Path) -> None:
    """Nothing is written through the link, regardless of its target."""
    victim = shared / "victim"
    victim.write_text("precious")
    victim.chmod(0o666)
    (shared / LOG).symlink_to(victim) if kind == "link" else (shared / LOG).write_text("of a real run")
    before = (shared / LOG).lstat()
    with another_user():
        said = refusal(shared)

    assert f"{shared / LOG}: it belongs to root; ask that user or root to remove it" in said
    assert "ATVM_WATCHER_LAUNCH_LOG_DIR" in said
    assert (shared / LOG).lstat() == before
    assert victim.read_text() == "precious"
    assert sorted(os.listdir(shared)) == sorted([LOG, "victim"])


@as_root
def test_that_of_another_user_is_replaced_by_root(shared: Path) -> None:
    (shared / LOG).write_text("of another user")
    os.chown(shared / LOG, NOBODY, NOBODY)

    check_launch_log(BUILD, shared)
    result = run_template("echo mine", shared, {"PATH": os.environ["PATH"]}, BUILD, shared)

    assert result.log_path.read_text() == "mine\n"
    assert result.log_path.stat().st_uid == 0
    assert stat.S_IMODE(result.log_path.stat().st_mode) == 0o600


@as_root
def test_ones_own_is_replaced_in_a_directory_of_all_users(shared: Path) -> None:
    with another_user():
        (shared / LOG).write_text("of an earlier run")
        check_launch_log(BUILD, shared)
        result = run_template("echo mine", Path("/"), {"PATH": os.environ["PATH"]}, BUILD, shared)

    assert result.log_path.read_text() == "mine\n"
    assert result.log_path.stat().st_uid == NOBODY


def test_a_file_of_another_user_is_seen_by_its_owner(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a test that cannot become another user: the test takes the view of a user that does not exist."""
    (shared / LOG).touch()
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY - 1)
    with pytest.raises(CommandError, match="it belongs to "):
        check_launch_log(BUILD, shared)


def test_in_a_directory_that_is_not_sticky_another_users_file_is_no_obstacle(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.chmod(0o777)
    (shared / LOG).touch()
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY - 1)

    check_launch_log(BUILD, shared)


def test_a_directory_in_its_place_is_refused_and_left_alone(shared: Path) -> None:
    (shared / LOG).mkdir()

    assert "it is a directory; remove it" in refusal(shared)
    assert os.listdir(shared) == [LOG]


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_setting_that_names_no_directory_is_refused(kind: str, shared: Path) -> None:
    folder = shared / "named"
    if kind == "a file":
        folder.touch()

    assert str(folder / LOG) in refusal(folder)


def test_a_user_without_a_name_is_named_by_its_number(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def unknown(_uid: int) -> None:
        raise KeyError

    (shared / LOG).touch()
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY - 1)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(CommandError, match=f"it belongs to uid {os.getuid()};"):
        check_launch_log(BUILD, shared)
