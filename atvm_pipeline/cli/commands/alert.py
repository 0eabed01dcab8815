"""Report to the alert channel that the watcher of a run died or lost messages (atvm-run-watcher-failed@.service)."""

import argparse
import contextlib
import os
from collections.abc import Mapping
from typing import Any

from atvm_pipeline.cli.options import add_state_root, checked_build_name, environment, state_root
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.delivery.alerts import PATIENCE_S, send_alert
from atvm_pipeline.shell.exit_codes import DONE, UNAVAILABLE
from atvm_pipeline.shell.state_dir.reader import count_words, posts_of, posts_pending, read_state, undelivered
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.supervisor.base import WATCHER_UNIT
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.subprocesses import systemctl

ALERT_WORD_CHARS_MAX = 40


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument(
        "--timeout",
        type=float,
        default=PATIENCE_S,
        metavar="S",
        help="give up after this many seconds without a connection (default: 72 hours)",
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Report.  0 reported, or nothing to report or no channel for it; 69 the alert did not arrive."""
    environ = environment()
    paths = Paths(state_root(args, environ), checked_build_name(args.build))
    if is_locked(paths.watcher_lock):
        log(f"{paths.build_name} is being watched: nothing to report")
        return DONE
    request, state = _known(paths)
    if state is not None and _is_over(state):
        log(_ended(paths, state))
        if not undelivered(state) or _were_alerted(state):
            return DONE
        text = _ended(paths, state)
    else:
        text = _died(paths, request, state, _how(paths, os.environ))
        log(f"{paths.build_name}: {text}")
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
    if outcome == "no-channel":
        log("ATVM_WATCHER_ALERT_CHANNEL was not set when the run started: nobody is told but this log")
        return DONE
    log(f"alert: {outcome}")
    return DONE if outcome in ("sent", "obsolete") else UNAVAILABLE


def _known(paths: Paths) -> tuple[Request | None, dict[str, Any] | None]:
    """Request and state, as far as they can be read."""
    request = state = None
    with contextlib.suppress(OSError):
        request = read_record(paths.request, Request)
    with contextlib.suppress(OSError, DataError):
        state = read_state(paths)
    if request is None or state is None or state["run_id"] != request.run_id:
        state = None
    return request, state


def _how(paths: Paths, environ: Mapping[str, str]) -> str:
    """What systemd says of the end: from the handler's environment, before systemd 251 asked for."""
    result = environ.get("MONITOR_SERVICE_RESULT", "")
    status = environ.get("MONITOR_EXIT_STATUS", "")
    if not result:
        answer = systemctl("show", "--property=Result,ExecMainStatus", WATCHER_UNIT.format(paths.build_name))
        fields = dict(line.partition("=")[::2] for line in answer.text.splitlines())
        result, status = fields.get("Result", ""), fields.get("ExecMainStatus", "")
    words = [word[:ALERT_WORD_CHARS_MAX] for word in (result, f"status {status}" if status else "") if word]
    return ", ".join(words) or "systemd does not say how"


def _is_over(state: dict[str, Any]) -> bool:
    """Whether the watcher had done all that it could."""
    return state["phase"] in TERMINAL_PHASES and not posts_pending(state)


def _ended(paths: Paths, state: dict[str, Any]) -> str:
    """One line about a run whose watcher has done all that it could."""
    lost = undelivered(state)
    begin = f"{paths.build_name} has ended ({state['phase']}); "
    if not lost:
        return f"{begin}no message is left to deliver."
    by_hand = any(owner != "an alert" for owner, _ in lost)
    help_ = f" Deliver with: atvm-pipeline resend {paths.build_name}" if by_hand else ""
    return f"{begin}{count_words(lost)}.{help_}"


def _were_alerted(state: dict[str, Any]) -> bool:
    """Whether the watcher's own alerts have told every lost message.

    There is one alert per outcome, about what had it first: it names no second message.  After a repeat by
    hand the state does not show which message it was about.
    """
    lost = [(owner, post["outcome"]) for owner, post in undelivered(state)]
    once = len({outcome for _, outcome in lost}) == len(lost)
    by_hand = any("/resend-" in str(post.get("key")) for _, post in posts_of(state))
    sent = [str(post.get("key")) for post in state.get("alerts", ()) if post["outcome"] == "sent"]
    told = {key.rpartition("/alert/attention-message-")[2] for key in sent}
    return once and not by_hand and all(owner != "an alert" and outcome in told for owner, outcome in lost)


def _died(paths: Paths, request: Request | None, state: dict[str, Any] | None, how: str) -> str:
    """One line about a run that is not watched any more."""
    if request is None:
        return (
            f"the watcher died ({how}) and its state is gone from {paths.folder}: the end of the run will not be reported; "
            "look at the runner itself"
        )
    known = "nothing is known yet"
    if state is not None:
        ledger = state["ledger"]
        known = f"last known: {state['phase']}, {ledger.get('passed')} of {ledger['planned']} specs passed"
    runner = (
        "the runner goes on unwatched" if is_locked(paths.runner_lock) else "no runner of it lives any more"
    )
    return (
        f"the watcher died ({how}) and is not started again; {known}; {runner}. "
        f"Go on with: start-atvm-run-watcher.sh --attach --build-name {paths.build_name}"
    )
