"""The entry point: which command, and what an error looks like from outside.  Imports a command only when it runs."""

import importlib
import os
import sys

from atvm_pipeline.shell.refusals import BAD_CONFIG, CANNOT_WRITE, DATA, USAGE, Refused

from .common import Parser

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "template, preflight, watcher, runner: start one request; returns when the runner runs"),
    "watch": ("watch", "follow one run to its end (what the watcher service executes)"),
    "runner": ("runner", "run the runner command of one request (what the runner service executes)"),
    "cancel": ("cancel", "cancel a run, or stop its runner"),
    "status": ("status", "what is known about one run or all runs"),
    "wait": ("wait", "wait until a run has ended and its messages are settled"),
    "explain": ("explain", "why a run ended as it did, with the evidence"),
    "inspect": ("inspecting", "judge the log and reports of a finished run, offline"),
    "replay": ("replay", "fold a journal again and print the state"),
    "verdicts": ("verdicts", "print the tables that decide"),
    "resend": ("resend", "deliver a message once more, marked"),
    "doctor": ("doctor", "check this machine, with the command that mends each finding"),
    "demo": ("demo", "a whole run on a stand-in, in about twenty seconds"),
}


def usage() -> str:
    """The list of commands."""
    lines = ["usage: atvm-pipeline COMMAND [options]", "", "commands:"]
    lines += [f"  {name:<9} {about}" for name, (_, about) in COMMANDS.items()]
    lines += ["", "atvm-pipeline COMMAND --help tells the options of one.  Start with: atvm-pipeline demo"]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run one command; gives the exit code (docs/watcher-service.md)."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return USAGE if not argv else 0
    if argv[0] in ("-V", "--version"):
        from atvm_pipeline import __version__

        print(f"atvm-pipeline {__version__}")
        return 0
    if argv[0] not in COMMANDS:
        print(f"atvm-pipeline: {argv[0][:40]!r} is not a command (see atvm-pipeline --help)", file=sys.stderr)
        return USAGE
    module = importlib.import_module(f".{COMMANDS[argv[0]][0]}", __package__)
    parser = Parser(
        prog=os.environ.get("ATVM_PROG") or f"atvm-pipeline {argv[0]}",
        description=module.__doc__,
        allow_abbrev=False,
    )
    module.add_options(parser)
    return int(module.run(parser.parse_args(argv[1:])))


def script() -> int:
    """`main`, with every expected error said in one line."""
    from atvm_pipeline.core.errors import ConfigError, DataError

    try:
        return main(sys.argv[1:])
    except Refused as refused:
        return _said(str(refused), refused.code)
    except ConfigError as error:
        return _said(str(error), BAD_CONFIG)
    except DataError as error:
        return _said(str(error), DATA)
    except BrokenPipeError:
        # The reader of our answer went away: nothing is wrong on our side.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        return _said(f"cannot use{place}: {error.strerror or 'input/output error'}", CANNOT_WRITE)
    except KeyboardInterrupt:
        return _said("interrupted", 130)


def _said(text: str, code: int) -> int:
    print(f"{os.environ.get('ATVM_PROG') or 'atvm-pipeline'}: {text}", file=sys.stderr)
    return code
