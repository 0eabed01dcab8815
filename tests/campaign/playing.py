"""One run of the campaign: started as by an operator, its watcher killed and restarted until the end."""

import contextlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchdog.observers import Observer

from atvm_pipeline.shell.state_dir.records import Paths
from tests.campaign import disk
from tests.campaign.aiming import Aim, Host
from tests.campaign.judging import Told, judge
from tests.campaign.plan import Kill, Moment, Plan
from tests.campaign.reader import Reader
from tests.campaign.watching import Death, Watcher, autopsy, processes_of, recorded, watch
from tests.support.project import BUILD
from tests.support.waiting import DEADLINE_S, wait_for

MOMENT_S = {"stage": 6.0, "file": 2.0, "operation": 4.0}
"""A moment that has not come by then is replaced by this one; a repeated message comes after 5 or 30 s."""
RUN_S = max(300.0, 2 * DEADLINE_S)
"""A run that takes longer is stuck."""
GONE_S = DEADLINE_S
OVER = (0, 69)
"""Exit codes of a watcher that has done its work."""
IN_USE = 75


@dataclass
class Outcome:
    """The result of one run of the campaign."""

    plan: Plan
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    """`kills`, `kills: <kind> <what>`, `kills in flight` ..., `restarts`; see `totals.py`."""
    told: Told = field(default_factory=Told)
    wrong: list[str] = field(default_factory=list)
    took_s: float = 0.0
    result: dict[str, Any] | None = None
    """How the run ended, without times and directories; see `judging.result_of`."""


class Played:
    """One run, from its start to its evaluation."""

    def __init__(self, plan: Plan, folder: Path, golden: dict[str, Any] | None) -> None:
        self.plan, self.folder, self.golden = plan, folder, golden
        self.outcome = Outcome(plan, folder)
        self.host = Host(folder, plan)
        self.paths = Paths(self.host.state_root, BUILD)
        self.log = folder / "watchers.log"
        self.aim = Aim(self.paths)
        self.ends_s = time.monotonic() + RUN_S

    def play(self) -> Outcome:
        began_s = time.monotonic()
        try:
            with contextlib.ExitStack() as stack:
                if self.plan.disk is not None:
                    stack.enter_context(disk.mounted(self.host.state_root))
                stack.enter_context(self.host)
                self._play()
        except Exception as error:  # noqa: BLE001 - trouble in one run is a finding, not the campaign's end
            self.outcome.wrong.append(f"{type(error).__name__}: {error}")
        self.outcome.took_s = time.monotonic() - began_s
        if not self.outcome.wrong:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.outcome

    def _play(self) -> None:
        plan, host = self.plan, self.host
        if plan.scenario == "stale-artifacts":
            host.lay_old_reports()
        started = host.start("--no-preflight", categorize=plan.categorize)
        assert started.returncode == 0, started.stderr
        first = recorded(self.paths)
        assert first is not None
        host.receiver.on_stage = self.aim.on_stage
        with self._observed(), Reader(self.paths) as reader, self._troubled():
            self._kill_and_go_on(first)
        self.outcome.counts["looks of a reader"] += reader.looks
        self.outcome.wrong += reader.wrong
        self._quiet()
        judge(self)

    @contextlib.contextmanager
    def _observed(self) -> Iterator[None]:
        observer = Observer()
        observer.schedule(self.aim, str(self.paths.folder), recursive=True)
        observer.start()
        try:
            yield
        finally:
            self.aim.disarm()
            observer.stop()
            observer.join()

    @contextlib.contextmanager
    def _troubled(self) -> Iterator[None]:
        """Let the receiver go down and the disk fill up, as planned; the block's end restores both."""
        over = threading.Event()
        troubles: list[Callable[[threading.Event], None]] = []
        if self.plan.down_s is not None:
            troubles.append(self._be_down)
        if self.plan.disk is not None:
            troubles.append(self._fill_up)
        threads = [threading.Thread(target=trouble, args=(over,), daemon=True) for trouble in troubles]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _be_down(self, over: threading.Event) -> None:
        assert self.plan.down_s is not None
        after_s, for_s = self.plan.down_s
        receiver, gateway = self.host.receiver, self.plan.gateway
        over.wait(after_s)
        if gateway is not None:
            receiver.behind(gateway)
            self.outcome.counts[f"gateway {gateway[0]}, ping {gateway[1]}"] += 1
        else:
            receiver.down()
            self.outcome.counts["receiver down"] += 1
        over.wait(for_s)
        receiver.behind(None)
        receiver.up()

    def _fill_up(self, over: threading.Event) -> None:
        for after_s, for_s in self.plan.fills:
            if over.wait(after_s):
                return
            with disk.full(self.host.state_root, self.plan.disk or "blocks"):
                self.outcome.counts["disk full"] += 1
                over.wait(for_s)

    # --- kills ---

    def _kill_and_go_on(self, watcher: Watcher) -> None:
        """Kill as planned, then let the run end."""
        for position, kill in enumerate(self.plan.kills):
            while not self._wait_for_moment(watcher, kill.moment):
                if self._has_ended(watcher):
                    return
                watcher = self._restart_after_trouble(watcher)
            self._count(kill.moment, watcher, autopsy(self.paths, watcher))
            time.sleep(kill.pause_s * self.plan.patience)
            following = self.plan.kills[position + 1].moment if position + 1 < len(self.plan.kills) else None
            found = self._restart(kill, following)
            if found is None:
                return
            watcher = found
        while not self._has_ended(watcher):
            watcher = self._restart_after_trouble(watcher)

    def _wait_for_moment(self, watcher: Watcher, moment: Moment) -> bool:
        """Wait for the moment and kill; return False if the watcher has ended by itself before."""
        limit_s = moment.count / 1000 if moment.kind == "after" else MOMENT_S[moment.kind]
        self.aim.arm(watcher, moment)
        ends_s = time.monotonic() + limit_s * self.plan.patience
        while watcher.lives() and time.monotonic() < ends_s and not self.aim.struck.wait(0.01):
            pass
        self.aim.disarm()
        if self.aim.struck.is_set():
            return self.aim.hit
        return watcher.kill()

    def _count(self, moment: Moment, watcher: Watcher, death: Death) -> None:
        counts = self.outcome.counts
        counts["kills"] += 1
        met = self.aim.struck.is_set() or (watcher.note is not None and watcher.note.exists())
        how = moment.kind if met else "after"
        if how == "operation" and watcher.note is not None:
            what = watcher.note.read_text().split()[0]
        else:
            what = moment.what if how != "after" else ""
        counts[f"kills: {how} {what}".strip()] += 1
        counts["kills in flight"] += death.in_flight
        counts["kills in a write"] += death.writing
        counts["kills while starting"] += death.starting
        counts["kills after the verdict"] += death.judged
        self.outcome.wrong += death.wrong

    def _restart(self, kill: Kill, following: Moment | None) -> Watcher | None:
        """Return a new watcher, mortal if the next kill comes from within; None if the run is over."""
        self.outcome.counts["restarts"] += 1
        if kill.restart == "attach":
            joined = self.host.call("start-atvm-run-watcher.sh", "--attach", "--build-name", BUILD)
            with self.log.open("a") as log:
                log.write(joined.stderr)
            found = recorded(self.paths)
            if joined.returncode == 0 and found is not None and self.plan.disk is None:
                return found
            if self.plan.disk is None:
                self.outcome.wrong.append(f"joining ended with {joined.returncode}: {joined.stderr.strip()}")
            if found is not None and found.lives():
                return found
        if kill.restart == "twice":
            return self._race()
        if following is not None and following.kind == "operation":
            return watch(self.host, self.log, dying_at=(following.what, following.count))
        return watch(self.host, self.log)

    def _race(self) -> Watcher:
        """Start two at once: one watches, the other is refused."""
        both = [watch(self.host, self.log), watch(self.host, self.log)]
        wait_for(lambda: self._decided(both), "one of two watchers is refused", GONE_S)
        codes = [one.exit_code() for one in both if not one.lives()]
        self.outcome.counts["two watchers at once"] += 1
        if not set(codes) <= {IN_USE, *OVER} and self.plan.disk is None:
            self.outcome.wrong.append(f"of two watchers at once one ended with {codes}")
        going = [one for one in both if one.lives()]
        return (going or [one for one in both if one.exit_code() != IN_USE] or both)[0]

    @staticmethod
    def _decided(both: list[Watcher]) -> bool:
        """Wait until one is refused, or both have ended: the first may end before the second is refused."""
        codes = [one.exit_code() for one in both if not one.lives()]
        return len(codes) == len(both) or any(code not in OVER for code in codes)

    def _has_ended(self, watcher: Watcher) -> bool:
        """Wait for its end; return False if it has to be started again."""
        wait_for(lambda: not watcher.lives(), f"the end of the run ({self.plan.seed})", self._left_s())
        code = watcher.exit_code()
        if code is None or code in OVER:
            return True
        if self.plan.disk is None:
            self.outcome.wrong.append(f"a watcher ended by itself with {code}: {self._last_line()}")
            return True
        return False

    def _restart_after_trouble(self, watcher: Watcher) -> Watcher:
        """Restart as `Restart=on-failure` does; a disk that is full at its start ends a watcher."""
        code = watcher.exit_code()
        self.outcome.counts[f"ended by the full disk with {code}"] += 1
        time.sleep(0.3)
        return watch(self.host, self.log)

    def _left_s(self) -> float:
        return max(0.0, self.ends_s - time.monotonic())

    def _last_line(self) -> str:
        return (self.log.read_text(errors="replace").strip().splitlines() or [""])[-1]

    def _quiet(self) -> None:
        """Wait until no process of this host lives and no request is under way."""
        wait_for(lambda: self.host.receiver.active == 0, "the receiver is quiet", GONE_S + 40)
        wait_for(
            lambda: not processes_of(self.host),
            f"no process is left: {[' '.join(one.cmdline()[:6]) for one in processes_of(self.host)]}",
            GONE_S,
        )


def play(plan: Plan, folder: Path, golden: dict[str, Any] | None = None) -> Outcome:
    """Play one run in `folder`, which is kept only if something is wrong."""
    folder.mkdir(parents=True)
    return Played(plan, folder, golden).play()
