"""Decisions about colour and width, and the functions that shorten and wrap text."""

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from atvm_pipeline.cli import terminal
from atvm_pipeline.core.phases import Phase


@contextmanager
def terminal_of(columns: int) -> Iterator[TextIO]:
    """Return the stream of a real terminal with this many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        with os.fdopen(follower, "w") as stream:
            yield stream
    finally:
        os.close(leader)


@pytest.mark.parametrize(
    ("environ", "on_terminal", "on_pipe"),
    [
        ({}, True, False),
        ({"TERM": "xterm"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True, True),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colour_follows_the_terminal_and_the_known_variables(
    environ: dict[str, str], on_terminal: bool, on_pipe: bool
) -> None:
    with terminal_of(80) as stream:
        assert terminal.has_colour(stream, environ) is on_terminal
    with open(os.devnull, "w") as stream:
        assert terminal.has_colour(stream, environ) is on_pipe


def test_a_style_adds_only_a_colour_and_an_unknown_style_changes_nothing() -> None:
    assert terminal.style("1 failed", "failed", colour=True) == "\x1b[31m1 failed\x1b[0m"
    assert terminal.style("1 failed", "failed", colour=False) == "1 failed"
    assert terminal.style("1 failed", "no such style", colour=True) == "1 failed"
    assert terminal.style("", "failed", colour=True) == ""


def test_every_phase_has_a_style() -> None:
    assert {phase.value for phase in Phase} <= set(terminal.STYLES)


@pytest.mark.parametrize(
    ("columns", "variable", "expected"),
    [
        (120, None, 120),
        (120, "100", 100),
        (120, "wide", 120),
        (120, "0", 120),
        (10, None, 40),
        (500, None, 160),
        (0, None, 80),
    ],
)
def test_the_width_is_that_of_the_terminal_within_limits(
    monkeypatch: pytest.MonkeyPatch, columns: int, variable: str | None, expected: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if variable is not None:
        monkeypatch.setenv("COLUMNS", variable)

    with terminal_of(columns) as stream:
        assert terminal.width(stream) == expected


def test_without_a_terminal_the_width_is_80(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    with open(os.devnull, "w") as stream:
        assert terminal.width(stream) == 80


def test_a_text_that_is_too_long_keeps_its_start_and_most_of_its_end() -> None:
    text = "AssertionError: Timed out retrying after 4000ms: expected 'Migration running' to equal 'done'"

    short = terminal.cut_middle(text, 40)

    assert short == "AssertionErro…n running' to equal 'done'"
    assert terminal.cells(short) <= 40
    assert terminal.cut_end(text, 20) == "AssertionError: Tim…"
    assert terminal.cut_middle("short", 40) == terminal.cut_end("short", 40) == "short"
    assert terminal.cut_middle("abc", 1) == "…"


def test_characters_of_two_columns_count_twice_and_combining_ones_not() -> None:
    assert terminal.cells("日本") == 4
    assert terminal.cells("e\N{COMBINING ACUTE ACCENT}") == 1
    assert terminal.pad("日本", 6) == "日本  "
    assert terminal.cut_end("日本語", 5) == "日本…"


def test_text_is_wrapped_between_words_and_a_path_is_never_broken() -> None:
    path = "/a/very/long/path/that/has/more/characters"

    lines = terminal.wrapped(f"see {path} for the end", 20, first="note: ", rest="      ")

    assert lines == ["note: see", f"      {path}", "      for the end"]
    assert terminal.wrapped("", 20, first="note: ") == ["note:"]
