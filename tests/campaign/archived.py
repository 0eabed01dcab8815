"""Rounds of two runs: a new start while the messages of the first run wait, and the first run's sender killed again and again.

The first run ends while its receiver takes nothing. Then the same build is started again, and its second group is held
until the sender of the first run is done: sender and new watcher deliver at once. Afterwards the posts that a reader saw
are compared with both journals.
"""

import json
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.state_dir.store import read_journal
from atvm_pipeline.shell.system.files import is_locked
from tests.campaign.aiming import Host
from tests.campaign.judging import DOUBTS, Told, each, result_of
from tests.campaign.plan import OPERATIONS, Plan
from tests.campaign.receiver import LYING, STAGES, Heard
from tests.campaign.watching import Watcher, autopsy, recorded, watch
from tests.support.project import BUILD
from tests.support.waiting import wait_for

SCENARIO = "all-green"
HELD = "w2k25"
"""A host of the second group of the second run."""
PATIENCE_S = 4.0
"""A moment that has not come by then is replaced by this one."""
OVER = (0, 69)
TAKES_NOTHING = "429, wait 1 s"


class SenderKill(NamedTuple):
    """The moment at which the sender is killed, and the pause before the next one starts."""

    kind: str
    """`after` (`count`: milliseconds), `stage` (of a request), `operation` (the sender's own)."""
    what: str
    count: int
    pause_s: float


class ArchiveRound(NamedTuple):
    """One round, drawn from a seed."""

    seed: str
    behaviours: tuple[str, ...]
    """The receiver's, one a request, after the second start."""
    kills: tuple[SenderKill, ...]


@dataclass
class RoundOutcome:
    """The result of one round, or of many."""

    counts: Counter[str] = field(default_factory=Counter)
    told: Told = field(default_factory=Told)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "RoundOutcome") -> None:
        self.counts.update(other.counts)
        self.told.add(other.told)
        self.wrong += other.wrong


def draw(seed: str, kills: int | None = None) -> ArchiveRound:
    """Draw a round; the same seed produces the same one."""
    random = Random(seed)  # noqa: S311 - a campaign can be played again
    lies = random.sample(LYING, random.randint(0, 2))
    behaviours = (*random.sample([*lies, "ok", "ok"], len(lies) + 1), "ok")
    count = kills if kills is not None else random.randint(2, 7)
    return ArchiveRound(seed, behaviours, tuple(_kill(random) for _ in range(count)))


def _kill(random: Random) -> SenderKill:
    kind = random.choice(("after", "stage", "operation", "operation"))
    pause_s = random.choice((0.0, random.uniform(0, 0.5)))
    match kind:
        case "after":
            return SenderKill(kind, "", int(1000 * random.uniform(0, 1.5)), pause_s)
        case "stage":
            return SenderKill(kind, random.choice(STAGES), 1, pause_s)
        case _:
            what = random.choice(OPERATIONS)
            most = 60 if what in ("any", "write", "sync") else 4
            return SenderKill(kind, what, int(random.triangular(1, most, 1)), pause_s)


class Round:
    """Plays one round."""

    def __init__(self, plan: ArchiveRound, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.outcome = RoundOutcome()
        quiet = Plan(
            seed=plan.seed,
            scenario=SCENARIO,
            categorize=True,
            speed=25,
            behaviours=(TAKES_NOTHING,),
            down_s=None,
            disk=None,
            fills=(),
            kills=(),
        )
        self.host = Host(folder, quiet)
        self.log = folder / "senders.log"
        self.current = Paths(self.host.state_root, BUILD)
        self.sender: Watcher | None = None

    def play(self) -> RoundOutcome:
        try:
            with self.host:
                self._play()
        except Exception as error:  # noqa: BLE001 - trouble in one round is a finding, not the campaign's end
            self.outcome.wrong.append(f"{type(error).__name__}: {error}")
        self.outcome.counts["rounds"] += 1
        self.outcome.wrong = [f"{self.plan.seed}: {text}" for text in self.outcome.wrong]
        if not self.outcome.wrong:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.outcome

    def _play(self) -> None:
        host = self.host
        assert host.start("--no-preflight").returncode == 0
        wait_for(lambda: host.state().get("phase") == "COMPLETED", "the end of the first run")
        first = host.state()
        host.hold(HELD)
        started = host.start("--no-preflight")
        assert started.returncode == 0, started.stderr
        (folder,) = host.archived()
        archived = Paths(host.state_root, BUILD, folder)
        if "a sender of its own" not in started.stderr:
            self.outcome.wrong.append(f"the start does not name the sender: {started.stderr}")
        self.sender = recorded(archived)
        host.receiver.script_by_name(self.plan.behaviours)
        self._kill_and_go_on(archived)
        if host.state().get("phase") != "RUNNING":
            self.outcome.wrong.append("the second run has not run all the time")
        host.let_go(HELD)
        wait_for(lambda: host.state()["phase"] == "COMPLETED", "the end of the second run")
        wait_for(lambda: not is_locked(self.current.watcher_lock), "the end of the second watcher")
        wait_for(lambda: host.receiver.active == 0, "the receiver is quiet")
        second = host.state()
        self._judge(archived, first)
        self._judge(self.current, second)
        known = {post.delivery_id for paths in (archived, self.current) for post in _run(paths).outbox}
        self.outcome.wrong += [
            f"a reader saw delivery {one.delivery_id}, which no run requested"
            for one in host.receiver.heard
            if one.delivery_id not in known
        ]

    # --- kills ---

    def _kill_and_go_on(self, archived: Paths) -> None:
        """Kill as planned, then let the sender end."""
        words = ("deliver", address_of(archived))
        for kill in self.plan.kills:
            if kill.kind == "operation":
                # The sender of the start is not ours: it is replaced by one that dies at its own operation.
                self._killed()
                self.sender = watch(self.host, self.log, dying_at=(kill.what, kill.count), words=words)
            elif self.sender is None or not self.sender.lives():
                self.sender = watch(self.host, self.log, words=words)
            if not self._wait_for_moment(kill):
                break
            self.outcome.counts["kills"] += 1
            self.outcome.counts[f"kills: {kill.kind} {kill.what}".strip()] += 1
            death = autopsy(archived, self.sender)
            self.outcome.counts["kills in flight"] += death.in_flight
            self.outcome.counts["kills in a write"] += death.writing
            self.outcome.wrong += death.wrong
            time.sleep(kill.pause_s)
        if self.sender is None or not self.sender.lives():
            self.sender = watch(self.host, self.log, words=words)
        wait_for(lambda: not is_locked(archived.watcher_lock) and not self._lives(), "the end of the sender")
        code = self.sender.exit_code()
        if code not in (None, *OVER):
            self.outcome.wrong.append(f"the last sender ended with {code}: {self.log.read_text()[-300:]}")

    def _lives(self) -> bool:
        return self.sender is not None and self.sender.lives()

    def _killed(self) -> None:
        if self.sender is not None and self.sender.lives() and self.sender.kill():
            self.outcome.counts["kills"] += 1
            self.outcome.counts["kills: to be replaced"] += 1

    def _wait_for_moment(self, kill: SenderKill) -> bool:
        """Wait for the moment and kill; return False if the sender has ended by itself before."""
        sender = self.sender
        assert sender is not None
        hit: list[bool] = []

        def on_stage(stage: str) -> None:
            if stage == kill.what and not hit:
                hit.append(sender.kill())

        if kill.kind == "stage":
            self.host.receiver.on_stage = on_stage
        limit_s = kill.count / 1000 if kill.kind == "after" else PATIENCE_S
        ends_s = time.monotonic() + limit_s
        while sender.lives() and time.monotonic() < ends_s:
            time.sleep(0.01)
        self.host.receiver.on_stage = lambda _stage: None
        return hit[0] if hit else sender.kill()

    # --- evaluation ---

    def _judge(self, paths: Paths, expected: dict[str, Any]) -> None:
        self.outcome.wrong += [f"{address_of(paths)}: {text}" for text in self._wrong(paths, expected)]

    def _wrong(self, paths: Paths, expected: dict[str, Any]) -> Iterator[str]:
        state = json.loads(paths.state.read_bytes())
        if result_of(state) != result_of(expected):
            yield "its verdict has changed"
        replayed = self.host.call("atvm-pipeline", "replay", str(paths.folder), "--json")
        if replayed.stdout != paths.state.read_text():
            yield f"the journal does not fold to state.json {replayed.stderr}"
        run, told = _run(paths), self.outcome.told
        heard: defaultdict[str, list[Heard]] = defaultdict(list)
        for one in sorted(self.host.receiver.heard):
            heard[one.delivery_id].append(one)
        doubtful = {
            event.key
            for event in read_journal(paths.journal).events
            if getattr(event, "outcome", None) in DOUBTS
        }
        for post in run.outbox:
            stored = [one for one in heard[post.delivery_id] if one.stored]
            told.due += 1
            told.seen += len(stored)
            told.marked += sum(one.marked for one in stored)
            told.doubled += max(0, sum(not one.marked for one in stored) - 1)
            told.left += post.outcome != "sent"
            yield from each(post, heard[post.delivery_id], explained=post.key in doubtful)
            if post.outcome == "pending" or (post.outcome == "sent" and not stored):
                told.lost += 1
                yield f"message {post.key} is {post.outcome}, and a reader saw {len(stored)}"
        told.unmarked = told.seen - told.marked


def _run(paths: Paths) -> Run:
    return replay(read_journal(paths.journal).events)


def play(plan: ArchiveRound, folder: Path) -> RoundOutcome:
    """Play one round in `folder`, which is kept only if something is wrong."""
    folder.mkdir(parents=True)
    return Round(plan, folder).play()


def table(outcome: RoundOutcome) -> str:
    """Return the sum of many rounds for a person."""
    told = outcome.told
    rows: list[tuple[str, object]] = [
        *sorted(outcome.counts.items()),
        ("messages due", told.due),
        ("posts that a reader saw", told.seen),
        ("  unmarked", told.unmarked),
        ("  marked as a possible duplicate", told.marked),
        ("messages left to a person", told.left),
        ("messages lost", told.lost),
        ("posts doubled without a mark", told.doubled),
        ("errors", len(outcome.wrong)),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join([*(f"{name:<{width}}  {value:>7}" for name, value in rows), *outcome.wrong])


def main(rounds: int, seed: str, folder: Path) -> int:
    """Play many rounds; return 0 if nothing was wrong."""
    total = RoundOutcome()
    for number in range(rounds):
        outcome = play(draw(f"{seed}/{number}"), folder / f"round-{number}")
        total.add(outcome)
        print(f"round {number}: {outcome.counts['kills']} kills, {outcome.told}", flush=True)
    total.told.unmarked = total.told.seen - total.told.marked
    print(table(total))
    return 1 if total.wrong else 0
