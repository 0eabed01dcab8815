"""Help pages, and errors in a call: one line that names the nearest known option or command."""

import re
from pathlib import Path

import pytest

from atvm_pipeline.cli import main as main_module
from atvm_pipeline.cli.main import COMMANDS, GROUPS, main

HALVES = {
    "start-atvm-run.sh": ["run"],
    "start-atvm-run-watcher.sh": ["run", "--only", "watcher"],
    "start-atvm-runner.sh": ["run", "--only", "runner"],
    "cancel-atvm-run-watcher.sh": ["cancel"],
    "cancel-atvm-runner.sh": ["cancel", "--only", "runner"],
    "run-atvm-runner.sh": ["runner"],
    "atvm_run_watcher.py": ["watch"],
}


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("ATVM_PROG", raising=False)


def page(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the help page that a call prints."""
    try:
        code: object = main(list(words))
    except SystemExit as ended:
        code = ended.code
    done = capsys.readouterr()
    assert (code, done.err) == (0, "")
    return done.out


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one line that a wrong call prints."""
    try:
        code: object = main(list(words))
    except SystemExit as ended:
        code = ended.code
    done = capsys.readouterr()
    assert (code, done.out, done.err.count("\n")) == (64, "", 1)
    return done.err.rstrip("\n")


# --- help ---


def test_help_lists_every_command_once_in_its_group_within_80_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = page(capsys, "--help")

    assert [re.search(rf"^  {name} +\w", text, re.MULTILINE) is not None for name in COMMANDS] == [
        True
    ] * len(COMMANDS)
    assert all(f"\n{heading}:\n" in text for heading in GROUPS)
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_help_is_the_same_by_word_and_by_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert page(capsys, "help") == page(capsys, "--help") == page(capsys, "-h")
    assert page(capsys, "help", "status") == page(capsys, "status", "--help")


def test_a_call_without_a_command_prints_the_help_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    text = page(capsys, "--help")

    assert main([]) == 64
    assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_an_example_and_exit_codes_within_80_columns(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(capsys, command, "--help")

    assert text.startswith(f"usage: atvm-pipeline {command} ")
    assert re.search(r"^examples?:\n  \S", text, re.MULTILINE)
    assert re.search(r"^exit codes:\n  \S", text, re.MULTILINE)
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("wrapper", HALVES)
def test_the_help_of_a_wrapper_has_its_own_name_and_example(
    wrapper: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATVM_PROG", wrapper)
    text = page(capsys, *HALVES[wrapper], "--help")

    assert text.startswith(f"usage: {wrapper} ")
    assert [line for line in text.splitlines() if len(line) > 80] == []
    if wrapper.startswith(("start", "cancel")):
        assert f"  {wrapper} " in text.split("\nexample", 1)[1]


@pytest.mark.parametrize(
    ("wrapper", "absent", "present"),
    [
        ("start-atvm-run.sh", ["--attach"], ["--template-command", "--runner-command"]),
        ("start-atvm-run-watcher.sh", [], ["--template-command", "--attach", "stored, not run"]),
        ("start-atvm-runner.sh", ["--attach", "--template-command"], ["--runner-command"]),
        ("cancel-atvm-run-watcher.sh", [], ["--runner", "stop watching it"]),
        ("cancel-atvm-runner.sh", ["--runner", "stop watching it"], ["Stop the runner of one request"]),
    ],
)
def test_the_help_of_a_half_offers_only_the_options_that_it_uses(
    wrapper: str, absent: list[str], present: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(capsys, *HALVES[wrapper], "--help")

    assert [word for word in absent if re.search(rf"{word}(?![\w-])", text)] == []
    assert [word for word in present if not re.search(rf"{word}(?![\w-])", text)] == []


def test_headings_are_bold_only_where_colours_are_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [page(capsys, "--help"), page(capsys, "status", "--help")]
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    bold = [page(capsys, "--help"), page(capsys, "status", "--help")]

    assert all("\x1b[1mexamples:\x1b[0m" in text for text in bold)
    assert [re.sub(r"\x1b\[\d*m", "", text) for text in bold] == plain


# --- version ---


def test_the_version_names_the_installed_release(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "0.1.0-1a2b3c4d5e"
    (release / "atvm_pipeline" / "cli").mkdir(parents=True)
    (release / "release.json").write_text("{}")
    checkout = page(capsys, "--version")
    monkeypatch.setattr(main_module, "__file__", str(release / "atvm_pipeline" / "cli" / "main.py"))

    assert checkout == "atvm-pipeline 0.1.0\n"
    assert page(capsys, "--version") == "atvm-pipeline 0.1.0 (release 0.1.0-1a2b3c4d5e)\n"


# --- wrong calls ---


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["statsu"], "atvm-pipeline: unknown command statsu; did you mean status?"),
        (["help", "explian"], "atvm-pipeline: unknown command explian; did you mean explain?"),
        (["frobnicate"], "atvm-pipeline: unknown command frobnicate; see atvm-pipeline --help"),
        (["x\x1b[31my"], "atvm-pipeline: unknown command x [31my; see atvm-pipeline --help"),
        (
            ["run", "--bild-name", "b"],
            "atvm-pipeline run: unknown option --bild-name; did you mean --build-name?",
        ),
        (
            ["run", "--build-name=b", "--runner-comand=true"],
            "atvm-pipeline run: unknown option --runner-comand; did you mean --runner-command?",
        ),
        (["status", "-x"], "atvm-pipeline status: unknown option -x; see atvm-pipeline status --help"),
        (
            ["wait", "b", "--timeout"],
            "atvm-pipeline wait: argument --timeout: expected one argument; see atvm-pipeline wait --help",
        ),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest_known_one(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(capsys, *words) == line


def test_an_option_with_two_values_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "run", "--build-name", "A", "--build-name=B", "--runner-command", "true")

    assert line == (
        "atvm-pipeline run: --build-name is given twice, with 'A' and 'B': give it once; see atvm-pipeline run --help"
    )


def test_the_values_of_an_option_are_not_taken_for_options(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same value twice, a value that looks like an option, a text with a blank, and a list that may be repeated."""
    words = ["--state-root", str(tmp_path), "--state-root", str(tmp_path), "--why=--no-such-option"]

    with pytest.raises(main_module.CommandError, match="build b not found"):
        main(["cancel", "b", *words])
    with pytest.raises(main_module.CommandError, match="does not exist"):
        main(["inspect", "no such log", "--hosts", "a", "--hosts", "b"])
    with pytest.raises(main_module.CommandError, match="does not exist"):
        main(["inspect", "--exit-code", "1", "--", "--no-such-log"])
