"""One run as a command shows it: its state, its processes, and the problems that an operator must know."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import one_line, plural
from atvm_pipeline.shell.exit_codes import DATA, CommandError
from atvm_pipeline.shell.processes.process_table import is_alive
from atvm_pipeline.shell.runner.orphans import (
    Orphan,
    find_orphan_runners,
    find_orphan_watchers,
    find_process,
    missing_text,
)
from atvm_pipeline.shell.state_dir.disk_state import behind_s, disk_problem
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import (
    StoredRun,
    liveness,
    may_lack_states,
    posts_of,
    posts_pending,
    read_object,
    read_run,
)
from atvm_pipeline.shell.state_dir.run_address import address_of, find_run
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.typed_command import typed_command

from .options import environment
from .times import elapsed, local_clock, moment
from .views import attentions

BEHIND_S = 60.0
"""A watcher saves its state within a second, a large one within ten; a state that is older cannot be written."""


class Call(NamedTuple):
    """The part of a call that a printed command needs to reach the same runs, and the time of the call."""

    now: datetime
    words: Sequence[str] = ()
    """`--state-root DIR`, if it was given."""

    def command(self, *words: str) -> str:
        """Return a command of this program that an operator can type; the first word may contain several."""
        program, *more = words[0].split()
        return typed_command(program, *more, *words[1:], *self.words)


class ShownRun(NamedTuple):
    """A run with its state; without a state, `error` is the reason, or no watcher has written one yet."""

    paths: Paths
    state: dict[str, Any] | None
    facts: dict[str, Any]
    live: dict[str, bool]
    error: str = ""

    @property
    def address(self) -> str:
        """The name that every command takes for this run."""
        return address_of(self.paths)

    @property
    def phase(self) -> str:
        """The phase, or `CORRUPT` for a state that cannot be read, `PENDING` for one that is not written yet.

        `NO STATE`: it was removed, although a process of the run is alive.
        """
        if self.state is not None:
            return str(self.state["phase"])
        if self.error:
            return "CORRUPT" if os.path.lexists(self.paths.state) else "NO STATE"
        return "PENDING"

    @property
    def has_ended(self) -> bool:
        """Whether the run has its verdict."""
        return self.phase in TERMINAL_PHASES

    @property
    def is_living(self) -> bool:
        """Whether it has not ended, or one of its processes is alive."""
        return not self.paths.is_archived and (not self.has_ended or any(self.live.values()))


def show_run(paths: Paths) -> ShownRun:
    """Return a run as it is stored; a state that cannot be read is its `error`."""
    try:
        stored = read_run(paths)
    except (DataError, OSError) as error:
        return ShownRun(paths, None, {}, liveness(paths), str(error))
    if stored is None:
        return ShownRun(paths, None, {}, liveness(paths))
    return ShownRun(paths, stored.state, stored.facts, live_of(paths, stored))


def paths_of(state_root: Path, given: object) -> Paths:
    """Return the paths of the run that an argument names. Raises CommandError (64), DataError, Unreadable.

    `given` is the value from argparse; for `-- --` that is an empty list.
    """
    return find_run(state_root, given if isinstance(given, str) else "")


def removed_runs(state_root: Path) -> list[ShownRun]:
    """Return the runs whose processes are alive although their state was removed, by build name."""
    if not may_lack_states(state_root):
        return []
    environ = environment()
    runners = {orphan.build_name: orphan for orphan in find_orphan_runners(state_root)}
    watchers = {orphan.build_name: orphan for orphan in find_orphan_watchers(state_root)}
    runs = []
    for name in sorted({*runners, *watchers}):
        live = {"watcher": name in watchers, "runner": name in runners}
        text = _removed_text(runners.get(name), watchers.get(name), environ)
        runs.append(ShownRun(Paths(state_root, name), None, {}, live, text))
    return runs


def _removed_text(runner: Orphan | None, watcher: Orphan | None, environ: Mapping[str, str]) -> str:
    """Return one line about the living processes of a run without a state, with the ways out; "" without any."""
    if runner is not None:
        return runner.text(environ)
    if watcher is None:
        return ""
    stop = watcher.command("cancel-atvm-run-watcher.sh", environ)
    missing = missing_text(watcher.paths)
    return f"a watcher of build {watcher.build_name} is alive ({watcher.where()}), but {missing}; stop it with: {stop}"


def known_run(paths: Paths, call: Call | None = None) -> ShownRun:
    """Return a run that has a state. Raises CommandError (65), DataError, Unreadable."""
    call = call if call is not None else Call(clock.now())
    stored = read_run(paths)
    if stored is not None:
        return ShownRun(paths, stored.state, stored.facts, live_of(paths, stored))
    if paths.request.exists():
        disk = disk_problem(paths.state_root)
        step = f"{disk}; free space there" if disk else "try again"
        raise CommandError(
            DATA,
            f"build {paths.build_name} was requested, but its watcher has not written a state yet; {step}",
        )
    removed = (
        ""
        if paths.is_archived
        else _removed_text(find_process(paths), find_process(paths, "watch"), environment())
    )
    if removed:
        raise CommandError(DATA, removed)
    raise CommandError(
        DATA,
        f"build {paths.build_name} not found in {paths.state_root}; list the builds with: "
        f"{call.command('atvm-pipeline status')}",
    )


def known_state(paths: Paths) -> dict[str, Any]:
    """Return the state of a run. Raises CommandError (65) without one."""
    state = known_run(paths).state
    assert state is not None
    return state


def live_of(paths: Paths, stored: StoredRun) -> dict[str, bool]:
    """Return whether watcher and runner are alive.

    The wrapper of a runner holds a lock. A runner that was started by other means holds none: its process is known from
    the facts, and so are the processes that outlived a wrapper.
    """
    live = liveness(paths)
    if live["runner"] or paths.is_archived:
        return live
    return {**live, "runner": any(map(_lives, _followed(stored.facts)))}


def _followed(facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the runner's process and those of Cypress, of this boot, as the watcher saw them last."""
    runner = facts.get("runner")
    if not isinstance(runner, dict) or runner.get("boot_id") not in (None, "", clock.boot_id()):
        return
    yield runner
    tree = facts.get("processes")
    for process in tree if isinstance(tree, list) else ():
        if isinstance(process, dict) and process.get("role") in ("cypress", "browser"):
            yield process


def _lives(process: dict[str, Any]) -> bool:
    pid, created = process.get("pid"), process.get("create_time")
    return type(pid) is int and pid > 0 and isinstance(created, int | float) and is_alive(pid, created)


def concerns(paths: Paths, state: dict[str, Any], call: Call | None = None) -> list[str]:
    """Return the problems that the reason does not contain, each with the command that helps."""
    found = problems(paths, state, call if call is not None else Call(clock.now()))
    return [*(f"{text}: {fix}" if fix else text for text, fix in found), *_attention_lines(state)]


def brief_concerns(run: ShownRun, call: Call) -> list[str]:
    """Return the same without the commands, for a line that may be cut."""
    assert run.state is not None
    return [*(text for text, _ in problems(run.paths, run.state, call)), *_attention_lines(run.state)]


def _attention_lines(state: dict[str, Any]) -> list[str]:
    return [f"attention: {text}" for text in attentions(state)]


def problems(paths: Paths, state: dict[str, Any], call: Call) -> list[tuple[str, str]]:
    """Return the problems of a run that is not watched or has messages to deliver, each with the command that helps, or ""."""
    watched = liveness(paths)["watcher"]
    attach = call.command("start-atvm-run-watcher.sh --attach --build-name", paths.build_name)
    unjudged: list[tuple[str, str]] = []
    if state["phase"] not in TERMINAL_PHASES:
        if paths.is_archived:
            unjudged = [("it was archived before it had a verdict", "")]
        elif not watched:
            return [("NOT WATCHED, no watcher is running", attach)]
    if not posts_pending(state):
        return unjudged
    if watched:
        return [*unjudged, (waiting_words(state, call.now), "")]
    waiting = waiting_words(state, None)
    if paths.is_archived:
        deliver = call.command("atvm-pipeline deliver", address_of(paths), "--background")
        return [*unjudged, (f"{waiting}, and no sender is running", deliver)]
    return [(f"{waiting}, and no watcher is running", attach)]


def waiting_words(state: dict[str, Any], now: datetime | None) -> str:
    """Return the messages that wait, and why: `3 messages are not delivered yet: connection refused`.

    With `now`, the next attempt follows; without a watcher, no attempt is made.
    """
    waiting = [post for _, post in posts_of(state) if post["outcome"] == "pending"]
    text = f"{plural(len(waiting), 'message')} {'is' if len(waiting) == 1 else 'are'} not delivered yet"
    why = next((one_line(post["detail"], 200) for post in waiting if post.get("detail")), "")
    text += f": {why}" if why else ""
    times = [at for post in waiting if (at := moment(post.get("next_attempt_at"))) is not None]
    if not times or now is None:
        return text
    return f"{text}{',' if why else ';'} next attempt {'now' if min(times) <= now else local_clock(min(times), now)}"


def storage_concern(run: ShownRun, now: datetime) -> str:
    """Return why the state of a run that is being watched is older than the run; "" if it is not.

    The watcher cannot store that it cannot store anything, so a reader has to find it out.
    """
    if run.state is None or run.has_ended or not run.live["watcher"]:
        return ""
    log = read_object(run.paths.request).get("log_path")
    behind = behind_s(run.paths.state, Path(log)) if isinstance(log, str) and "\0" not in log else 0.0
    saved = run.paths.state.stat().st_mtime if run.paths.state.exists() else now.timestamp()
    if behind < BEHIND_S or now.timestamp() - saved < BEHIND_S:
        return ""
    age = elapsed(datetime.fromtimestamp(saved, UTC), now)
    return f"the state below is {age} old, although the log has grown since: the watcher cannot write it"
