"""The entry point: which command, and what an error looks like from outside.  Imports a command only when it runs."""

import io
import os
import sys
from collections.abc import Sequence

from atvm_pipeline.shell.exit_codes import BAD_CONFIG, BUG, CANNOT_WRITE, DATA, DONE, USAGE, CommandError

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "template, preflight, watcher, runner: start one request"),
    "watch": ("watch", "follow one run to its end (what the watcher service executes)"),
    "runner": ("runner", "run the runner command of one request (what the runner service executes)"),
    "cancel": ("cancel", "cancel a run, or stop its runner"),
    "status": ("status", "what is known about one run or all runs"),
    "wait": ("wait", "wait until a run has ended and its messages are settled"),
    "explain": ("explain", "why a run ended as it did, with the evidence"),
    "inspect": ("inspect", "judge the log and reports of a finished run, offline"),
    "replay": ("replay", "fold a journal again and print the state"),
    "verdicts": ("verdicts", "print the tables that decide"),
    "resend": ("resend", "deliver a message once more, marked"),
    "alert": ("alert", "tell the alert channel that the watcher of a run died"),
    "sweep": ("sweep", "give every unfinished run a watcher again, as at boot"),
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
    from atvm_pipeline.shell.system.log import log

    from .options import CommandParser

    if argv[0] not in COMMANDS:
        log(f"atvm-pipeline: {argv[0][:40]!r} is not a command (see atvm-pipeline --help)")
        return USAGE
    from importlib import import_module

    module = import_module(f".commands.{COMMANDS[argv[0]][0]}", __package__)
    describe = getattr(module, "description", None)
    parser = CommandParser(
        prog=prog(f"atvm-pipeline {argv[0]}"),
        description=describe(argv[1:]) if describe is not None else module.__doc__,
        allow_abbrev=False,
    )
    module.add_options(parser)
    return int(module.run(parser.parse_args(argv[1:])))


def prog(default: str) -> str:
    """What this program calls itself: the wrapper's name where one started it."""
    from atvm_pipeline.core.text import one_line

    return one_line(os.environ.get("ATVM_PROG", ""), 60) or default


def script() -> int:
    """`main`, with every error said in one line."""
    _make_streams_safe()
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our answer went away: nothing is wrong on our side.
        _drop_answer()
        return DONE
    except KeyboardInterrupt:
        return _said("interrupted", 130)
    except Exception as error:  # noqa: BLE001 - the last resort: foreign data in a traceback might hold a secret
        return _failed(error)
    return code


def _failed(error: Exception) -> int:
    from atvm_pipeline.core.errors import ConfigError, DataError
    from atvm_pipeline.shell.system.files import Unreadable

    match error:
        case CommandError():
            return _said(str(error), error.code, error.more)
        case ConfigError():
            return _said(str(error), BAD_CONFIG)
        case DataError() | Unreadable():
            return _said(str(error), DATA)
        case OSError():
            place = f" {error.filename}" if error.filename else ""
            return _said(f"cannot use{place}: {error.strerror or 'input/output error'}", CANNOT_WRITE)
        case _:
            return _bug(error)


def _make_streams_safe() -> None:
    """No descriptor of ours may become 0, 1 or 2, and no character may be one that cannot be said."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for as long as we live
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_answer() -> None:
    """What is still buffered would fail again at the end."""
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - one import less in every command
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _bug(error: Exception) -> int:
    """One line with the kind of the error and its place, no value: the whole traceback only where it is asked for."""
    import traceback

    if os.environ.get("ATVM_DEBUG") == "1":
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119 - a name
    return _said(f"bug: {type(error).__name__}{place} (ATVM_DEBUG=1 shows where)", BUG)


def _said(text: str, code: int, more: Sequence[str] = ()) -> int:
    from atvm_pipeline.shell.system.log import log

    log(f"{prog('atvm-pipeline')}: {text}")
    for line in more:
        log(line, indent="  ")
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _drop_answer()
    return code
