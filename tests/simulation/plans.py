"""The disturbances of a run. A plan is data, so that one line repeats a history; a seed produces a plan."""

import itertools
import random
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal

import msgspec
from msgspec.structs import replace

from .contents import ERRORS, Point
from .server import AWAY, BEHAVIOURS, HONESTY, PINGS, UNREACHABLE
from .stories import REPORTS, SMALL, STORIES, TINY

Where = Literal["before", "middle", "after"]
Kind = Literal["kill", "power"]
KINDS: tuple[Kind, ...] = ("kill", "power")
HINTS = ("all", "none", "doubled", "late")
"""Whether events wake the watcher, or it has to rely on its own scans."""
AT_POINT = ("cancel", "pull", "stop")
"""Events at a point of the disk: a cancel, the next action of the agenda, SIGTERM."""
SHORT_S = 60.0
AWAY_S = (20.0, 3600.0, 24 * 3600.0, 70 * 3600.0)
"""A restart, an upgrade, a day, nearly as long as a message is kept."""
CLOCK = ("forward", "back", "suspend")


class Base(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of all parts of a plan."""


class Death(Base, frozen=True, kw_only=True):
    """The watcher dies at a point of the disk, alone or with the host; the next one comes after `down_s`."""

    point: int
    where: Where = "before"
    kind: Kind = "kill"
    down_s: float = 1.0


class Fault(Base, frozen=True, kw_only=True):
    """This many calls fail, from a point on; a write may be done in part first."""

    point: int
    error: str
    calls: int = 1
    short: bool = False


class Happening(Base, frozen=True, kw_only=True):
    """An event of `AT_POINT`."""

    point: int
    what: str


class Clock(Base, frozen=True, kw_only=True):
    """A change of `CLOCK`, at a second of the run."""

    at_s: float
    what: str
    seconds: float


class Away(Base, frozen=True, kw_only=True):
    """The server is away behind a gateway, from the first request on."""

    seconds: float
    honesty: str = "truthful"
    """The honesty of its ping, see `server.HONESTY`."""
    answers: tuple[str, ...] = AWAY


class Plan(Base, frozen=True, kw_only=True):
    """One history."""

    story: str
    seed: int = 0
    """Draws everything that is not set here: latencies, ties, the remains of a power cut."""
    deaths: tuple[Death, ...] = ()
    faults: tuple[Fault, ...] = ()
    happenings: tuple[Happening, ...] = ()
    clocks: tuple[Clock, ...] = ()
    deliveries: tuple[str, ...] = ()
    unreachable: bool = False
    """The server is never reached: messages expire."""
    pings: tuple[str, ...] = ()
    """The answers to the first pings; the others are drawn."""
    forever: str | None = None
    """A behaviour of the server that never ends, once `deliveries` are over."""
    away: Away | None = None
    hints: str = "all"
    reports: str = "whole"
    foreign: bool = False
    """Records of another run are in the directory."""
    reuse: bool = False
    """Other programs receive the pids of the run's dead processes at once."""

    @property
    def lasts_long(self) -> bool:
        """Whether a message of it may take days."""
        away_s = self.away.seconds if self.away is not None else 0.0
        return self.unreachable or self.forever is not None or away_s > SHORT_S

    @property
    def command(self) -> str:
        """Return the options that repeat this history."""
        return f"python -m tests.simulation --plan '{msgspec.json.encode(self).decode()}'"


def ways_of(point: Point) -> tuple[Where, ...]:
    """Return the places of a call at which the watcher may die."""
    return ("before", "middle", "after") if point.torn else ("before", "after")


def at(plan: Plan, point: Point) -> Iterator[Plan]:
    """Yield histories with a disturbance at one of their points, in each way."""
    for where, kind in product(ways_of(point), KINDS):
        death = Death(point=point.number, where=where, kind=kind)
        yield replace(plan, deaths=(*plan.deaths, death))
    for error in ERRORS:
        yield replace(plan, faults=(*plan.faults, Fault(point=point.number, error=error, calls=2)))


def happenings(points: dict[str, Sequence[Point]]) -> Iterator[Plan]:
    """Yield each event of `AT_POINT`, early and late."""
    for story, what, part in product(points, AT_POINT, (0.3, 0.6)):
        number = int(len(points[story]) * part)
        yield Plan(story=story, happenings=(Happening(point=number, what=what),))


def small(points: dict[str, Sequence[Point]]) -> Iterator[Plan]:
    """Yield each point of each small run with each kind of death, an earlier cancel, and a pulled agenda."""
    for story, all_ in points.items():
        for point in all_:
            for where, kind in product(("before", "middle"), ("kill", "power")):
                if where == "before" or point.torn:
                    # A process killed after a call is the same as one killed before the next call. Only a
                    # power cut may differ.
                    yield Plan(
                        story=story,
                        seed=point.number,
                        deaths=(Death(point=point.number, where=where, kind=kind),),
                    )
            for what in ("cancel", "pull"):
                yield Plan(
                    story=story, seed=point.number, happenings=(Happening(point=point.number, what=what),)
                )


def faults(points: Sequence[Point], story: str) -> Iterator[Plan]:
    """Yield each kind of call with each failure, once and for a while; the host goes down afterwards."""
    first: dict[str, int] = {}
    for point in points:
        first.setdefault(point.name, point.number)
    for number, error, calls in product(first.values(), ERRORS, (1, 8)):
        short = error == "ENOSPC" and calls > 1
        for deaths in ((), (Death(point=number + calls + 6, kind="power"),)):
            yield Plan(
                story=story,
                seed=number,
                faults=(Fault(point=number, error=error, calls=calls, short=short),),
                deaths=deaths,
            )


def deliveries(points: dict[str, Sequence[Point]], step: int) -> Iterator[Plan]:
    """Yield each behaviour of the server: alone, twice, and with a death at every `step`th point near it."""
    for story, name in product(points, BEHAVIOURS):
        last = len(points[story])
        yield Plan(story=story, deliveries=(name,))
        yield Plan(story=story, deliveries=(name, name))
        for number in range(last - 28, last - 1, step):
            yield Plan(story=story, seed=number, deliveries=(name,), deaths=(Death(point=number),))
    for story, name in product(points, PINGS):
        yield Plan(story=story, deliveries=("gateway-502-instead",), pings=(name,))
    for story, all_ in points.items():
        cancelled = (Happening(point=len(all_) - 6, what="cancel"),)
        yield Plan(story=story, deliveries=UNREACHABLE * 2, happenings=cancelled)
    yield Plan(story=next(iter(points)), unreachable=True)


def gateways() -> Iterator[Plan]:
    """Yield a server that is away behind each kind of gateway, for each time, with dying watchers."""
    for story, seconds, honesty, answer in product(TINY, AWAY_S, HONESTY, AWAY):
        away = Away(seconds=seconds, honesty=honesty, answers=(answer,))
        yield Plan(story=story, away=away)
    for story, honesty, seed in product(TINY, HONESTY, range(3)):
        yield Plan(story=story, seed=seed, away=Away(seconds=3600.0, honesty=honesty))
    for story, number, kind in product(TINY, range(30, 90, 4), KINDS):
        death = Death(point=number, kind=kind, down_s=5.0)
        yield Plan(story=story, seed=number, deaths=(death,), away=Away(seconds=20.0))


def stories(*, gateway_step: int = 1) -> Iterator[Plan]:
    """Yield each run, with each kind of hints, reports and clocks, and one in `gateway_step` of the gateways."""
    yield from itertools.islice(gateways(), 0, None, gateway_step)
    for story in STORIES:
        yield Plan(story=story)
        yield Plan(story=story, hints="none", foreign=True, reuse=True)
    for story, reports, hints in product(SMALL, REPORTS, ("late", "doubled")):
        yield Plan(story=story, reports=reports, hints=hints)
    for story, what in product(SMALL, CLOCK):
        yield Plan(story=story, clocks=(_clock(what, 1.5), _clock(what, 3.6)))


def _clock(what: str, at_s: float, seconds: float = 7200.0) -> Clock:
    return Clock(at_s=at_s, what=what, seconds=-seconds if what == "back" else seconds)


def drawn(seed: int) -> Plan:
    """Draw a long history: many disturbances at once."""
    rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
    # A point that a history does not reach does nothing: short runs have fewer.
    last = rng.choice((100, 200, 400))
    unreachable = rng.random() < 0.03

    away = Away(
        seconds=rng.choice((5.0, 20.0, 50.0, *AWAY_S)) * rng.random(),
        honesty=rng.choice(HONESTY),
    )
    is_away = not unreachable and rng.random() < 0.15

    def some(most: int) -> range:
        return range(rng.randint(0, most))

    return Plan(
        # 72 hours of attempts are many: one message of them is enough.
        story=TINY[0] if unreachable or (is_away and away.seconds > SHORT_S) else rng.choice(list(STORIES)),
        seed=seed,
        deaths=tuple(
            Death(
                point=point,
                where=rng.choice(("before", "middle", "after")),
                kind=rng.choice(("kill", "kill", "power")),
                down_s=round(rng.choice((0.2, 2.0, 15.0, 100.0)) * rng.random(), 2),
            )
            for point in sorted(rng.randrange(last) for _ in some(5))
        ),
        faults=tuple(
            Fault(
                point=rng.randrange(last),
                error=rng.choice(list(ERRORS)),
                calls=rng.choice((1, 1, 2, 5, 40)),
                short=rng.random() < 0.5,
            )
            for _ in some(3)
        ),
        happenings=tuple(
            Happening(point=rng.randrange(last), what=rng.choice((*AT_POINT, "pull", "pull")))
            for _ in some(4)
        ),
        clocks=tuple(
            _clock(rng.choice(CLOCK), round(rng.uniform(0, 8), 2), rng.choice((5.0, 3600.0, 86400.0)))
            for _ in some(2)
        ),
        deliveries=tuple(rng.choice((*BEHAVIOURS, "ok")) for _ in some(6)),
        unreachable=unreachable,
        away=away if is_away else None,
        hints="all" if is_away and away.seconds > SHORT_S else rng.choice(HINTS),
        reports=rng.choice(REPORTS),
        foreign=rng.random() < 0.3,
        reuse=rng.random() < 0.3,
    )
