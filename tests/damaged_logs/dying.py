"""A Cypress process that dies anywhere in its output, followed by a green one: the second keeps its verdict."""

import random
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.snapshot import Snapshot

from .runs import HOSTS, Asked, Run, judge, make_run


class Death(NamedTuple):
    """A run that was cut at a byte, followed by a green one."""

    data: bytes
    second: Run
    asked: Asked
    proven: bool
    """Whether the first had printed all its boxes, green ones, before it died within its final table."""


def make_death(seed: int) -> Death:
    """Create the log of a seed."""
    rng = random.Random(seed)  # noqa: S311 - to be repeated
    names = rng.sample(HOSTS, 4)
    command = rng.random() < 0.5
    reporter = rng.choice(("spec", "spec", "none"))
    one_hosts = names[: rng.randint(1, 2)]
    other_hosts = one_hosts if rng.random() < 0.3 else names[2 : 2 + rng.randint(1, 2)]
    first = make_run(rng, one_hosts, green=rng.random() < 0.5, command=command, reporter=reporter)
    second = make_run(rng, other_hosts, green=True, command=command, reporter=reporter)
    data = first.data
    # Cut before the totals row: after it, the first run has ended and has not died.
    cut = data[: rng.randrange(1, data.rindex(b"    \xe2\x9c"))]
    if rng.random() < 0.5:
        cut = cut[: cut.rfind(b"\n") + 1]
    build = f"e2e-{'-'.join(dict.fromkeys((*one_hosts, *other_hosts)))}-fc" if rng.random() < 0.5 else None
    proven = first.green and b"  (Run Finished)\n" in cut
    return Death(cut + second.data, second, Asked(build_name=build, categorize=True), proven)


def lost_verdict(view: Snapshot, death: Death) -> str | None:
    """Return the wrong verdict: the second run's if not COMPLETED, or the run's if it is. None if both are right."""
    second = death.second
    if view.phase == "COMPLETED" and len(view.subruns) > 1 and not death.proven:
        return "the run is COMPLETED"
    last = view.subruns[-1]
    ran = tuple(spec.spec for spec in last.specs)
    if last.phase != "COMPLETED" or len(ran) != len(second.hosts) + 1:
        return f"{last.phase} {last.reason['code']}: {last.reason['text']}"
    return None


def check(seed: int, path: Path) -> tuple[Death, str | None]:
    """Evaluate the log of a seed."""
    death = make_death(seed)
    return death, lost_verdict(judge(path, death.data, death.asked), death)
