"""The documents match the program: it generates their examples, and they cover each command, option and setting.

If an example or the diagram differs, run `pytest --rewrite tests/docs/test_docs.py` and inspect the diff. Only commit the changes
if you understand their cause and want them.
"""

import argparse
import ast
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from atvm_pipeline.cli.main import COMMANDS
from atvm_pipeline.cli.verdict_tables import diagram
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import Metadata
from atvm_pipeline.core.reasons import REASONS
from atvm_pipeline.install import cli as installer
from atvm_pipeline.shell import exit_codes
from atvm_pipeline.shell.config.known_settings import KNOWN_SETTINGS
from atvm_pipeline.shell.state_dir.records import Paths
from tests.support.example_runs import EXAMPLES, shown
from tests.support.message_picture import draw_message
from tests.support.project import PROJECT

PACKAGE = PROJECT / "atvm_pipeline"
README = PROJECT / "README.md"
PAGES = PROJECT / "docs"
STATUS = PROJECT / "docs" / "status-template.md"
PICTURE = PROJECT / "docs" / "images" / "message.svg"
LEARNINGS = PROJECT / "docs" / "run-learnings.md"
ARCHITECTURE = PROJECT / "docs" / "architecture.md"
SCENARIOS = PROJECT / "fixtures" / "automation-root" / "scenarios"
DOCS = [README, PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md"))]

VARIABLE = re.compile(r"(?:ATVM|MATTERMOST)_[A-Z_]*[A-Z]")
OURS_ALONE = {"ATVM_PROG", "ATVM_CORPUS"}
"""Variables set by the project's wrappers for the program, or used only by its tests."""
OF_TESTS = {"ATVM_CORPUS"}
SET_FOR_COMMANDS = {"ATVM_RUN_HOSTS"}
"""Variables that a start sets for template and runner."""
FOREIGN_OPTIONS = {
    *(
        "--template_name",
        "--config_file",
        "--build_name",
        "--ci-build-id",
        "--parallel",
        "--quiet",
        "--help",
        "--version",
    ),
    *("--rewrite", "--quick", "--newest", "--host"),
}
"""Options of user programs, Cypress, argparse, pytest and `bin/run-tests`."""


def block(path: Path, name: str, language: str, wanted: str, *, rewrite: bool) -> str:
    """Return the fenced block between `<!-- name -->` and `<!-- /name -->`; replace it first if `rewrite` is set."""
    text = path.read_text()
    found = re.search(rf"<!-- {name} -->\n```{language}\n(.*?)```\n<!-- /{name} -->", text, re.DOTALL)
    assert found is not None, f"{path.name} has no block {name}"
    if rewrite and found[1] != wanted:
        path.write_text(text[: found.start(1)] + wanted + text[found.end(1) :])
        return wanted
    return found[1]


def test_the_readme_shows_the_phases_as_the_tables_have_them(*, rewrite: bool) -> None:
    assert block(README, "phases", "mermaid", diagram(), rewrite=rewrite) == diagram()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_message_is_what_the_program_sends(name: str, *, rewrite: bool) -> None:
    wanted = shown(EXAMPLES[name]()) + "\n"

    assert block(STATUS, f"example {name}", "text", wanted, rewrite=rewrite) == wanted


def test_the_example_body_is_what_the_program_sends(*, rewrite: bool) -> None:
    wanted = msgspec.json.format(msgspec.json.encode(EXAMPLES["group"]()), indent=2).decode() + "\n"

    assert block(STATUS, "body", "json", wanted, rewrite=rewrite) == wanted


def test_the_picture_of_the_readme_shows_a_message_of_the_program(*, rewrite: bool) -> None:
    drawn = draw_message(EXAMPLES["failed"](), sender="atvm", time="13:32")
    if rewrite:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(drawn)

    assert drawn == PICTURE.read_text()


def test_the_message_rules_name_every_example() -> None:
    told = set(re.findall(r"<!-- example (\S+) -->", STATUS.read_text()))

    assert told == set(EXAMPLES)


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text()


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_the_first_paragraph_of_every_page_names_its_readers(path: Path) -> None:
    title, paragraph = path.read_text().split("\n\n", 2)[:2]

    assert title.startswith("# ")
    assert paragraph.startswith("This page is for ")


def test_the_overview_links_every_page() -> None:
    overview = page("watcher-service")

    assert [path.name for path in PAGES.glob("*.md") if f"({path.name})" not in overview] == [
        "watcher-service.md"
    ]


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_code_is_explained(code: str) -> None:
    assert f"`{code}`" in page("verdicts")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained(command: str) -> None:
    assert f"`atvm-pipeline {command}" in page("commands")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    text = page("commands") + page("starting") + page("installation") + page("messages") + page("dialect")

    assert [option for option in options_of(command) if not mentioned(option, text)] == []


def mentioned(option: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


def options_of(command: str) -> list[str]:
    """Return the options that `--help` of a command shows."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f"atvm_pipeline.cli.commands.{COMMANDS[command][0]}").add_options(parser)
    shown_ = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    return [option for action in shown_ for option in action.option_strings if option.startswith("--")]


def installer_options() -> set[str]:
    return {option for action in installer.parser()._actions for option in action.option_strings}


def test_every_option_of_the_installer_is_explained() -> None:
    text = page("installation")

    assert {option for option in installer_options() if not mentioned(option, text)} == {"-h", "--help"}


def test_every_exit_code_is_explained() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    table = page("commands").split("## Exit codes", 1)[1].split("\n## ", 1)[0]

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} >= codes


def test_every_environment_variable_is_explained() -> None:
    text = page("settings")
    read = variables_read() - OURS_ALONE

    assert {
        "ATVM_WATCHER_QUIET_LIMIT_S",
        "ATVM_RUNNER_PASS",
        "ATVM_PYTHON",
        "ATVM_WATCHER_SCOPE_DESCRIPTION",
    } <= read
    assert sorted(name for name in read if f"`{name}`" not in text and f"`{name}=" not in text) == []


def test_every_variable_that_the_program_reads_is_a_known_setting() -> None:
    assert variables_read() - OF_TESTS - SET_FOR_COMMANDS == KNOWN_SETTINGS


@functools.cache
def variables_read() -> set[str]:
    """Return every environment variable that the package or a wrapper reads, without those of the stand-in."""
    modules = (path for path in PACKAGE.rglob("*.py") if path.name != "known_settings.py")
    read = {name for path in modules for name in variables(path)}
    read |= {f"ATVM_WATCHER_{name.upper()}" for name in Metadata.__struct_fields__}
    read |= {name for path in (PROJECT / "bin").iterdir() for name in VARIABLE.findall(path.read_text())}
    return {name for name in read if not name.startswith("ATVM_STAND_IN")}


def variables(path: Path) -> Iterator[str]:
    """Yield the names of environment variables in a module: complete strings, and `PREFIX + "NAME"`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
            yield node.value
        if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name) and node.left.id == "PREFIX":
            assert isinstance(node.right, ast.Constant | ast.Call)
            if isinstance(node.right, ast.Constant):
                yield f"ATVM_WATCHER_{node.right.value}"


@pytest.mark.parametrize("key", Dialect.__struct_fields__)
def test_every_key_of_the_dialect_is_explained(key: str) -> None:
    assert f"| `{key}` |" in page("dialect")


def test_every_file_of_the_state_directory_is_explained() -> None:
    text = page("files")
    paths = Paths(Path("/state"), "build")
    names = {
        path.name for path in vars(paths).values() if isinstance(path, Path) and path.parent == paths.folder
    }

    assert sorted(name for name in names if f"`{name}" not in text) == []


def test_every_scenario_is_a_learning() -> None:
    text = LEARNINGS.read_text()
    names = {path.stem for path in SCENARIOS.glob("*.json")} - {
        "all-green",
        "failing-test",
    }  # these outcomes are expected, so the learnings omit them

    assert sorted(name for name in names if f"[{name}](" not in text) == []


def test_every_package_has_its_line_in_the_architecture() -> None:
    text = ARCHITECTURE.read_text()
    packages = [path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py")]

    assert (
        sorted(name for name in packages if name not in (".", "shell") and f"| `{name}/` |" not in text) == []
    )


PRINTED = re.compile(r"`` .+? ``")
"""Output of another program: its options are not checked."""


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_document_names_only_what_exists(path: Path) -> None:
    text = path.read_text()
    commands = set(re.findall(r"atvm-pipeline ([a-z]+)\b", text))
    wrappers = set(re.findall(r"[\w-]+\.sh\b", text)) | set(
        re.findall(r"(?<!\.venv/)\bbin/([\w.-]*\w)", text)
    )
    options = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", PRINTED.sub("", text)))
    known = (
        {option for command in COMMANDS for option in options_of(command)}
        | FOREIGN_OPTIONS
        | installer_options()
    )

    assert commands - {"help"} <= set(COMMANDS)
    assert options <= known
    assert {name for name in wrappers if not (PROJECT / "bin" / name).is_file()} == set()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", path.read_text())
    local = [(target, anchor) for target, anchor in links if not target.startswith("https://")]

    assert [link for link in local if not leads_somewhere(path, *link)] == []


def leads_somewhere(path: Path, target: str, anchor: str) -> bool:
    """Return True if the file of a link exists and has the heading that its anchor names."""
    file = path.parent / target if target else path
    return file.exists() and (not anchor or anchor in anchors(file.read_text()))


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_document_names_only_settings_that_exist(path: Path) -> None:
    named = {name for name in VARIABLE.findall(path.read_text()) if not name.startswith("ATVM_STAND_IN")}

    assert named - variables_read() == set()
