"""The sentence that quotes the last lines of a log, and the descriptions of exit codes."""

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from atvm_pipeline.core.console.scanner_state import ScannerState
from atvm_pipeline.core.events import LogRead
from atvm_pipeline.core.facts import LastLine
from atvm_pipeline.core.snapshot import Snapshot, snapshot
from atvm_pipeline.core.state import LogPosition, Reason, Run, SubRun
from atvm_pipeline.core.verdict.exit_code_text import (
    CRASHES,
    FROM_OUTSIDE,
    code_text,
    has_words,
    signal_advice,
)
from atvm_pipeline.core.verdict.log_quotes import QUOTE_CHARS_MAX, QUOTED_MAX, and_last_lines, and_subrun_end
from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log
from tests.support import cypress_output as prints
from tests.support.run_builder import Story

FIRST, SECOND = "redhat9.6.cy.ts", "ubuntu24.04.cy.ts"


def inspected(
    lines: list[str],
    tmp_path: Path,
    *,
    exit_code: int | None = 1,
    build_name: str | None = "e2e-redhat9.6-fc",
) -> Snapshot:
    log = tmp_path / "runner.log"
    log.write_bytes(prints.encoded(lines))
    finished = FinishedRun(
        log=log, build_name=build_name, categorized=build_name is not None, exit_code=exit_code
    )
    return snapshot(inspect_log(finished, on_bytes=lambda _: None))


def text_of(lines: list[str], tmp_path: Path, **how: object) -> str:
    view = inspected(lines, tmp_path, **how)  # type: ignore[arg-type]
    assert view.phase in ("FAILED", "UNKNOWN", "TERMINATED")
    return view.reason["text"]


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (126, "126 (the command is not executable, or permission was denied)"),
        (127, "127 (command not found)"),
        (112, "112 (with --posix-exit-codes: Cypress could not get the next spec from the recording server)"),
        (130, "130 (SIGINT: interrupted, as by Ctrl-C)"),
        (137, "137 (SIGKILL: killed by the kernel because memory ran out, or by a user or a program)"),
        (143, "143 (SIGTERM: asked to stop)"),
        (139, "139 (SIGSEGV: the program crashed)"),
    ],
)
def test_an_exit_code_with_a_meaning_is_put_in_words(exit_code: int, words: str) -> None:
    assert code_text(exit_code) == words
    assert has_words(exit_code)


def test_other_exit_codes_are_numbers() -> None:
    assert [code_text(code) for code in (1, 3, "unknown (exit-code)", None)] == [
        "1",
        "3",
        "unknown (exit-code)",
        "None",
    ]
    assert not has_words(1)
    assert not has_words(None)


@pytest.mark.parametrize("signal", ["SIGKILL", *sorted(CRASHES | FROM_OUTSIDE), "SIGUSR1"])
def test_only_sigkill_gets_advice_about_memory_and_what_killed_it(signal: str) -> None:
    advice = signal_advice(signal)

    assert ("memory" in advice and "killed" in advice) == (signal == "SIGKILL")
    assert ("crashed" in advice) == (signal in CRASHES)
    assert ("outside" in advice) == (signal in FROM_OUTSIDE)


@pytest.mark.parametrize(
    "cause",
    [
        "sh: 1: cypress: not found",
        "bash: line 1: npx: command not found",
        "npm ERR! could not determine executable to run",
        "Error: spawn /root/.cache/Cypress/12.17.4/Cypress/Cypress ENOENT",
        "Error: spawn npx EACCES",
        "Error: spawn ENOMEM",
        "fork: Cannot allocate memory",
        "Error: connect ECONNREFUSED 10.1.2.3:1234",
        "getaddrinfo EAI_AGAIN director.example.test",
        "/usr/bin/xvfb-run: line 1: Xvfb: something",
        "yaml.scanner.ScannerError: mapping values are not allowed here",
    ],
)
@pytest.mark.parametrize("build_name", ["e2e-redhat9.6-fc", None])
@pytest.mark.parametrize("exit_code", [0, 1, 127])
def test_where_nothing_started_the_cause_is_quoted(
    cause: str, build_name: str | None, exit_code: int, tmp_path: Path
) -> None:
    noise = ["npm ERR! code ELIFECYCLE", "npm ERR! errno ENOENT", "npm ERR! syscall spawn", "----------"]
    text = text_of(["Starting", cause, *noise], tmp_path, exit_code=exit_code, build_name=build_name)

    assert cause in text
    assert "ci-build-id" not in text
    assert "ELIFECYCLE" not in text
    assert ("127 (command not found" in text) == (exit_code == 127)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Error: ENOSPC: no space left on device, write", "no space left on device."),
        (
            "Error: ENOSPC: no space left on device, open '/var/a b/x'",
            "no space left on device on /var/a b/x.",
        ),
        ("cp: error writing '/mnt/a': No space left on device", "no space left on device on /mnt/a."),
        ("tar: /mnt/x: Cannot write: No space left on device", "no space left on device on /mnt/x."),
        ("write(): Disk quota exceeded", "disk quota exceeded."),
    ],
)
def test_a_full_disk_is_named_with_its_path(line: str, words: str, tmp_path: Path) -> None:
    text = text_of([*prints.starting(FIRST), *prints.running(FIRST, 1, 1), line], tmp_path)

    assert f"The disk was full: {words} Last line" in text


def test_a_full_disk_is_named_with_the_time_of_the_last_line() -> None:
    line = LastLine(
        offset=10, end=60, text="OSError: [Errno 28] No space left on device: '/data'", kind="cause"
    )
    story = Story().started().tick(60)
    story.feed(LogRead(at=story.at, end=90, scanner=ScannerState(offset=90, last=(line,)))).tick(60).end(1)

    assert "The disk was full: no space left on device on /data at 2026-11-23 10:01:00 +0000." in str(
        story.view.reason["text"]
    )


def test_a_spec_without_a_result_quotes_the_last_lines_and_points_at_them(tmp_path: Path) -> None:
    lines = [*prints.starting(FIRST), *prints.running(FIRST, 1, 1), "copying", "Traceback", "boom"]
    view = inspected(lines, tmp_path, exit_code=137)
    data = (tmp_path / "runner.log").read_bytes()

    assert 'Last lines of the log: "copying", "Traceback", "boom".' in view.reason["text"]
    assert data.find(b"copying") in [
        place["offset"] for place in view.reason["evidence"] if place["kind"] == "log"
    ]


def test_an_empty_summary_alone_gets_the_advice_about_the_ci_build_id(tmp_path: Path) -> None:
    empty = [*prints.starting(FIRST), "", "  (Run Finished)", "", "done"]

    assert "ci-build-id" in text_of(empty, tmp_path, exit_code=0)


def test_an_empty_log_reports_it(tmp_path: Path) -> None:
    assert "The log is empty." in text_of([], tmp_path)
    assert "check that it is in UTF-8" in text_of(["", ""], tmp_path)


@pytest.mark.parametrize("between", [0, 1, 400])
def test_a_group_that_was_cut_off_quotes_its_own_lines(between: int, tmp_path: Path) -> None:
    lines = [
        "+ npx cypress run --ci-build-id e2e-redhat9.6-fc",
        *prints.starting(FIRST),
        *prints.running(FIRST, 1, 1),
        "Error: ENOMEM, the first group's",
        *["make[1]: *** [run] Error 1"] * between,
        "+ npx cypress run --ci-build-id e2e-ubuntu24.04-fc",
        *prints.whole_run(SECOND),
        *["publishing"] * between,
        "Error: ENOENT, the second group's",
    ]
    view = inspected(lines, tmp_path, build_name="e2e-redhat9.6-ubuntu24.04-fc")
    reason = view.subruns[0].reason
    data = (tmp_path / "runner.log").read_bytes()

    assert reason["code"] == "results-missing"
    assert ("the first group's" in reason["text"]) == (between < 400)
    assert "second" not in reason["text"]
    assert between == 400 or data.find(b"Error: ENOMEM") in [place["offset"] for place in reason["evidence"]]
    assert "second" not in view.subruns[1].reason["text"]


def test_the_cause_below_an_error_of_a_group_that_was_cut_off_is_quoted(tmp_path: Path) -> None:
    lines = [
        *prints.starting(FIRST),
        "Xvfb exited with a non zero exit code.",
        "(EE) Server is already active for display 99",
        "step",
        *prints.whole_run(SECOND),
    ]
    view = inspected(lines, tmp_path, build_name="e2e-redhat9.6-ubuntu24.04-fc")

    assert "already active for display 99" in view.subruns[0].reason["text"]


def run_with(*lines: LastLine) -> Run:
    log = LogPosition(scanner=ScannerState(last=lines))
    return replace(Story().run, log=log)


FOUND = Reason(code="nothing-ran", text="Nothing.")


def test_noise_is_quoted_only_where_there_is_nothing_else() -> None:
    noise = LastLine(offset=0, end=5, text="noise", kind="noise")
    line = LastLine(offset=6, end=9, text="said")

    assert and_last_lines(run_with(), FOUND) is FOUND
    assert and_last_lines(run_with(noise), FOUND).text == 'Nothing. Last line of the log: "noise".'
    assert and_last_lines(run_with(noise, line, line), FOUND).text == 'Nothing. Last line of the log: "said".'
    assert and_last_lines(run_with(noise, line), FOUND, 7) is FOUND
    assert and_subrun_end(run_with(line), FOUND, SubRun(index=1)).text.endswith('"said".')


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            LastLine,
            offset=st.integers(0, 999),
            end=st.just(0),
            text=st.text(max_size=300),
            kind=st.sampled_from(["cause", "line", "noise"]),
        ),
        max_size=8,
    )
)
def test_any_last_lines_make_one_bounded_sentence(lines: list[LastLine]) -> None:
    found = and_last_lines(run_with(*lines), FOUND)

    assert found.text.isprintable()
    assert len(found.text) < QUOTED_MAX * (QUOTE_CHARS_MAX + 4) + 80
    assert bool(lines) <= len(found.evidence) <= QUOTED_MAX


@pytest.mark.parametrize(("exit_code", "how"), [(143, "SIGTERM"), (137, "SIGKILL"), (130, "SIGINT")])
def test_a_runner_that_a_shell_reports_as_ended_from_outside_quotes_the_log(
    exit_code: int, how: str, tmp_path: Path
) -> None:
    lines = [*prints.starting(FIRST), *prints.running(FIRST, 1, 1), "copying"]
    view = inspected(lines, tmp_path, exit_code=exit_code)

    assert (view.phase, view.reason["code"]) == ("TERMINATED", "runner-signalled")
    assert f"ended from outside by {how}" in view.reason["text"]
    assert 'Last line of the log: "copying".' in view.reason["text"]


@pytest.mark.parametrize("exit_code", [132, 133, 135])
def test_a_crash_that_a_shell_reports_is_no_end_from_outside(exit_code: int, tmp_path: Path) -> None:
    lines = [*prints.starting(FIRST), *prints.running(FIRST, 1, 1), "Segmentation fault (core dumped)"]
    view = inspected(lines, tmp_path, exit_code=exit_code)

    assert (view.phase, view.reason["code"]) == ("FAILED", "results-missing")
    assert "the program crashed" in view.reason["text"]
    assert "core dumped" in view.reason["text"]


@pytest.mark.parametrize(
    ("signal", "text"), [("SIGSEGV", "crashed with"), ("SIGTERM", "was ended from outside by")]
)
def test_a_signal_of_the_runner_itself_is_a_crash_or_an_end_from_outside(signal: str, text: str) -> None:
    story = Story().started().begin_child(1).end(None, signal=signal)

    assert story.ending == ("TERMINATED", "runner-signalled")
    assert story.view.reason["text"] == f"The runner {text} signal {signal}."
