"""Super-linear time: each reader gets each word of its dictionary, and each seed, short and eight times as long.

In linear time, eight times the input takes eight times as long; in quadratic time, sixty-four times.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import process_time

import pytest
from msgspec.structs import replace

from atvm_pipeline.core import text as harmless
from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect, read_dialect
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import ArtifactWritten
from atvm_pipeline.core.hosts import host_names
from atvm_pipeline.core.hosts.inventory import read_inventory
from atvm_pipeline.core.junit.report import Report, ReportedSpec, parse_report
from atvm_pipeline.core.messages import payload
from atvm_pipeline.core.preflight.checks import option_values
from atvm_pipeline.core.preflight.globs import match_specs
from atvm_pipeline.core.preflight.spec_pattern import read_spec_pattern
from atvm_pipeline.core.state import Run
from atvm_pipeline.core.verdict.report_notes import run_report_notes
from atvm_pipeline.core.verdict.report_results import match_reports
from atvm_pipeline.shell.config.env_file import read_env_file
from atvm_pipeline.shell.delivery.webhook import Webhook
from tests.fuzz import scratch
from tests.fuzz.registry import load
from tests.support.project import PROJECT
from tests.support.run_builder import Story, counts

SMALL, LARGE = 4 * 1024, 32 * 1024
GROWTH_MAX = 32
LEAST_S = 0.0005
"""A shorter time cannot be distinguished from zero."""
SCANNER = Scanner(Dialect(progress="^ *[0-9]+ %"))
SUITE = b'<testsuites name="x"><testsuite name="a" tests="1" file="a.cy.ts">'
SPACES: tuple[bytes, ...] = (
    b" ",
    b"\t",
    b"\n",
    b"\0",
    b"a",
    b"A1.",
    b"\\",
    b"''",
    b"--",
    b"()",
    b"{}",
    b"[]",
    b"=",
)


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def console_line(data: bytes) -> None:
    SCANNER.scan(ScannerState(), data.replace(b"\n", b" ") + b"\n")


def console_lines(data: bytes) -> None:
    """Reading byte by byte would measure the reader's own cost. The data is read in blocks, like a file."""
    state = ScannerState()
    for start in range(0, len(data), 4096):
        state = SCANNER.scan(state, data[start : start + 4096] + b"\n").state
    SCANNER.finish(state)


def in_a_report(before: bytes, after: bytes) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        parse_report(SUITE + before + data + after + b"</testsuite></testsuites>")

    return read


def shown(data: bytes) -> None:
    found = text(data)
    harmless.printable(found)
    harmless.one_line(found, len(found))
    payload.code_free(found)


def globs(data: bytes) -> None:
    """As patterns of the greatest length, compared with a path of many parts, and the other way around."""
    found = text(data)
    patterns = [found[start : start + 256] for start in range(0, len(found), 256)]
    match_specs(patterns, ["a/b/redhat9.6.cy.ts"])
    match_specs(["**/*.cy.ts", "*a*b*"], patterns)


def named(data: bytes) -> None:
    found = text(data)
    host_names.host_of_spec(found, ("redhat9.6", "db-alpha"), Dialect())
    host_names.hosts_in_label(found, ("redhat9.6", "db-alpha"), Dialect())


def dialect(data: bytes) -> None:
    read_dialect(text(data)[: 64 * 1024], "d.toml")


def environment(data: bytes) -> None:
    path = scratch.paths().folder / "environment"
    path.write_bytes(data)
    read_env_file(path)


READERS: dict[str, tuple[str, Callable[[bytes], object]]] = {
    "a line of the console": ("console", console_line),
    "lines of the console": ("console", console_lines),
    "bare XML": ("report", parse_report),
    "text of a report": ("report", in_a_report(b'<testcase name="a"><failure>', b"</failure></testcase>")),
    "an attribute of a report": ("report", in_a_report(b'<testcase name="', b'"/>')),
    "text that is shown": ("messages", shown),
    "an inventory": ("inventory", lambda data: read_inventory(text(data))),
    "a row of an inventory": (
        "inventory",
        lambda data: read_inventory("|host|kernel|\n|-|-|\n|" + text(data)),
    ),
    "globs": ("patterns", globs),
    "a config file": ("patterns", lambda data: read_spec_pattern("specPattern: " + text(data))),
    "a command": ("patterns", lambda data: option_values(text(data), ("--build_name",))),
    "a dialect": ("dialect", dialect),
    "a setting of a dialect": ("dialect", lambda data: dialect(b"progress = '" + data + b"'")),
    "names": ("messages", named),
    "an environment file": ("settings", environment),
    "an address": ("settings", lambda data: Webhook.parse(text(data))),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_takes_more_than_in_proportion(reader: str) -> None:
    name, read = READERS[reader]

    slow = {}
    for piece in pieces(name):
        small, large = repeated(piece, SMALL), repeated(piece, LARGE)
        if cpu_s(read, large, 1) < GROWTH_MAX * max(cpu_s(read, small, 1), LEAST_S):
            continue
        # Measure again, with more attempts: another process may have used the machine.
        small_s, large_s = cpu_s(read, small, 5), cpu_s(read, large, 3)
        if large_s >= GROWTH_MAX * max(small_s, LEAST_S):
            slow[piece[:40]] = (small_s, large_s)

    assert slow == {}


def pieces(name: str) -> Iterator[bytes]:
    """Yield the pieces to repeat: each word of the dictionary, alone and with a line break, and the short seeds."""
    target = load(name)
    for word in dict.fromkeys((*SPACES, *target.WORDS)):
        yield word
        yield word + b"\n"
    yield from [seed for seed in target.seeds() if len(seed) < 1000][:20]


def repeated(piece: bytes, size: int) -> bytes:
    return (piece * (size // len(piece) + 1))[:size]


def cpu_s(read: Callable[[bytes], object], data: bytes, attempts: int) -> float:
    """Return the shortest reading time of a few attempts. A refusal counts as a result."""
    took = []
    for _ in range(attempts):
        began = process_time()
        with suppress(ConfigError):
            read(data)
        took.append(process_time() - began)
    return min(took)


def reported_run(size: int, path: str, file: str) -> Run:
    """Return one run of `size` specs and as many versions of reports; `path` and `file` take a number."""
    story = Story(hosts=(), categorized=False).started()
    specs = [(path.format(number), counts(1)) for number in range(size)]
    story.child(*specs)
    reports = tuple(
        ArtifactWritten(
            at=story.at,
            seq=number + 1000,
            path=f"cmcReporter/{number}.xml",
            size=number,
            mtime=story.at,
            report=Report(
                specs=(ReportedSpec(spec=file.format(number), suites=(f"s{number}",), counts=counts(0, 1)),)
            ),
        )
        for number in range(size)
    )
    return replace(story.run, artifacts=reports)


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("redhat9.{}.cy.ts", "cypress/e2e/redhat9.{}.cy.ts"),
        ("d{}/index.cy.ts", "cypress/e2e/d{}/index.cy.ts"),
        ("d{}/index.cy.ts", "index.cy.ts"),
        ("d{}/index.cy.ts", ""),
        ("redhat9.{}.cy.ts", "nowhere/{}.cy.ts"),
    ],
)
def test_assigning_reports_takes_no_more_than_in_proportion(path: str, file: str) -> None:
    runs = {size: reported_run(size, path, file) for size in (100, 800)}

    def assign(run: Run) -> float:
        """A copy is used because the result for the last run is cached."""
        copy = replace(run, artifacts=(*run.artifacts[:-1], run.artifacts[-1]))
        began = process_time()
        run_report_notes(copy)
        match_reports(copy, copy.subruns[0])
        return process_time() - began

    small_s, large_s = (min(assign(run) for _ in range(4)) for run in runs.values())

    assert large_s < GROWTH_MAX * max(small_s, LEAST_S)


def test_quadratic_time_would_be_seen() -> None:
    def quadratic(data: bytes) -> None:
        for at in range(0, len(data), 4):
            data[at:].count(b"q")

    small, large = (cpu_s(quadratic, repeated(b"ab", size), 3) for size in (SMALL, LARGE))

    assert large >= GROWTH_MAX * max(small, LEAST_S)


def test_a_scratch_directory_is_gone_with_its_process(tmp_path: Path) -> None:
    code = "from tests.fuzz import scratch; print(scratch.paths().folder.is_dir())"
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, cwd=PROJECT, env=environ, capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"
    assert list(tmp_path.iterdir()) == []
