"""Start one request: template, preflight, watcher, then the runner.  Returns when the runner runs."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from atvm_pipeline.shell.refusals import DONE, PREFLIGHT_MISMATCH, USAGE, Refused

if TYPE_CHECKING:
    from atvm_pipeline.shell.start import Wanted
    from atvm_pipeline.shell.supervisor import Supervisor

from .common import add_state_root, checked_build_name, environment, say, state_root

TEXTS = {
    "template": "short name of the template, for the message",
    "config-family": "config family, for the message",
    "config-file": "the Cypress config file that the template rewrites",
    "migration-style": "for the message",
    "integration-plugin": "for the message",
    "scope-description": "for the message",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--build-name", required=True, metavar="BUILD", help="name of the request: template, hosts, transport"
    )
    parser.add_argument("--template-command", metavar="COMMAND", help="run to its end before anything starts")
    parser.add_argument("--runner-command", metavar="COMMAND", help="the runner; passed to bash unchanged")
    for name, about in TEXTS.items():
        parser.add_argument(f"--{name}", metavar="TEXT", help=about)
    parser.add_argument(
        "--categorize", action="store_true", help="one sub-run, and one message, per group of hosts"
    )
    parser.add_argument(
        "--workdir", metavar="DIR", help="where both commands run (default: $ATVM_RUNNER_WORKDIR)"
    )
    parser.add_argument(
        "--check", action="store_true", help="only the refusals and the preflight; starts and changes nothing"
    )
    parser.add_argument(
        "--no-preflight", action="store_true", help="go on where the preflight found a mismatch"
    )
    parser.add_argument(
        "--share-config", action="store_true", help="go on where a living run uses the same config file"
    )
    parser.add_argument(
        "--supervisor", choices=("auto", "systemd", "local"), default="auto", help="who keeps the processes"
    )
    parser.add_argument("--only", choices=("watcher", "runner"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--attach",
        action="store_true",
        help="with start-atvm-run-watcher.sh: join a living run, nothing is reset",
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Start, or half of it."""
    from atvm_pipeline.shell.start import check_webhook, start_locks
    from atvm_pipeline.shell.supervisor import choose

    from .starting import attach, start_runner_only, wanted_from

    build_name = checked_build_name(args.build_name)
    _check_call(args)
    environ = environment()
    wanted = wanted_from(args, build_name, environ, state_root(args, environ))
    supervisor = choose(args.supervisor)
    if args.only == "runner":
        with start_locks(wanted):
            return start_runner_only(wanted, supervisor)
    warning = check_webhook(environ, wanted.settings)
    if warning is not None:
        say(f"warning: {warning}")
    if args.attach:
        return attach(wanted, supervisor)
    with start_locks(wanted):
        return _start(args, wanted, supervisor)


def _check_call(args: argparse.Namespace) -> None:
    if args.attach and args.only != "watcher":
        raise Refused(USAGE, "--attach goes with start-atvm-run-watcher.sh")
    if args.runner_command is None and args.only is None:
        raise Refused(USAGE, "--runner-command is missing: give the command that runs Cypress")
    for name in ("template_command", "runner_command"):
        value = getattr(args, name)
        if value is not None and (not value.strip() or "\0" in value):
            raise Refused(USAGE, f"--{name.replace('_', '-')} is empty or holds a NUL character")


def _start(args: argparse.Namespace, wanted: Wanted, supervisor: Supervisor) -> int:
    from atvm_pipeline.shell import settings as env
    from atvm_pipeline.shell.start import (
        baseline_of,
        build_request,
        check_living,
        prepare,
        run_template_step,
        start_runner,
        start_watcher,
    )

    from .starting import preflight

    paths = wanted.paths
    supervisor.check(paths, wanted.environ)
    check_living(wanted)
    keep = env.keep(wanted.environ)
    request = build_request(wanted, supervisor.name)
    baseline = baseline_of(wanted)
    if args.only is None and not args.check:
        if wanted.template_command is not None:
            say(f"template: {shlex.quote(wanted.template_command)}")
        run_template_step(wanted)
    certain = preflight(wanted)
    if certain and not args.no_preflight:
        raise Refused(PREFLIGHT_MISMATCH, f"preflight: {certain[0]}; nothing was started")
    for text in certain:
        say(f"warning: preflight: {text}")
    if args.check:
        print(f"{paths.build_name}: nothing speaks against this start")
        return DONE
    notice = prepare(request, paths, baseline, supervisor, keep)
    if notice is not None:
        say(notice)
    start_watcher(request, paths, supervisor, wanted.environ)
    say(f"watcher: watching {paths.build_name} (run {request.run_id})")
    if args.only is None:
        start_runner(request, paths, supervisor)
        say(f"runner: running, log {request.log_path}")
    print(paths.folder)
    return DONE
