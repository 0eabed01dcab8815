"""Show the log of a run: the runner's, the watcher's, or the output of the template command.

A pipe gets the unchanged bytes of the log. On a terminal, only its colours have an effect.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from atvm_pipeline.cli.log_output import LogOutput
from atvm_pipeline.cli.options import add_state_root, environment, given_state_root, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import Call, paths_of, show_run
from atvm_pipeline.cli.terminal import is_terminal, style
from atvm_pipeline.cli.times import local_time, moment
from atvm_pipeline.core.text import one_line
from atvm_pipeline.shell.config.settings import launch_log_dir
from atvm_pipeline.shell.exit_codes import DATA, DONE, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.sources.rotated_files import list_rotated
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import read_object
from atvm_pipeline.shell.state_dir.run_logs import LogPlace, runner_log, template_log, time_window
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.file_tail import FileTail
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.subprocesses import run_attached

TERMINAL_LINES = 100
"""Lines that a terminal gets if `-n` is not given."""
LOG_POLL_S = 0.3
STATE_POLL_S = 1.0
DEAD_S = 5.0
"""Without watcher and runner for this long, the log of a run that has not ended cannot grow any more."""
INTERRUPTED = 130

HELP = CommandHelp(
    examples=(
        "atvm-pipeline logs BUILD -f",
        "atvm-pipeline logs BUILD --watcher -n 20",
        "atvm-pipeline logs BUILD@2026-11-23 | grep -n Error",
    ),
    exit_codes="0 if the log was shown, 65 if the run is not known or has no such log, 69 without journalctl",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="BUILD, BUILD@TIME for an archived run, or a run id")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--runner", action="store_true", help="the output of the runner (default)")
    which.add_argument("--watcher", action="store_true", help="the watcher's own log")
    which.add_argument("--template", action="store_true", help="the output of the template command")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="show new lines too, until the run has ended"
    )
    parser.add_argument(
        "-n",
        "--lines",
        metavar="LINES",
        help=f"only the last LINES lines, or `all` (default: all in a pipe, {TERMINAL_LINES} on a terminal)",
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Show the log. Raises CommandError."""
    environ = environment()
    root = state_root(args, environ)
    call = Call(clock.now(), given_state_root(args))
    shown = ShownLog(paths_of(root, args.build), args, call, launch_log_dir(environ))
    try:
        return shown.run()
    except KeyboardInterrupt:
        # The usual end of following a log.
        return INTERRUPTED


class ShownLog:
    """One call of the command."""

    def __init__(self, paths: Paths, args: argparse.Namespace, call: Call, launch_logs: Path) -> None:
        """Check the options. Raises CommandError (64)."""
        self._paths, self._call, self._launch_logs = paths, call, launch_logs
        self._kind = "watcher" if args.watcher else "template" if args.template else "runner"
        self._follow: bool = args.follow
        self._lines = _lines(args.lines)
        if args.lines is None and is_terminal():
            self._lines = TERMINAL_LINES

    def run(self) -> int:
        """Show the log, and follow it. Raises CommandError."""
        paths = self._paths
        request = read_object(paths.request)
        if not request and not (self._kind == "template" and self._place().path.is_file()):
            if not paths.folder.exists():
                listed = self._call.command("atvm-pipeline status --all")
                raise CommandError(
                    DATA,
                    f"build {paths.build_name} not found in {paths.state_root}; list the runs with: {listed}",
                )
            raise CommandError(
                DATA,
                f"{paths.request} is missing or not readable; the files of the run are in {paths.folder}",
            )
        if self._kind == "watcher" and request.get("supervisor") == "systemd":
            return self._journal()
        return self._file(self._place())

    def _place(self) -> LogPlace:
        paths = self._paths
        if self._kind == "watcher":
            return LogPlace(paths.watcher_log)
        if self._kind == "template":
            return template_log(paths, self._launch_logs / f"{paths.build_name}.launch.log")
        return runner_log(paths)

    # --- a file ---

    def _file(self, place: LogPlace) -> int:
        output = LogOutput(terminal=is_terminal())
        with FileTail(place.path) as tail:
            self._start(tail, place)
            try:
                while data := tail.read():
                    output.write(data)
                if self._follow:
                    output.flush()
                    self._report(self._follow_file(tail, output))
            finally:
                output.end()
        return DONE

    def _start(self, tail: FileTail, place: LogPlace) -> None:
        """Move to the first line to show, and report the lines that are left out. Raises CommandError (65)."""
        try:
            left_out = tail.start_at(place.begin, self._lines)
        except OSError as error:
            reason = reason_of(error)
            raise CommandError(
                DATA,
                f"cannot read {place.path}: {reason}; try again as the user that started the run, or as root",
            ) from None
        if not place.path.is_file() and not self._follow:
            raise CommandError(DATA, self._missing(place))
        if place.note:
            log(f"notice: {place.path}: {place.note}")
        if not is_terminal(sys.stderr):
            return
        older = _older_parts(place.path) if self._lines is None else []
        if older:
            log(f"older parts of the log: {' '.join(older)}")
        if left_out:
            note = f"the last {self._lines} lines of {place.path}; all of them: -n all"
            sys.stderr.write(style(one_line(note, 1000), "muted") + "\n")

    def _missing(self, place: LogPlace) -> str:
        name = self._paths.build_name
        if place.path.exists():
            return f"{place.path} is not a regular file, so it is not the log of {name}"
        if self._kind == "template":
            command = read_object(self._paths.request).get("template_command")
            if not command:
                return f"the run of {name} has no template command, so there is no output of one"
            return f"the output of the template command of {name} was not kept: {place.path} does not exist"
        if self._kind == "watcher":
            return f"the watcher of {name} has written no log: {place.path} does not exist"
        follow = self._call.command("atvm-pipeline logs", name, "-f")
        wait = "it was deleted or moved" if show_run(self._paths).has_ended else f"wait for it with: {follow}"
        return f"the runner of {name} has no log: {place.path} does not exist; {wait}"

    def _follow_file(self, tail: FileTail, output: LogOutput) -> str:
        """Show new lines until the log cannot grow any more; return why."""
        ending = Ending(self._paths, self._kind)
        why = ""
        while True:
            data = tail.read()
            if data:
                output.write(data)
                continue
            output.flush()
            if why:
                return why
            if self._kind == "runner" and (path := self._place().path) != tail.path:
                # A new start of this build writes to another log.
                tail.close()
                tail.path = path
            # After the end, one more round reads the last lines.
            why = ending.reason()
            time.sleep(0 if why else LOG_POLL_S)

    # --- the journal of systemd ---

    def _journal(self) -> int:
        """Show the lines of the watcher's units in the time of this run. Raises CommandError (69)."""
        from atvm_pipeline.shell.supervisor.base import WATCHER_UNIT, watcher_unit

        program = shutil.which("journalctl")
        name = self._paths.build_name
        if program is None:
            raise CommandError(
                UNAVAILABLE,
                "the watcher ran under systemd, and journalctl is not on the PATH; search the journal for the unit "
                f"{WATCHER_UNIT.format(name)} elsewhere",
            )
        units = dict.fromkeys(
            (WATCHER_UNIT.format(name), f"atvm-run-watcher-failed@{name}.service", watcher_unit(self._paths))
        )
        since, until = (moment(text) for text in time_window(self._paths))
        argv = [program, "--no-pager", "--output=short-iso", "--quiet", *(f"--unit={unit}" for unit in units)]
        argv += [f"--since=@{since.timestamp():.0f}"] if since is not None else []
        argv += [f"--until=@{until.timestamp():.0f}"] if until is not None else []
        argv += [f"--lines={'all' if self._lines is None else self._lines}"]
        sys.stdout.flush()
        ending = Ending(self._paths, self._kind)
        reason = ending.reason() if self._follow else ""
        follows = self._follow and not reason

        def ended() -> bool:
            nonlocal reason
            # After the end, one more round shows the last lines.
            over = bool(reason)
            reason = reason or ending.reason()
            return over

        code = run_attached([*argv, "--follow"] if follows else argv, ended if follows else lambda: False)
        if reason:
            self._report(reason)
        return DONE if code == 0 or reason else UNAVAILABLE

    @staticmethod
    def _report(why: str) -> None:
        log(f"--- {why}")


class Ending:
    """Whether the log that is being followed can still grow. The state is read at most once a second."""

    def __init__(self, paths: Paths, kind: str) -> None:
        """Start to observe the run."""
        self._paths, self._kind = paths, kind
        self._next_s = 0.0
        self._dead_since_s: float | None = None
        self._run_id = read_object(paths.request).get("run_id")

    def reason(self) -> str:
        """Return why the log does not grow any more; "" while it may."""
        now_s = clock.monotonic()
        if now_s < self._next_s:
            return ""
        self._next_s = now_s + STATE_POLL_S
        self._notice_new_run()
        name = self._paths.build_name
        if self._kind == "template":
            return "" if is_locked(self._paths.start_lock) else f"no start of {name} is in progress"
        run = show_run(self._paths)
        state = run.state or {"reason": {"text": ""}}
        if run.paths.is_archived and not run.live["watcher"]:
            return f"{run.address} is archived"
        if run.has_ended and not run.live[self._kind]:
            return f"{run.address} has ended: {run.phase}: {one_line(state['reason']['text'], 500)}"
        alive = any(run.live.values()) or is_locked(self._paths.start_lock)
        self._dead_since_s = None if alive else self._dead_since_s or now_s
        if self._dead_since_s is None or now_s - self._dead_since_s < DEAD_S:
            return ""
        return f"neither watcher nor runner of {run.address} is running ({run.phase})"

    def _notice_new_run(self) -> None:
        request = read_object(self._paths.request)
        run_id = request.get("run_id")
        if run_id is not None and run_id != self._run_id:
            self._run_id = run_id
            at = moment(request.get("requested_at"))
            when = f" at {local_time(at)}" if at is not None else ""
            log(
                f"--- a new run of {self._paths.build_name} was started{when} (run id {one_line(str(run_id), 40)})"
            )


def _lines(given: str | None) -> int | None:
    """Return the number of lines; None for all. Raises CommandError (64)."""
    if given is None or given == "all":
        return None
    if given.isascii() and given.isdigit() and len(given) < 10:  # noqa: PLR2004 - no log has more lines
        return int(given)
    raise CommandError(USAGE, f"-n {given[:40]!r} is not a number of lines: use 0 or more, or all")


def _older_parts(path: Path) -> list[str]:
    """Return the rotated files next to a log, oldest first."""
    try:
        return [str(file.path) for file in list_rotated(path.parent, path.name)]
    except OSError:
        return []
