"""An environment file that other users can read or change is named, with the remedy."""

from pathlib import Path

import pytest

from atvm_pipeline.shell.config.env_file_mode import exposed_env_file


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_an_environment_file_that_others_can_access_is_named_with_the_remedy(
    mode: int, tmp_path: Path
) -> None:
    path = tmp_path / "env"
    path.write_text("A=b\n")
    path.chmod(mode)
    text = exposed_env_file({"ATVM_WATCHER_ENV_FILE": str(path)})

    assert text is not None
    assert f"{path} (mode {mode:04o})" in text
    assert text.endswith(f"chmod 0600 {path}")


def test_a_private_or_missing_environment_file_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "env"

    assert exposed_env_file({"ATVM_WATCHER_ENV_FILE": str(path)}) is None
    path.write_text("")
    path.chmod(0o600)
    assert exposed_env_file({"ATVM_WATCHER_ENV_FILE": str(path)}) is None
    assert exposed_env_file({"ATVM_WATCHER_ENV_FILE": "/dev/null"}) is None
