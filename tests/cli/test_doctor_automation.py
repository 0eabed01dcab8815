"""Checks of the automation root: only something that is certainly missing is a problem."""

import json
from pathlib import Path

import pytest

from atvm_pipeline.cli.doctor_checks import automation as module
from atvm_pipeline.cli.doctor_checks.automation import automation
from atvm_pipeline.cli.doctor_checks.finding import DoctorFinding, Where
from atvm_pipeline.install.layout import Places

INVENTORY = "| Host | Kernel |\n| --- | --- |\n| redhat9.6 | 5.14 |\n| w2k25 | 10 |\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An automation root with an inventory and Cypress."""
    folder = tmp_path / "automation"
    write(folder / "atvm" / "inventory" / "vm-inventory.md", INVENTORY)
    write(folder / "node_modules" / "cypress" / "package.json", json.dumps({"version": "12.17.4"}))
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def findings(root: Path, **environ: str) -> dict[str, DoctorFinding]:
    given = {"ATVM_RUNNER_WORKDIR": str(root), **environ}
    return {found.check: found for found in automation(Where(given, root / "state", Places(root)))}


def node(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = "#!/bin/sh\necho v18.20.1\n") -> None:
    write(folder / "bin" / "node", text)
    (folder / "bin" / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/bin:/usr/bin")


def test_a_complete_automation_root_has_no_problem(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node(tmp_path, monkeypatch)
    write(root / "atvm/docs/automation/status-template.md", "{{ build }}")
    found = findings(root)

    assert all(finding.ok for finding in found.values())
    assert found["automation root"].text == str(root)
    assert found["inventory"].text.startswith("2 hosts in ")
    assert found["cypress version"].text == f"12.17.4 in {root / 'node_modules'}"
    assert found["node"].text == f"v18.20.1 at {tmp_path / 'bin' / 'node'}"
    assert "it is not read" in found["status template"].text


def test_a_working_directory_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path / "nosuch").values()

    assert not finding.ok
    assert f"{tmp_path / 'nosuch'} is not a directory" in finding.text


def test_without_an_automation_root_nothing_else_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.env, "AUTOMATION_ROOT", tmp_path / "nosuch")
    monkeypatch.chdir(tmp_path)
    (finding,) = findings(tmp_path, ATVM_RUNNER_WORKDIR="").values()

    assert finding.ok
    assert f"{tmp_path / 'nosuch'} does not exist" in finding.text


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "does not exist"), ("no table", "no host is found in"), ("", "no host is found in")],
)
def test_an_inventory_without_hosts_is_a_problem(text: str | None, words: str, root: Path) -> None:
    inventory = root / "atvm" / "inventory" / "vm-inventory.md"
    inventory.unlink() if text is None else inventory.write_text(text)
    finding = findings(root)["inventory"]

    assert not finding.ok
    assert words in finding.text
    assert str(inventory) in finding.text


def test_an_inventory_of_the_settings_is_read(root: Path) -> None:
    write(root / "own.md", INVENTORY)

    assert (
        findings(root, ATVM_WATCHER_INVENTORY="own.md")["inventory"].text == f"2 hosts in {root / 'own.md'}"
    )


def test_a_cypress_that_is_listed_and_not_installed_is_a_problem(root: Path) -> None:
    (root / "node_modules" / "cypress" / "package.json").unlink()
    unknown = findings(root)["cypress version"]
    write(root / "package.json", json.dumps({"devDependencies": {"cypress": "12.17.4"}}))
    listed = findings(root)["cypress version"]
    write(root / "node_modules" / ".bin" / "cypress", "")
    linked = findings(root)["cypress version"]

    assert unknown.ok
    assert unknown.text.startswith("not checked: ")
    assert not listed.ok
    assert listed.fix == f"npm --prefix {root} ci"
    assert linked.ok


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"dependencies": "cypress"}'])
def test_a_package_that_cannot_be_understood_is_no_problem(text: str, root: Path) -> None:
    (root / "node_modules" / "cypress" / "package.json").write_text(text)
    write(root / "package.json", text)

    assert findings(root)["cypress version"].ok


def test_a_missing_node_is_a_problem_and_an_odd_one_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node(tmp_path, monkeypatch, "#!/bin/sh\nexit 1\n")
    odd = findings(root)["node"]
    monkeypatch.setenv("PATH", str(tmp_path / "nosuch"))
    missing = findings(root)["node"]

    assert odd.text.startswith("version not known at ")
    assert (missing.ok, missing.text) == (False, "not on PATH")
