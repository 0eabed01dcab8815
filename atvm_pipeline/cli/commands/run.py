"""Start one request: template, preflight, watcher, then the runner. Returns when the runner is running."""

import argparse

from atvm_pipeline.cli.options import (
    add_hosts,
    add_scenario,
    add_state_root,
    checked_build_name,
    checked_text,
    environment,
    state_root,
)
from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.exit_codes import DONE, USAGE, CommandError
from atvm_pipeline.shell.system.log import log

HALVES = {
    "watcher": "Start the watcher of one request, which waits for its runner; --attach: watch a run that was already started.",
    "runner": "Start the runner of one request, for which a watcher already waits.",
}
TEXTS = {
    "template": "short name of the template, shown in the message",
    "config-family": "config family, shown in the message",
    "config-file": "the Cypress config file that the template rewrites",
    "migration-style": "shown in the message",
    "integration-plugin": "shown in the message",
    "scope-description": "shown in the message",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--build-name", required=True, metavar="BUILD", help="name of the request: template, hosts, transport"
    )
    parser.add_argument(
        "--template-command", metavar="COMMAND", help="command that must succeed before the run starts"
    )
    parser.add_argument(
        "--runner-command", metavar="COMMAND", help="command that runs Cypress; passed to bash unchanged"
    )
    add_hosts(parser)
    add_scenario(parser)
    for name, about in TEXTS.items():
        parser.add_argument(f"--{name}", metavar="TEXT", help=about)
    parser.add_argument(
        "--categorize", action="store_true", help="one sub-run, and one message, per group of hosts"
    )
    parser.add_argument(
        "--workdir", metavar="DIR", help="directory of both commands (default: $ATVM_RUNNER_WORKDIR)"
    )
    parser.add_argument("--check", action="store_true", help="only check; start and change nothing")
    parser.add_argument(
        "--no-preflight", action="store_true", help="start even if the preflight finds a mismatch"
    )
    parser.add_argument(
        "--share-config", action="store_true", help="start even if another run is using the same config file"
    )
    parser.add_argument(
        "--supervisor",
        choices=("auto", "systemd", "local"),
        default="auto",
        help="run as systemd units or as background processes (default: auto)",
    )
    parser.add_argument("--only", choices=("watcher", "runner"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--attach",
        action="store_true",
        help="with start-atvm-run-watcher.sh: watch a run that was already started, without a reset",
    )
    add_state_root(parser)


def description(argv: list[str]) -> str:
    """Return the description for `--help`: of the complete start, or of the half that a wrapper script runs."""
    only = argv[argv.index("--only") + 1 :][:1] if "--only" in argv else []
    return HALVES.get("".join(only), __doc__ or "")


def run(args: argparse.Namespace) -> int:
    """Start the run, or one half of it."""
    from atvm_pipeline.cli.start_arguments import start_options
    from atvm_pipeline.shell.delivery.webhook_check import check_webhook
    from atvm_pipeline.shell.start.attach import attach
    from atvm_pipeline.shell.start.conflicts import attach_lock, start_locks
    from atvm_pipeline.shell.start.runner_half import start_runner_only
    from atvm_pipeline.shell.start.steps import start_run

    build_name = checked_build_name(args.build_name)
    _check_call(args)
    environ = environment()
    options = start_options(args, build_name, environ, state_root(args, environ))
    result = None
    if args.attach:
        with attach_lock(options):
            result = attach(options)
    if result is None:
        if args.only != "runner":
            warning = check_webhook(environ, options.settings)
            if warning is not None:
                log(f"warning: {warning}")
        with start_locks(options):
            result = (start_runner_only if args.only == "runner" else start_run)(options)
    if result.started:
        print(printable(str(options.paths.folder)))
    elif args.attach and not result.hosts:
        print(f"{build_name}: all checks passed; no watcher was started (--check)")
    else:
        print(f"{build_name}: all checks passed; nothing was started (--check)")
        print(result.hosts)
    return DONE


def _check_call(args: argparse.Namespace) -> None:
    if args.attach and args.only != "watcher":
        raise CommandError(USAGE, "--attach works only with start-atvm-run-watcher.sh")
    if args.runner_command is None and args.only is None:
        raise CommandError(USAGE, "--runner-command is missing: give the command that runs Cypress")
    for name, value in vars(args).items():
        if isinstance(value, str):
            checked_text(f"--{name.replace('_', '-')}", value)
    for name in ("template_command", "runner_command"):
        value = getattr(args, name)
        if value is not None and (not value.strip() or "\0" in value):
            raise CommandError(USAGE, f"--{name.replace('_', '-')} is empty or contains a NUL character")
