"""An environment file that other users can access is named with the command that fixes it."""

import os
from pathlib import Path

import pytest

from atvm_pipeline.shell.config.env_file import exposed_text


@pytest.mark.parametrize(
    ("mode", "who"),
    [
        (0o644, "every user of this host can read it"),
        (0o666, "every user of this host can read and change it"),
        (0o602, "every user of this host can change it"),
        (0o640, "every user of its group can read it"),
        (0o660, "every user of its group can read and change it"),
        (0o611, "every user of this host can access it"),
    ],
)
def test_a_file_that_others_can_access_is_named(mode: int, who: str, tmp_path: Path) -> None:
    path = tmp_path / "a.env"
    path.touch()
    path.chmod(mode)

    assert exposed_text(path) == (
        f"{path} has mode {mode:04o}: {who}, and with it the webhook; fix: chmod 0600 {path}"
    )


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_not(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "a.env"
    path.touch()
    path.chmod(mode)

    assert exposed_text(path) is None


def test_a_missing_file_and_a_device_are_not(tmp_path: Path) -> None:
    assert exposed_text(tmp_path / "missing") is None
    assert exposed_text(Path(os.devnull)) is None
