"""The commit of a checkout, and whether a checkout is behind an installed release."""

import subprocess
from pathlib import Path

import pytest

from atvm_pipeline.install.commit import commit_of, is_behind

IDENTITY = ("-c", "user.name=x", "-c", "user.email=x@example.test", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", folder, *IDENTITY, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "file").write_text(text)
    git(folder, "add", "file")
    git(folder, "commit", "-qm", text)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "-q")
    return folder


def test_a_checkout_without_changes_has_a_commit(clone: Path) -> None:
    first = commit(clone, "one")

    assert commit_of(clone) == first
    (clone / "untracked").touch()
    assert commit_of(clone) == first
    (clone / "file").write_text("changed")
    assert commit_of(clone) == ""


def test_a_directory_that_is_no_clone_has_none(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""
    assert not is_behind(tmp_path, "a" * 40)


def test_a_checkout_is_behind_a_later_commit_and_one_that_it_does_not_have(clone: Path) -> None:
    first = commit(clone, "one")
    second = commit(clone, "two")

    assert not is_behind(clone, first)
    assert not is_behind(clone, second)
    assert not is_behind(clone, "")
    git(clone, "checkout", "-q", first)
    assert is_behind(clone, second)
    assert is_behind(clone, "a" * 40)


def test_no_program_of_the_clone_is_executed(clone: Path, tmp_path: Path) -> None:
    first = commit(clone, "one")
    mark = tmp_path / "ran"
    hook = clone / ".git" / "fsmonitor.sh"
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    git(clone, "config", "core.fsmonitor", str(hook))

    assert commit_of(clone) == first
    assert not mark.exists()
