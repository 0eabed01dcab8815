"""Randomly generated runs of Cypress, green and red, as the lines that it prints; and the evaluation of a log of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atvm_pipeline.core.snapshot import Snapshot, snapshot
from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log
from tests.support import cypress_output as prints

HOSTS = ("redhat9.6", "ubuntu24.04", "w2k25", "sles15.5")
CHECK = "check-xml-files.ts"
RED = ("failed", "crashed", "hook", "skipped")
"""How a spec can fail while Cypress still prints its summary."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The output of one Cypress process."""

    hosts: tuple[str, ...]
    lines: tuple[str, ...]
    green: bool

    @property
    def data(self) -> bytes:
        """The bytes of the log."""
        return prints.encoded(self.lines)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options for the evaluation of a log."""

    build_name: str | None = None
    categorize: bool = False
    exit_code: int | None = 0


def make_run(
    rng: random.Random,
    hosts: Sequence[str],
    *,
    green: bool,
    command: bool = False,
    reporter: str = "spec",
) -> Run:
    """Create a run of one spec per host and the check at the end. In a red run, at least one spec is red."""
    specs = [*(f"{host}.cy.ts" for host in hosts), CHECK]
    red = set() if green else set(rng.sample(range(len(specs)), rng.randint(1, len(specs))))
    lines: list[str] = []
    if command:
        label = f"e2e-{'-'.join(hosts)}-fc"
        lines.append(f"+ npx cypress run --record --key x --ci-build-id {label} --group {label}")
    lines += prints.starting(*specs)
    rows: list[list[str]] = []
    sums = [0] * 5
    failed = 0
    for at, spec in enumerate(specs):
        how = rng.choice(RED) if at in red else "passed"
        counts = counts_of(rng, how)
        lines += spec_lines(rng, spec, (at + 1, len(specs)), how, counts, reporter=reporter)
        sums = [one + other for one, other in zip(sums, counts, strict=True)]
        failed += how != "passed"
        rows.append(prints.row(spec, counts, "✔" if how == "passed" else "✖"))
    verdict = (
        f"{failed} of {len(specs)} failed ({100 * failed // len(specs)}%)" if failed else "All specs passed!"
    )
    lines += prints.finished(rows, verdict, sums, "✖" if failed else "✔")
    return Run(hosts=tuple(hosts), lines=tuple(lines), green=green)


def counts_of(rng: random.Random, how: str) -> tuple[int, int, int, int, int]:
    """Return tests, passing, failing, pending and skipped of a spec that ends like this."""
    passing = rng.randint(1, 5)
    match how:
        case "failed":
            failing = rng.randint(1, 2)
            return passing + failing, passing, failing, 0, 0
        case "hook":
            return passing + 3, passing, 1, 0, 2
        case "skipped":
            return passing + 1, passing, 1, 0, 0
        case "crashed":
            return 0, 0, 1, 0, 0
        case _:
            pending = rng.choice((0, 0, 1))
            return passing + pending, passing, 0, pending, 0


def spec_lines(
    rng: random.Random,
    spec: str,
    position: tuple[int, int],
    how: str,
    counts: Sequence[int],
    *,
    reporter: str,
) -> list[str]:
    """Return the lines of one spec, from its divider to its box."""
    _, passing, failing, pending, skipped = counts
    lines = ["", *prints.running(spec, *position), "", ""]
    if how == "crashed":
        lines += ["We detected that the Chromium Renderer process just crashed.", ""]
    elif reporter == "spec":
        lines.append(f"  {spec.partition('.')[0]}")
        lines += [f"    ✓ moves volume {number} ({rng.randint(50, 90000)}ms)" for number in range(passing)]
        lines += [f"    - keeps snapshot {number}" for number in range(pending)]
        lines += [f"    {number + 1}) cuts over {number}" for number in range(failing)]
        failures = [("a suite", f"cuts over {number}", "AssertionError: no") for number in range(failing)]
        epilogue = prints.epilogue(passing, failures)
        if pending:
            epilogue.insert(3, f"  {pending} pending")
        lines += epilogue
    rows = zip(("Tests", "Passing", "Failing", "Pending", "Skipped"), counts, strict=True)
    boxed = [(key, str(value)) for key, value in rows]
    boxed += [
        ("Screenshots", str(failing)),
        ("Video", "false"),
        ("Duration", "33 seconds"),
        ("Spec Ran", spec),
    ]
    assert sum(counts[1:]) == counts[0] or how == "crashed"
    assert skipped == 0 or how == "hook"
    return [*lines, "", "  (Results)", "", *prints.boxed(boxed, 14, 80), "", ""]


def judge(path: Path, data: bytes, asked: Asked) -> Snapshot:
    """Evaluate a log as `inspect` does."""
    path.write_bytes(data)
    finished = FinishedRun(
        log=path, build_name=asked.build_name, categorized=asked.categorize, exit_code=asked.exit_code
    )
    return snapshot(inspect_log(finished, on_bytes=lambda _: None))
