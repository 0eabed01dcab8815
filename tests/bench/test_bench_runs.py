"""The bench stays able to run. Seconds are for people to read; a test checks only how a cost grows."""

from pathlib import Path
from time import process_time

import pytest

from atvm_pipeline.core.console.lines import LINE_BYTES_MAX
from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from tests.bench import console_log, grep

COSTLY = tuple(console_log.costly_lines(LINE_BYTES_MAX))


def test_the_generated_log_is_the_same_every_time_and_four_lines_in_a_hundred_are_anchors(
    tmp_path: Path,
) -> None:
    one, other = tmp_path / "one.log", tmp_path / "other.log"
    written = console_log.write_log(one, 1_000_000)

    assert console_log.write_log(other, 1_000_000) == written
    assert other.read_bytes() == one.read_bytes()
    assert grep.lines_counted(one) / written.lines == pytest.approx(0.04, rel=0.05)


def test_grep_is_given_the_anchors_of_the_scanner_with_real_escape_bytes() -> None:
    pattern = grep.command(Path("runner.log"))[3]

    assert b"\x1b(\\[" in pattern
    assert b"[^\x07\x1b]" in pattern
    assert b"(?:" not in pattern
    assert b"*+" not in pattern


@pytest.mark.parametrize("shape", COSTLY)
def test_no_line_costs_more_than_in_proportion_to_its_length(shape: str) -> None:
    """Eight times the length: in proportion 8 times as long, quadratic 64 times."""
    short_s, long_s = (
        cpu_s(console_log.costly_lines(size)[shape]) for size in (LINE_BYTES_MAX // 8, LINE_BYTES_MAX - 1)
    )

    assert long_s < 32 * max(short_s, 0.0002)  # less cannot be distinguished from nothing


def cpu_s(line: bytes) -> float:
    """Return the minimum time for reading `line` in a few attempts."""
    scanner, took = Scanner(Dialect()), []
    for _ in range(5):
        began = process_time()
        scanner.scan(ScannerState(), line)
        took.append(process_time() - began)
    return min(took)
