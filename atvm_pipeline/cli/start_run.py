"""Start of a run for the commands `run` and `rerun`: warnings, turn, start, answer."""

import sys
from pathlib import Path

from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.config.env_file import exposed_text
from atvm_pipeline.shell.delivery.webhook_check import check_webhook
from atvm_pipeline.shell.exit_codes import DONE
from atvm_pipeline.shell.start.attach import attach as attach_watcher
from atvm_pipeline.shell.start.conflicts import attach_lock
from atvm_pipeline.shell.start.result import StartResult
from atvm_pipeline.shell.start.runner_half import start_runner_only
from atvm_pipeline.shell.start.start_options import StartOptions
from atvm_pipeline.shell.start.steps import start_run
from atvm_pipeline.shell.start.turn import start_turn
from atvm_pipeline.shell.system.log import log

from .start_page import start_object, start_page
from .terminal import is_terminal
from .views import print_json


def start(options: StartOptions, *, attach: bool = False) -> StartResult:
    """Start the run, or one half of it. Raises CommandError, ConfigError."""
    exposed = exposed_text(Path(options.environ.get("ATVM_WATCHER_ENV_FILE") or env.ENV_FILE))
    if exposed is not None:
        log(f"warning: {exposed}")
    if attach:
        with attach_lock(options):
            result = attach_watcher(options)
        if result is not None:
            return result
    if options.only == "runner":
        with start_turn(options):
            return start_runner_only(options)
    warning = check_webhook(options.environ, options.settings)
    if warning is not None:
        log(f"warning: {warning}")
    # Before the turn: a start that cannot succeed must not wait for hours first.
    options.supervisor.check(options.paths, options.environ)
    with start_turn(options):
        return start_run(options)


def answer(options: StartOptions, result: StartResult, *, as_json: bool) -> int:
    """Print the answer of a start; return its exit code.

    Scripts get the state directory on standard output, or an object with --json. People get the page.
    """
    if as_json:
        print_json(start_object(options, result))
    elif not result.started:
        print(start_page(options, result, sys.stdout))
    else:
        print(start_page(options, result, sys.stderr), file=sys.stderr)
        if not is_terminal(sys.stdout):
            print(printable(str(options.paths.folder)))
    return DONE
