"""Commands in hints: they can be typed as they are printed."""

import os
from pathlib import Path

import pytest

from atvm_pipeline.shell.system.typed_command import typed_command
from tests.support.project import PROJECT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An installed release, with a path to it that stays valid after an upgrade."""
    release = tmp_path / "package" / "releases" / "0.1.0-abc"
    (release / "bin").mkdir(parents=True)
    program = release / "bin" / "atvm-pipeline"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return release


def on_path(*folders: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join(map(str, folders))}


def test_a_program_on_the_path_is_typed_by_its_name(project: Path) -> None:
    environ = on_path(project / "nowhere", project / "bin")

    assert (
        typed_command("atvm-pipeline", "status", environ=environ, project=project) == "atvm-pipeline status"
    )


def test_a_link_on_the_path_to_this_program_is_typed_by_its_name(project: Path, tmp_path: Path) -> None:
    (tmp_path / "atvm-pipeline").symlink_to(project / "bin" / "atvm-pipeline")

    assert typed_command("atvm-pipeline", environ=on_path(tmp_path), project=project) == "atvm-pipeline"


def test_another_program_of_that_name_comes_first_so_the_full_path_is_typed(
    project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "atvm-pipeline"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    environ = on_path(tmp_path, project / "bin")

    assert typed_command("atvm-pipeline", environ=environ, project=project) == str(
        project / "bin" / "atvm-pipeline"
    )


def test_the_path_of_an_installation_does_not_name_its_release(project: Path) -> None:
    package = project.parent.parent
    (package / "bin").symlink_to(project / "bin")

    assert typed_command("atvm-pipeline", environ={}, project=project) == str(package / "bin/atvm-pipeline")


def test_words_are_quoted_for_a_shell(project: Path) -> None:
    typed = typed_command("atvm-pipeline", "status", "--state-root", "/a b", environ={}, project=project)

    assert typed.endswith("/bin/atvm-pipeline status --state-root '/a b'")


def test_a_checkout_that_is_not_on_the_path_is_typed_with_its_full_path() -> None:
    assert typed_command("start-atvm-run.sh", environ={}) == str(PROJECT / "bin" / "start-atvm-run.sh")
