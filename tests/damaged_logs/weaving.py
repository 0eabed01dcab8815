"""Two Cypress processes that write into one log: their output interleaved at random, in lines, blocks and torn bytes.

A run of two logs of which one is red must never be COMPLETED, and neither must a sub-run with a host of the red one.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atvm_pipeline.core.snapshot import Snapshot

from .runs import HOSTS, Asked, Run, judge, make_run

GRAINS = ("lines", "blocks", "large blocks", "bytes", "long bytes", "pages", "once", "ends")


@dataclass(frozen=True, kw_only=True)
class Weave:
    """Two runs in one log."""

    seed: int
    grain: str
    runs: tuple[Run, Run]
    asked: Asked
    data: bytes


def make_weave(seed: int) -> Weave:
    """Create the weave of a seed: one in four has two green runs, the others at least one red run."""
    rng = random.Random(seed)  # noqa: S311 - to be repeated
    command = rng.random() < 0.5
    greens = rng.choice(((True, True), (True, False), (False, True), (False, False)))
    dies = rng.randrange(2) if rng.random() < 0.25 else None
    reporter = rng.choice(("spec", "spec", "spec", "none"))
    names = rng.sample(HOSTS, 4)
    split = rng.randint(1, 2)
    one_hosts, other_hosts = names[:split], names[split : split + rng.randint(1, 2)]
    if rng.random() < 0.15:
        other_hosts = one_hosts
    one, other = (
        make_run(rng, hosts, green=green, command=command, reporter=reporter)
        for hosts, green in zip((one_hosts, other_hosts), greens, strict=True)
    )
    if dies is not None:
        one, other = (cut_short(rng, run) if at == dies else run for at, run in enumerate((one, other)))
    grain = GRAINS[seed % len(GRAINS)]
    hosts = dict.fromkeys((*one_hosts, *other_hosts))
    build = f"e2e-{'-'.join(hosts)}-fc" if rng.random() < 0.5 else None
    asked = Asked(build_name=build, categorize=rng.random() < 0.5)
    return Weave(seed=seed, grain=grain, runs=(one, other), asked=asked, data=woven(rng, grain, one, other))


def cut_short(rng: random.Random, run: Run) -> Run:
    """Return the run killed before its final table. It is red because results are missing."""
    begin = next(at for at, line in enumerate(run.lines) if line.startswith("  Running:"))
    end = next(at for at, line in enumerate(run.lines) if line == "  (Run Finished)")
    return Run(hosts=run.hosts, lines=run.lines[: rng.randint(begin, end)], green=False)


def woven(rng: random.Random, grain: str, one: Run, other: Run) -> bytes:
    """Return both outputs in one log, each in its own order."""
    if grain == "ends":
        # The second run starts while the first one ends: the last lines of one alternate with the first lines of the other.
        head = list(pieces(rng, "lines", one.data))
        keep = rng.randint(1, min(30, len(head) - 1))
        tail = shuffled(rng, head[-keep:], list(pieces(rng, "lines", other.data)))
        return b"".join((*head[:-keep], *tail))
    return b"".join(shuffled(rng, list(pieces(rng, grain, one.data)), list(pieces(rng, grain, other.data))))


def shuffled(rng: random.Random, one: list[bytes], other: list[bytes]) -> Iterator[bytes]:
    """Yield the pieces of both, each in its own order."""
    sticky = rng.choice((0.5, 0.5, 0.8, 0.95))
    first = rng.random() < 0.5
    one, other = one[::-1], other[::-1]
    while one or other:
        if rng.random() > sticky:
            first = not first
        yield (one if (first and one) or not other else other).pop()


def pieces(rng: random.Random, grain: str, data: bytes) -> Iterator[bytes]:
    """Yield the writes of one process."""
    if grain in ("lines", "blocks", "large blocks"):
        most = {"lines": 1, "blocks": 8, "large blocks": 40}[grain]
        lines = data.splitlines(keepends=True)
        while lines:
            size = rng.randint(1, most)
            yield b"".join(lines[:size])
            del lines[:size]
        return
    if grain == "once":
        cut = rng.randrange(len(data))
        yield data[:cut]
        yield data[cut:]
        return
    least, most = {"bytes": (1, 60), "long bytes": (40, 900), "pages": (4096, 4096)}[grain]
    while data:
        size = rng.randint(least, most)
        yield data[:size]
        data = data[size:]


def false_completed(weave: Weave, view: Snapshot) -> str | None:
    """Return the name of the run or sub-run that is COMPLETED although one of the runs is red, or None."""
    red = [run for run in weave.runs if not run.green]
    if not red:
        return None
    if view.phase == "COMPLETED":
        return "the run"
    hosts = {host for run in red for host in run.hosts}
    green_hosts = {host for run in weave.runs if run.green for host in run.hosts}
    for subrun in view.subruns:
        ran = {host.host for host in subrun.hosts}
        if subrun.phase == "COMPLETED" and ran & (hosts - green_hosts):
            return f"sub-run {subrun.index}"
    return None


def check(seed: int, path: Path) -> tuple[Weave, Snapshot, str | None]:
    """Evaluate the weave of a seed."""
    weave = make_weave(seed)
    view = judge(path, weave.data, weave.asked)
    return weave, view, false_completed(weave, view)
