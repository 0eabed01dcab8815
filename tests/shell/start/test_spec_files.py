"""Spec files as Cypress finds them: a tree that cannot be listed completely returns no result."""

from pathlib import Path

import pytest

from atvm_pipeline.shell.start import spec_files
from atvm_pipeline.shell.start.spec_files import find_specs


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_specs_behind_a_link_to_a_directory_are_found(tmp_path: Path) -> None:
    make(tmp_path / "shared", "redhat9.6.cy.ts")
    root = make(tmp_path / "root", "e2e/w2k25.cy.ts", "node_modules/x.cy.ts")
    (root / "e2e" / "linked").symlink_to(tmp_path / "shared")

    assert find_specs(root, ["./e2e/**/*.cy.ts"]) == ("e2e/linked/redhat9.6.cy.ts", "e2e/w2k25.cy.ts")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    root = make(tmp_path / "root", "a/x.cy.ts", "b/y.cy.ts")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "other").symlink_to(root / "b")
    (root / "b" / "other").symlink_to(root / "a")

    assert find_specs(root, ["**/*.cy.ts"]) == (
        "a/other/y.cy.ts",
        "a/x.cy.ts",
        "b/other/x.cy.ts",
        "b/y.cy.ts",
    )


def test_a_tree_that_cannot_be_listed_completely_reports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_specs(tmp_path / "nowhere", ["**"]) is None

    make(tmp_path, "a.cy.ts", "b/c.cy.ts")
    monkeypatch.setattr(spec_files, "SPEC_FILES_MAX", 4)
    assert find_specs(tmp_path, ["*.cy.ts"]) == ("a.cy.ts",)
    monkeypatch.setattr(spec_files, "SPEC_FILES_MAX", 3)
    assert find_specs(tmp_path, ["*.cy.ts"]) is None
