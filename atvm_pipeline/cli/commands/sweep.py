"""Restart the watcher of every unfinished run, and the senders of undelivered messages (atvm-run-sweep.service, at boot)."""

import argparse
import contextlib
from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.cli.options import add_state_root, environment, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.core.errors import ConfigError, DataError
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import plural
from atvm_pipeline.shell.exit_codes import DONE, UNAVAILABLE
from atvm_pipeline.shell.start.senders import may_start
from atvm_pipeline.shell.state_dir.archived_messages import archived_messages
from atvm_pipeline.shell.state_dir.reader import builds, posts_pending, read_state
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.supervisor import Supervisor, choose
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.log import log

HELP = CommandHelp(
    examples=("atvm-pipeline sweep",),
    exit_codes="0 if every watcher was started, 69 if one was not",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--supervisor",
        choices=("auto", "systemd", "local"),
        default="auto",
        help="run as systemd units or as background processes (default: auto)",
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Restart watchers and senders. Returns 0, or 69 if one could not be started; all others are started before.

    The watcher itself closes a run that a reboot has ended (`host-rebooted`), from its own journal, and runs until its
    messages are settled. A run that is still in progress is only watched again.
    """
    environ = environment()
    root = state_root(args, environ)
    supervisor = choose(args.supervisor)
    code = DONE
    for build_name in builds(root):
        paths = Paths(root, build_name)
        why = _left(paths)
        if why is None:
            continue
        try:
            supervisor.start_watcher(paths, environ)
        except (OSError, ConfigError) as error:
            log(f"{build_name}: {why}, and its watcher could not be started: {error}")
            code = UNAVAILABLE
        else:
            print(f"{build_name}: {why}; its watcher was started")
    return max(code, _start_senders(root, supervisor, environ))


def _start_senders(root: Path, supervisor: Supervisor, environ: Mapping[str, str]) -> int:
    """Start the sender of every archived run whose messages are not delivered."""
    code = DONE
    started: list[Paths] = []
    for found in archived_messages(root):
        paths = found.paths
        if not found.waiting or found.sending or is_locked(paths.start_lock) or not may_start(paths, started):
            continue
        why = f"{address_of(paths)}: {plural(len(found.waiting), 'message')} not delivered"
        try:
            supervisor.start_watcher(paths, environ)
        except (OSError, ConfigError) as error:
            log(f"{why}, and its sender could not be started: {error}")
            code = UNAVAILABLE
        else:
            started.append(paths)
            print(f"{why}; its sender was started")
    return code


def _left(paths: Paths) -> str | None:
    """Return why a build needs a watcher; None if it does not, or if one is running."""
    request = None
    with contextlib.suppress(OSError):
        request = read_record(paths.request, Request)
    if request is None or is_locked(paths.watcher_lock) or is_locked(paths.start_lock):
        return None
    try:
        state = read_state(paths)
    except (DataError, OSError):
        return "its state cannot be read"
    if state is None or state["run_id"] != request.run_id:
        return "it was not watched yet"
    if state["phase"] not in TERMINAL_PHASES:
        return f"it is {state['phase']} and not watched"
    return "it has undelivered messages" if posts_pending(state) else None
