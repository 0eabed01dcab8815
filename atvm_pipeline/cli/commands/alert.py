"""Report to the alert channel that a watcher, or the sender of an archived run, died or lost messages.

atvm-run-watcher-failed@.service runs it.
"""

import argparse
import contextlib
import os
from collections.abc import Mapping
from typing import Any

from atvm_pipeline.cli.options import add_state_root, environment, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import show_run
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import plural
from atvm_pipeline.shell.config.settings import state_root_option
from atvm_pipeline.shell.delivery.alerts import OUTCOME_WORDS, PATIENCE_S, send_alert
from atvm_pipeline.shell.exit_codes import DONE, UNAVAILABLE
from atvm_pipeline.shell.state_dir.reader import count_words, posts_of, posts_pending, read_state, undelivered
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.state_dir.run_address import address_of, find_run
from atvm_pipeline.shell.supervisor.base import watcher_unit
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.subprocesses import systemctl
from atvm_pipeline.shell.system.typed_command import typed_command

ALERT_WORD_CHARS_MAX = 60
RESULTS = {
    "exit-code": "it ended with an error",
    "signal": "killed by a signal",
    "core-dump": "it crashed",
    "watchdog": "it did not respond for two minutes",
    "oom-kill": "killed because memory ran out",
    "start-limit-hit": "it ended five times in ten minutes",
    "timeout": "it did not start or stop in time",
}
"""systemd's result of a service (systemd.exec(5), $SERVICE_RESULT) in words."""
STATUSES = {
    "65": "a file of the run cannot be read",
    "69": "a message was not delivered",
    "70": "a bug",
    "73": "its directory cannot be written",
    "75": "another watcher is running",
    "78": "a setting is missing or wrong",
}
"""Exit code of a watcher in words; a signal or another code is shown as it is."""


HELP = CommandHelp(
    examples=("atvm-pipeline alert BUILD",),
    exit_codes="0 if the alert was sent or none was needed, 69 if it was not sent",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="name of the build; BUILD@TIME for an archived run")
    parser.add_argument(
        "--timeout",
        type=float,
        default=PATIENCE_S,
        metavar="S",
        help="give up after this many seconds without a connection (default: 72 hours)",
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Send the alert. Returns 0 if it was sent, if there is nothing to report or no channel for it, and 69 if it was not sent."""
    environ = environment()
    paths = find_run(state_root(args, environ), args.build)
    address = address_of(paths)
    if is_locked(paths.watcher_lock):
        log(f"{address} is being watched: nothing to report")
        return DONE
    request, state = _known(paths)
    if state is not None and _is_over(paths, state):
        log(_ended(paths, state))
        if not undelivered(state) or _were_alerted(state):
            return DONE
        text = _ended(paths, state)
    else:
        how = _how(paths, os.environ)
        text = _sender_died(paths, state, how) if paths.is_archived else _died(paths, request, state, how)
        log(f"{address}: {text}")
    run_id = request.run_id if request is not None else ""
    key = f"{run_id}/alert/watcher-died/{os.environ.get('MONITOR_INVOCATION_ID', '')[:ALERT_WORD_CHARS_MAX]}"
    outcome = send_alert(
        paths.build_name,
        request,
        environ,
        text,
        key=key,
        patience_s=args.timeout,
        obsolete=lambda: is_locked(paths.watcher_lock),
    )
    log(OUTCOME_WORDS[outcome])
    return DONE if outcome in ("sent", "obsolete", "no-channel") else UNAVAILABLE


def _known(paths: Paths) -> tuple[Request | None, dict[str, Any] | None]:
    """Return request and state, as far as they can be read."""
    request = state = None
    with contextlib.suppress(OSError):
        request = read_record(paths.request, Request)
    with contextlib.suppress(OSError, DataError):
        state = read_state(paths)
    if request is None or state is None or state["run_id"] != request.run_id:
        state = None
    return request, state


def _how(paths: Paths, environ: Mapping[str, str]) -> str:
    """Return how the service ended: from the environment of the handler, or before systemd 251 from `systemctl show`."""
    result = environ.get("MONITOR_SERVICE_RESULT", "")
    status = environ.get("MONITOR_EXIT_STATUS", "")
    if not result:
        answer = systemctl("show", "--property=Result,ExecMainStatus", watcher_unit(paths))
        fields = dict(line.partition("=")[::2] for line in answer.text.splitlines())
        result, status = fields.get("Result", ""), fields.get("ExecMainStatus", "")
    result = RESULTS.get(result, result)[:ALERT_WORD_CHARS_MAX]
    named = f"status {status}" if status.isdigit() else f"SIG{status}" if status else ""
    status = STATUSES.get(status, named)[:ALERT_WORD_CHARS_MAX]
    return ", ".join(word for word in (result, status) if word) or "cause unknown"


def _is_over(paths: Paths, state: dict[str, Any]) -> bool:
    """Return whether the watcher had nothing left to do."""
    return (paths.is_archived or state["phase"] in TERMINAL_PHASES) and not posts_pending(state)


def _ended(paths: Paths, state: dict[str, Any]) -> str:
    """Return one line about a run whose watcher had nothing left to do."""
    lost = undelivered(state)
    how = f"has ended ({state['phase']})" if state["phase"] in TERMINAL_PHASES else "is archived"
    begin = f"{address_of(paths)} {how}; "
    if not lost:
        return f"{begin}all messages are settled."
    why = next((f" ({post['detail']})" for _, post in lost if post.get("detail")), "")
    rejected = any(post["outcome"] == "rejected" for _, post in lost)
    steps = (
        [f"check webhook and channel with: {_typed(paths, 'atvm-pipeline', 'doctor', '--post-test')}"]
        if rejected
        else []
    )
    if any(owner != "an alert" for owner, _ in lost):
        steps.append(f"to send again: {_typed(paths, 'atvm-pipeline', 'resend', address_of(paths))}")
    help_ = "; ".join(steps)
    return f"{begin}{count_words(lost)}{why}.{f' {help_[0].upper()}{help_[1:]}' if help_ else ''}"


def _sender_died(paths: Paths, state: dict[str, Any] | None, how: str) -> str:
    """Return one line about an archived run whose messages are no longer being delivered."""
    waiting = sum(post["outcome"] == "pending" for _, post in posts_of(state)) if state is not None else 0
    messages = f"{plural(waiting, 'message')}" if waiting else "an unknown number of messages"
    address = address_of(paths)
    return (
        f"the sender of the archived run {address} died ({how}) and is not restarted; {messages} not delivered. "
        f"Start it with: {_typed(paths, 'atvm-pipeline', 'deliver', address, '--background')}"
    )


def _were_alerted(state: dict[str, Any]) -> bool:
    """Return whether the watcher's own alerts have reported every lost message.

    There is one alert per outcome, about the first message with that outcome. After a manual repeat, the state does not
    show which message the alert was about.
    """
    lost = [(owner, post["outcome"]) for owner, post in undelivered(state)]
    once = len({outcome for _, outcome in lost}) == len(lost)
    by_hand = any("/resend-" in str(post.get("key")) for _, post in posts_of(state))
    sent = [str(post.get("key")) for post in state.get("alerts", ()) if post["outcome"] == "sent"]
    reported = {key.rpartition("/alert/attention-message-")[2] for key in sent}
    return (
        once and not by_hand and all(owner != "an alert" and outcome in reported for owner, outcome in lost)
    )


def _died(paths: Paths, request: Request | None, state: dict[str, Any] | None, how: str) -> str:
    """Return one line about a run that is no longer watched."""
    if request is None:
        return (
            f"the watcher died ({how}) and its state in {paths.folder} is missing; the end of the run will not be reported: "
            "check the runner itself"
        )
    known = "no state was saved yet"
    if state is not None:
        ledger = state["ledger"]
        known = f"last state: {state['phase']}, {ledger.get('passed')} of {plural(ledger['planned'], 'spec')} passed"
        waiting = sum(post["outcome"] == "pending" for _, post in posts_of(state))
        known += f", {plural(waiting, 'message')} not delivered yet" if waiting else ""
    runner = (
        "the runner is still running, unwatched"
        if show_run(paths).live["runner"]
        else "its runner is not running"
    )
    name = paths.build_name
    logs = _typed(paths, "atvm-pipeline", "logs", name, "--watcher")
    attach = _typed(paths, "start-atvm-run-watcher.sh", "--attach", "--build-name", name)
    return (
        f"the watcher died ({how}) and is not restarted; {known}; {runner}. The cause is in its log: {logs}. "
        f"Continue with: {attach}"
    )


def _typed(paths: Paths, program: str, *words: str) -> str:
    return typed_command(program, *words, *state_root_option(environment(), paths.state_root))
