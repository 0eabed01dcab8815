"""The last lines of a log: selection and number of kept lines, independent of how the log is cut into blocks."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.console.last_lines import (
    CAUSES_MAX,
    LAST_LINE_CHARS_MAX,
    LAST_LINES_MAX,
    LAST_LINES_NOISE_MAX,
    WINDOW_BYTES,
)
from atvm_pipeline.core.console.lines import LINE_BYTES_MAX
from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.facts import LastLine
from atvm_pipeline.core.text import printable

SCANNER = Scanner(Dialect())
LINES = [
    b"",
    b"step done",
    b"\x1b[31mcopying\x1b[39m the results",
    b"Error: ENOSPC: no space left on device, write",
    b"sh: 1: cypress: not found",
    b"npm ERR! code ELIFECYCLE",
    b"    at Object.<anonymous> (/srv/a.js:1:2)",
    b"[12:0430/134741.5:ERROR:bus.cc(399)] Failed to connect to the bus: No such file",
    b"x" * 300,
    b"y" * WINDOW_BYTES,
    b"z" * LINE_BYTES_MAX,
]


def last_of(data: bytes, cuts: Sequence[int] = ()) -> tuple[LastLine, ...]:
    state = ScannerState()
    for begin, end in pairwise([0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
        state = SCANNER.scan(state, data[begin:end]).state
    return SCANNER.finish(state).state.last


def kinds(text: str) -> dict[str, str]:
    return {line.text: line.kind for line in last_of(text.encode())}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=60)), max_size=40).map(b"\n".join),
    st.lists(st.integers(0, 1 << 18), max_size=8),
)
def test_the_last_lines_are_bounded_sanitised_and_the_same_in_any_blocks(
    data: bytes, cuts: list[int]
) -> None:
    lines = last_of(data)

    assert last_of(data, cuts) == lines
    assert [line.offset for line in lines] == sorted({line.offset for line in lines})
    assert all(
        len(line.text) <= LAST_LINE_CHARS_MAX and line.text == printable(line.text).strip() for line in lines
    )
    for kind, most in (("cause", CAUSES_MAX), ("line", LAST_LINES_MAX), ("noise", LAST_LINES_NOISE_MAX)):
        assert sum(line.kind == kind for line in lines) <= most


def test_blank_lines_and_what_is_too_far_back_are_not_kept() -> None:
    assert last_of(b"\n   \n\x1b[0m\n") == ()
    assert last_of(b"early\n" + b"\n" * WINDOW_BYTES) == ()
    assert [line.text for line in last_of(b"a\nb\nc\nd")] == ["b", "c", "d"]


def test_a_line_is_forgotten_while_a_line_without_an_end_grows() -> None:
    state = SCANNER.scan(ScannerState(), b"a\n" + b"x" * LINE_BYTES_MAX).state

    assert SCANNER.scan(state, b"x" * WINDOW_BYTES).state.last == ()


def test_a_cause_stays_behind_later_lines() -> None:
    data = b"sh: 1: cypress: not found\n" + b"step\n" * 50

    assert [line.text for line in last_of(data)] == ["sh: 1: cypress: not found", "step", "step", "step"]
    assert last_of(data, range(len(data))) == last_of(data)


@pytest.mark.parametrize(
    "line",
    [
        "+ npx cypress run --browser electron",
        "> project@1.0.0 cy:run",
        "────────────────────",
        "│ Tests: 3 │",
        "----------",
        "npm ERR! errno ENOENT",
        "npm ERR! syscall spawn",
        "npm error code 127",
        "npm ERR! A complete log of this run can be found in:",
        "npm ERR! /root/.npm/_logs/debug.log",
        "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1278:16)",
        " 1: 0xb090e0 node::Abort() [node]",
        "[12:0430/1347:ERROR:gpu_init.cc(523)] Passthrough is not supported, GL is disabled: Error: none",
        "[12:0430/1347:WARNING:sandbox.cc(1)] slow",
        "Fontconfig error: No writable cache directories",
        "tput: No value for $TERM and no -T specified",
        "DevTools listening on ws://127.0.0.1:1/devtools",
        "make: *** [run] Error 1",
        "Platform: linux-x64 (Debian - 11.3)",
        "    at node:internal/main/run_main_module:23:47 {",
        "https://on.cypress.io",
    ],
)
def test_noise_is_noise(line: str) -> None:
    assert list(kinds(line).values()) == ["noise"]
    assert line.strip() not in kinds(line + "\na\nb\nc\n")


@pytest.mark.parametrize(
    "line",
    [
        "sh: 1: cypress: not found",
        "/bin/sh: cypress: command not found",
        "env: 'node': No such file or directory",
        "bash: ./run.sh: Permission denied",
        "npm ERR! could not determine executable to run",
        'npm ERR! Missing script: "cy:run"',
        "Error: spawn /opt/Cypress ENOENT",
        "[FAILED] Xvfb exited with a non zero exit code.",
        "[9:0430/134741.5:ERROR:ozone.cc(238)] Missing X server or $DISPLAY",
        "ModuleNotFoundError: No module named 'yaml'",
        "./run.sh: line 3:  4242 Killed                  npx cypress run",
        "Segmentation fault (core dumped)",
        "OSError: [Errno 28] No space left on device",
    ],
)
def test_a_cause_is_a_cause(line: str) -> None:
    assert list(kinds(line).values()) == ["cause"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("run --record --key 1234-abcd now", "run --record --key *** now"),
        ("CYPRESS_RECORD_KEY=1234 x", "CYPRESS_RECORD_KEY=*** x"),
        ("fetch https://me:secret@host/x failed", "fetch https://host/x failed"),
        ("password: hunter2", "password: ***"),
    ],
)
def test_a_secret_is_not_kept(line: str, shown: str) -> None:
    assert list(kinds(line)) == [shown]
