"""Start one request: template, preflight, watcher, then the runner. Returns when the runner is running."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from atvm_pipeline.cli.options import (
    add_hosts,
    add_scenario,
    add_state_root,
    checked_build_name,
    checked_text,
    environment,
    state_root,
)
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.shell.exit_codes import USAGE, CommandError
from atvm_pipeline.shell.state_dir.records import Request, read_record
from atvm_pipeline.shell.system.log import log

if TYPE_CHECKING:
    from atvm_pipeline.shell.start.start_options import StartOptions

START = CommandHelp(
    usage="--build-name BUILD --runner-command COMMAND [options]",
    examples=(
        "start-atvm-run.sh \\",
        "  --build-name e2e-redhat9.6-ubuntu24.04-w2k25-fc \\",
        '  --template-command "python3 ./cmc-templates.py --template_name cmc-e2e" \\',
        '  --runner-command "python3 ./run-sorry-cypress.py --categorize" \\',
        "  --categorize",
    ),
    exit_codes="0 if the runner is running, 10 if the template command failed, 11 if the preflight found a mismatch, 69 if a "
    "part did not start, 75 if the build, its log, its config file or a host is in use, 78 for a wrong setting",
    hidden=("--attach",),
)
HALVES = {
    "watcher": CommandHelp(
        description="Start the watcher of one request, which waits for its runner; --attach: watch a run that was already "
        "started. Both commands are stored, not run: run the template command first, and the runner command with "
        "start-atvm-runner.sh.",
        usage="--build-name BUILD [options]",
        examples=(
            "start-atvm-run-watcher.sh --build-name BUILD --categorize",
            "start-atvm-run-watcher.sh --attach --build-name BUILD",
        ),
        exit_codes="0 if the run is being watched, 11 if the preflight found a mismatch, 65 if there is no run to attach to, 69 "
        "if the watcher did not start, 75 if the build, its log, its config file or a host is in use, 78 for a wrong setting",
    ),
    "runner": CommandHelp(
        description="Start the runner of one request, for which a watcher already waits.",
        usage="--build-name BUILD --runner-command COMMAND [options]",
        examples=('start-atvm-runner.sh --build-name BUILD --runner-command "COMMAND"',),
        exit_codes="0 if the runner is running, 11 if the preflight found a mismatch, 64 if the watcher was started with other "
        "options, 69 if the runner did not start, 75 if the build, its log, its config file or a host is in use",
        hidden=("--attach", "--template-command"),
    ),
}
TEXTS = {
    "template": "short name of the template",
    "config-family": "config family",
    "migration-style": "migration style",
    "integration-plugin": "integration plugin",
    "scope-description": "scope of the run",
}
"""Options that are only shown in the message."""
UNUSED_BY_ATTACH = (
    *(
        "template_command",
        "runner_command",
        "categorize",
        "config_file",
        "workdir",
        "no_preflight",
        "share_config",
        "share_hosts",
        "wait",
    ),
    *(name.replace("-", "_") for name in TEXTS),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    request = parser.add_argument_group("request")
    request.add_argument(
        "--build-name", required=True, metavar="BUILD", help="name of the request: template, hosts, transport"
    )
    request.add_argument(
        "--template-command", metavar="COMMAND", help="command that must succeed before the run starts"
    )
    request.add_argument(
        "--runner-command", metavar="COMMAND", help="command that runs Cypress; passed to bash unchanged"
    )
    request.add_argument(
        "--categorize", action="store_true", help="one sub-run, and one message, per group of hosts"
    )
    add_hosts(request)
    add_scenario(request)
    request.add_argument(
        "--config-file", metavar="FILE", help="the Cypress config file that the template rewrites"
    )
    request.add_argument(
        "--workdir", metavar="DIR", help="directory of both commands (default: $ATVM_RUNNER_WORKDIR)"
    )
    shown = parser.add_argument_group("shown in the message")
    for name, about in TEXTS.items():
        shown.add_argument(f"--{name}", metavar="TEXT", help=about)
    checks = parser.add_argument_group("checks")
    checks.add_argument("--check", action="store_true", help="only check; start and change nothing")
    checks.add_argument(
        "--no-preflight", action="store_true", help="start even if the preflight finds a mismatch"
    )
    checks.add_argument(
        "--share-config", action="store_true", help="start even if another run is using the same config file"
    )
    checks.add_argument(
        "--share-hosts", action="store_true", help="start even if another run is testing the same hosts"
    )
    waiting = parser.add_argument_group("waiting")
    waiting.add_argument(
        "--wait",
        action="store_true",
        help="wait until build, log, config file and hosts are free; first come, first served",
    )
    waiting.add_argument(
        "--wait-timeout",
        type=float,
        metavar="S",
        help="with --wait: give up after S seconds (default: 86400)",
    )
    processes = parser.add_argument_group("processes and files")
    processes.add_argument(
        "--attach",
        action="store_true",
        help="watch a run that was already started, without a reset",
    )
    processes.add_argument(
        "--supervisor",
        choices=("auto", "systemd", "local"),
        default="auto",
        help="run as systemd units or as background processes (default: auto)",
    )
    processes.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    processes.add_argument("--only", choices=("watcher", "runner"), help=argparse.SUPPRESS)
    add_state_root(processes)


def help_for(arguments: list[str]) -> CommandHelp:
    """Return the texts of `--help`: of the complete start, or of the half that a wrapper script runs."""
    only = arguments[arguments.index("--only") + 1 :][:1] if "--only" in arguments else []
    return HALVES.get("".join(only), START)


def run(args: argparse.Namespace) -> int:
    """Start the run, or one half of it."""
    from atvm_pipeline.cli.start_arguments import start_options
    from atvm_pipeline.cli.start_run import answer, start
    from atvm_pipeline.shell.config.known_settings import unknown_settings

    build_name = checked_build_name(args.build_name)
    _check_call(args)
    environ = environment()
    for sentence in unknown_settings(environ):
        log(f"notice: {sentence}")
    options = start_options(args, build_name, environ, state_root(args, environ))
    result = start(options, attach=args.attach)
    if result.attached:
        _name_unused(args, "not used, because --attach joins the run as it was started", UNUSED_BY_ATTACH)
    elif args.only == "watcher":
        _name_unused(args, "stored and not run, because only the watcher is started", ("template_command",))
    elif args.only == "runner" and result.started:
        _name_other_texts(args, options)
    return answer(options, result, as_json=args.json)


def _name_unused(args: argparse.Namespace, why: str, names: Iterable[str]) -> None:
    """Log the given options that have no effect in this call."""
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name)]
    if given:
        log(f"notice: {', '.join(given)}: {why}")


def _name_other_texts(args: argparse.Namespace, options: "StartOptions") -> None:
    """Log the given texts that differ from those of the waiting watcher, which are the ones in its messages."""
    saved = read_record(options.paths.request, Request)
    names = [name.replace("-", "_") for name in TEXTS]
    other = [
        name for name in names if saved is not None and getattr(args, name) != getattr(saved.metadata, name)
    ]
    _name_unused(args, "not used, because the watcher was started with another value", other)


def _check_call(args: argparse.Namespace) -> None:
    if args.attach and args.only != "watcher":
        raise CommandError(USAGE, "--attach works only with start-atvm-run-watcher.sh")
    if args.runner_command is None and args.only is None:
        raise CommandError(USAGE, "--runner-command is missing: give the command that runs Cypress")
    if args.wait_timeout is not None and not args.wait:
        raise CommandError(USAGE, "--wait-timeout works only with --wait")
    for name, value in vars(args).items():
        if isinstance(value, str):
            checked_text(f"--{name.replace('_', '-')}", value)
    for name in ("template_command", "runner_command"):
        value = getattr(args, name)
        if value is not None and (not value.strip() or "\0" in value):
            raise CommandError(USAGE, f"--{name.replace('_', '-')} is empty or contains a NUL character")
