"""The events of one run of the campaign: they are drawn from a seed, nothing else decides."""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from tests.campaign.receiver import GATEWAYS, LYING, PINGS, SILENT, STAGES
from tests.support.scenario_ends import CATEGORIZED, WHOLE

RECEIVERS = ("fair", "down", "lying", "gateway", "silent")
AWAY_S = (3.0, 20.0)
DISKS = ("blocks", "inodes")
KILLS_A_RUN = (3, 10)
SPEEDS = (1.5, 3, 6, 25)
FILES = ("state.json", "posts/", "subruns/", "journal.jsonl", "watcher.json")
"""Prefixes of names below the build's directory; temporary files count under their final names."""
OPERATIONS = (
    *("any", "write", "half", "sync", "rename", "make"),
    *("connect", "send", "recv", "truncate", "remove"),
)


class Moment(NamedTuple):
    """The moment at which the watcher is killed."""

    kind: str
    """`after` (`count`: milliseconds), `stage` (of a request), `file` (its event), `operation` (its own)."""
    what: str
    count: int


class Kill(NamedTuple):
    """One kill, and the restart that follows."""

    moment: Moment
    pause_s: float
    restart: str
    """`watch`, `attach` (the wrapper for a person), `twice` (two watchers at once)."""


@dataclass(frozen=True)
class Plan:
    """One run."""

    seed: str
    scenario: str
    categorize: bool
    speed: float
    behaviours: tuple[str, ...]
    down_s: tuple[float, float] | None
    """The receiver is down, or away behind its gateway, from and for this many seconds."""
    disk: str | None
    fills: tuple[tuple[float, float], ...]
    """The disk fills up this many seconds after the last time, for this many."""
    kills: tuple[Kill, ...]
    gateway: tuple[str, str] | None = None
    """The gateway's treatment of a post, and of a ping, while its server is away."""
    patience: float = 1.0
    """Below 1 the kills come closer to each other."""


def draw(seed: str, *, receiver: str = "fair", disk: str | None = None, kills: int | None = None) -> Plan:
    """Draw a plan; the same seed produces the same one."""
    random = Random(seed)  # noqa: S311 - a campaign can be played again
    categorize = random.random() < 0.8
    scenario = random.choice(sorted(CATEGORIZED if categorize else WHOLE))
    behaviours = _behaviours(random, receiver)
    down_s = (random.uniform(0, 3), random.uniform(1, 7)) if receiver == "down" else None
    gateway = None
    if receiver == "gateway":
        gateway = (random.choice(list(GATEWAYS)), random.choice(list(PINGS)))
        down_s = (random.uniform(0, 3), random.choice(AWAY_S))
    count = kills if kills is not None else random.randint(*KILLS_A_RUN)
    return Plan(
        seed=seed,
        scenario=scenario,
        categorize=categorize,
        speed=random.choice(SPEEDS),
        behaviours=behaviours,
        down_s=down_s,
        disk=disk,
        fills=_fills(random) if disk else (),
        gateway=gateway,
        kills=tuple(_kill(random, first=at == 0) for at in range(count)),
    )


def _behaviours(random: Random, receiver: str) -> tuple[str, ...]:
    if receiver == "lying":
        lies = random.sample(LYING, random.randint(1, 3))
        return (*random.sample([*lies, "ok", "ok"], len(lies) + 2), "ok")
    return (SILENT, "ok") if receiver == "silent" else ("ok",)


def _fills(random: Random) -> tuple[tuple[float, float], ...]:
    return tuple((random.uniform(0, 2.5), random.uniform(0.3, 3)) for _ in range(random.randint(1, 4)))


def _kill(random: Random, *, first: bool) -> Kill:
    # The wrapper starts the first watcher, which is as mortal as any, not more.
    kind = random.choice(("after", "after", "stage", "file", *(("after",) if first else ("operation",) * 3)))
    match kind:
        case "after":
            moment = Moment(kind, "", int(1000 * random.uniform(0, 2.5)))
        case "stage":
            moment = Moment(kind, random.choice(STAGES), 1)
        case "file":
            moment = Moment(kind, random.choice(FILES), int(random.triangular(1, 12, 1)))
        case _:
            what = random.choice(OPERATIONS)
            moment = Moment(
                kind, what, int(random.triangular(1, 60 if what in ("any", "write", "sync") else 4, 1))
            )
    pause_s = random.choice((0.0, 0.0, random.uniform(0, 0.5), random.uniform(0, 2.5)))
    return Kill(moment, pause_s, random.choice(("watch",) * 6 + ("attach", "twice")))
