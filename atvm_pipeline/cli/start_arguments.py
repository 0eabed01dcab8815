"""The options of a start, from arguments and environment."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.core.preflight.checks import has_option
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.config.dialect_file import load_dialect
from atvm_pipeline.shell.config.runner_env import check_settings, is_text
from atvm_pipeline.shell.exit_codes import USAGE, CommandError
from atvm_pipeline.shell.start.start_options import StartOptions
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.supervisor import choose

from .options import checked_hosts, checked_scenario, user_and_host

WAIT_TIMEOUT_DEFAULT_S = 86400.0
WAIT_TIMEOUT_MAX_S = 30.0 * 86400


def start_options(
    args: argparse.Namespace, build_name: str, environ: Mapping[str, str], root: Path
) -> StartOptions:
    """Return the options of a start. Raises ConfigError, CommandError."""
    check_settings(environ)
    workdir = env.workdir(args.workdir, environ)
    if not is_text(str(workdir)):
        raise CommandError(
            USAGE, "the path of the working directory is not valid UTF-8; set another one with --workdir"
        )
    if not workdir.is_dir():
        raise CommandError(
            USAGE, f"working directory {workdir} is not a directory; set --workdir or ATVM_RUNNER_WORKDIR"
        )
    template_command = args.template_command or environ.get("ATVM_WATCHER_TEMPLATE_COMMAND") or None
    runner_command = (
        args.runner_command
        or environ.get("ATVM_RUNNER_COMMAND")
        or environ.get("ATVM_WATCHER_RUNNER_COMMAND")
        or None
    )
    requested = args.categorize or env.truthy(environ.get("ATVM_WATCHER_CATEGORIZED"))
    in_command = runner_command is not None and has_option(runner_command, "--categorize")
    notes: tuple[str, ...] = ()
    if requested != in_command and runner_command is not None:
        where = (
            "the request but not in the runner command"
            if requested
            else "the runner command but not in the request"
        )
        notes = (f"--categorize is in {where}; the run is treated as categorized.",)
    return StartOptions(
        paths=Paths(root, build_name),
        environ=environ,
        settings=env.settings(environ),
        metadata=env.metadata({key: getattr(args, key, None) for key in vars(args)}, environ),
        dialect=load_dialect(environ.get("ATVM_WATCHER_DIALECT")),
        workdir=workdir,
        template_command=template_command,
        runner_command=runner_command,
        categorize=requested or in_command,
        categorize_given=requested,
        hosts=checked_hosts(args.hosts),
        messages=env.message_settings(environ),
        scenario=checked_scenario(args.scenario, environ),
        started_by=user_and_host(),
        notes=notes,
        share_config=args.share_config,
        share_hosts=args.share_hosts,
        wait_s=wait_seconds(args.wait_timeout) if args.wait else None,
        only=args.only,
        check=args.check,
        no_preflight=args.no_preflight,
        supervisor=choose(args.supervisor),
    )


def wait_seconds(given: float | None) -> float:
    """Return how long --wait waits. Raises CommandError (64)."""
    seconds = WAIT_TIMEOUT_DEFAULT_S if given is None else given
    if 0 <= seconds <= WAIT_TIMEOUT_MAX_S:
        return seconds
    raise CommandError(
        USAGE, f"--wait-timeout is {seconds:g}: use a number of seconds from 0 to {WAIT_TIMEOUT_MAX_S:.0f}"
    )
