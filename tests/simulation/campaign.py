"""Many histories: small ones exhaustively, long ones by seed, until all are played or the time is over."""

import time
from collections.abc import Callable, Iterable, Iterator

from . import plans
from .coverage import Coverage
from .driver import Failed, play, undisturbed
from .plans import Plan
from .stories import SMALL, TINY


def covering(coverage: Coverage, *, gateway_step: int = 1) -> Iterator[Plan]:
    """Yield a few histories that reach everything that must be reached; `coverage` counts them.

    Of the gateways, one in `gateway_step` is yielded.

    Some points are reached only by a watcher that follows a dead one. These points are disturbed in the next
    round.
    """
    points = {name: undisturbed(name).points for name in TINY}
    yield from plans.stories(gateway_step=gateway_step)
    yield from plans.deliveries(points, 14)
    yield from plans.happenings(points)
    tried: set[str] = set()
    while new := sorted(set(coverage.examples) - tried):
        tried.update(new)
        for name in new:
            yield from plans.at(*coverage.examples[name])


def exhaustive(coverage: Coverage, small: tuple[str, ...] = SMALL) -> Iterator[Plan]:
    """Yield every small history."""
    points = {name: undisturbed(name).points for name in SMALL}
    yield from covering(coverage)
    yield from plans.deliveries({name: points[name] for name in ("passed", "groups-passed")}, 4)
    yield from plans.faults(points["groups-passed"], "groups-passed")
    yield from plans.small({name: points[name] for name in small})


def seeds(first: int, last: int) -> Iterator[Plan]:
    """Yield long histories, one per seed."""
    return (plans.drawn(seed) for seed in range(first, last + 1))


def run(
    histories: Iterable[Plan],
    coverage: Coverage,
    *,
    seconds: float = float("inf"),
    failures_max: int = 1,
    tell: Callable[[Failed], None] = lambda _failed: None,
) -> list[Failed]:
    """Play histories until this many have failed or this many seconds of real time have passed."""
    failed: list[Failed] = []
    deadline_s = time.monotonic() + seconds
    for plan in histories:
        if len(failed) >= failures_max or time.monotonic() >= deadline_s:
            break
        try:
            play(plan, coverage)
        except Failed as failure:
            failed.append(failure)
            tell(failure)
    return failed
