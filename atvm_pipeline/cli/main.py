"""The entry point: selects the command and prints errors. A command is imported only when it runs."""

import io
import os
import sys
from collections.abc import Sequence

from atvm_pipeline.shell.exit_codes import BAD_CONFIG, BUG, CANNOT_WRITE, DATA, DONE, USAGE, CommandError

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "start one request: template, preflight, watcher, runner"),
    "watch": ("watch", "follow one run to its end (the watcher service executes this)"),
    "runner": ("runner", "run the runner command of one request (the runner service executes this)"),
    "cancel": ("cancel", "cancel a run, or stop its runner"),
    "status": ("status", "show one run or all runs, and whether their processes are running"),
    "wait": ("wait", "wait until a run has ended and its messages are settled"),
    "explain": ("explain", "explain the verdict of a run, with the evidence"),
    "inspect": ("inspect", "evaluate the log and reports of a finished run, offline"),
    "replay": ("replay", "rebuild the state from a journal and print it"),
    "verdicts": ("verdicts", "print the verdict tables and reason codes"),
    "resend": ("resend", "send a message of a run again, marked as a possible duplicate"),
    "alert": ("alert", "report to the alert channel that the watcher of a run died"),
    "sweep": ("sweep", "restart the watcher of every unfinished run, as at boot"),
    "doctor": ("doctor", "check this machine and show how to fix each problem"),
    "demo": ("demo", "show a complete run with a stand-in for Cypress, in about 20 seconds"),
}


def usage() -> str:
    """Return the list of commands."""
    lines = ["usage: atvm-pipeline COMMAND [options]", "", "commands:"]
    lines += [f"  {name:<9} {about}" for name, (_, about) in COMMANDS.items()]
    lines += ["", "Run 'atvm-pipeline COMMAND --help' for the options of a command."]
    lines += ["New here? Run 'atvm-pipeline demo'."]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run one command and return its exit code (docs/commands.md)."""
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
    """Return the name of this program for messages: that of the wrapper script, if one started it."""
    from atvm_pipeline.core.text import one_line

    return one_line(os.environ.get("ATVM_PROG", ""), 60) or default


def script() -> int:
    """Run `main`, and print every error as one line."""
    _make_streams_safe()
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output closed it (`| head`): this is not an error.
        _drop_output()
        return DONE
    except KeyboardInterrupt:
        return _log_error("interrupted", 130)
    except Exception as error:  # noqa: BLE001 - last resort: data in a traceback might contain a secret
        return _failed(error)
    return code


def _failed(error: Exception) -> int:
    from atvm_pipeline.core.errors import ConfigError, DataError
    from atvm_pipeline.shell.system.files import Unreadable

    match error:
        case CommandError():
            return _log_error(str(error), error.code, error.more)
        case ConfigError():
            return _log_error(str(error), BAD_CONFIG)
        case DataError() | Unreadable():
            return _log_error(str(error), DATA)
        case OSError():
            place = f"cannot access {error.filename}: " if error.filename else ""
            return _log_error(f"{place}{error.strerror or 'input/output error'}", CANNOT_WRITE)
        case _:
            return _bug(error)


def _make_streams_safe() -> None:
    """Open descriptors 0, 1 and 2 if they are closed, and let the output accept every character.

    Otherwise the next file that is opened would get descriptor 0, 1 or 2.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the life of the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Redirect stdout to /dev/null: writing the buffered rest would fail again when the process exits."""
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - one import less in every command
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _bug(error: Exception) -> int:
    """Print one line with the kind of the error and its place, without values; the traceback only with ATVM_DEBUG=1."""
    import traceback

    if os.environ.get("ATVM_DEBUG") == "1":
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119 - a name
    return _log_error(
        f"bug: {type(error).__name__}{place}; set ATVM_DEBUG=1 and try again to see the traceback", BUG
    )


def _log_error(text: str, code: int, more: Sequence[str] = ()) -> int:
    from atvm_pipeline.shell.system.log import log

    log(f"{prog('atvm-pipeline')}: {text}")
    for line in more:
        log(line, indent="  ")
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _drop_output()
    return code
