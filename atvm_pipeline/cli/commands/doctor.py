"""Check this machine and show for each problem why it matters and how to fix it."""

import argparse
from collections.abc import Callable
from pathlib import Path

import msgspec

from atvm_pipeline.cli.doctor_checks import automation, installation, machine, runs, webhook_and_settings
from atvm_pipeline.cli.doctor_checks.finding import DoctorFinding, Where, bad
from atvm_pipeline.cli.options import add_state_root, environment, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.views import print_json
from atvm_pipeline.core.text import printable
from atvm_pipeline.install.layout import Places
from atvm_pipeline.shell.exit_codes import DONE, NO
from atvm_pipeline.shell.system.io_errors import io_error_text

CHECKS: tuple[Callable[[Where], list[DoctorFinding]], ...] = (
    machine.python,
    machine.bash,
    installation.installation,
    installation.old_install,
    installation.units,
    webhook_and_settings.webhook,
    webhook_and_settings.environment_file,
    webhook_and_settings.values,
    machine.state_root,
    installation.services_state_root,
    machine.inotify,
    machine.wall_clock,
    machine.supervisor,
    automation.automation,
    runs.runs,
    runs.orphans,
    runs.strays,
    runs.size,
)


HELP = CommandHelp(
    examples=("atvm-pipeline doctor", "atvm-pipeline doctor --post-test"),
    exit_codes="0 without a problem, 1 with one or more",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--post-test", action="store_true", help="also send a marked test message to each channel"
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        default="/",
        help="check the installation below DIR (as the installer's --root)",
    )
    add_state_root(parser)


def _findings(check: Callable[[Where], list[DoctorFinding]], where: Where) -> list[DoctorFinding]:
    """Return the findings of a check; a path that it may not access is a finding too."""
    try:
        return check(where)
    except OSError as error:
        name = check.__name__.replace("_", " ")
        why = "this could not be checked"
        return bad(name, io_error_text(error), why, "run doctor as root")


def run(args: argparse.Namespace) -> int:
    """Run all checks. Returns 0 without a problem, else 1."""
    environ = environment()
    where = Where(environ, state_root(args, environ), Places(Path(args.root).absolute()))
    checks = (*CHECKS, webhook_and_settings.post_test) if args.post_test else CHECKS
    findings = [finding for check in checks for finding in _findings(check, where)]
    wrong = [finding for finding in findings if not finding.ok]
    if args.json:
        print_json({"ok": not wrong, "findings": [msgspec.to_builtins(finding) for finding in findings]})
    else:
        for finding in findings:
            print(printable(f"{'ok  ' if finding.ok else 'BAD '} {finding.check}: {finding.text}"))
            if not finding.ok:
                print(f"       why: {printable(finding.why)}\n       fix: {printable(finding.fix)}")
    return NO if wrong else DONE
