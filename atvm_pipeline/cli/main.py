"""The entry point: selects the command and prints errors. A command is imported only when it runs."""

import io
import os
import sys
from collections.abc import Sequence

from atvm_pipeline.shell.exit_codes import BAD_CONFIG, BUG, CANNOT_WRITE, DATA, DONE, USAGE, CommandError

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "run a request": {
        "run": ("run", "start a request: template, preflight, watcher, runner"),
        "rerun": ("rerun", "start a request again, or only its failed hosts"),
        "cancel": ("cancel", "cancel a run, or stop its runner"),
        "demo": ("demo", "play a complete run with a stand-in for Cypress"),
    },
    "look at runs": {
        "status": ("status", "show one run or all runs, and if their processes are running"),
        "logs": ("logs", "show or follow the log of the runner, the watcher or the template"),
        "wait": ("wait", "wait until a run has ended and its messages are settled"),
    },
    "understand a verdict": {
        "explain": ("explain", "explain the verdict of a run, with the line that proves it"),
        "inspect": ("inspect", "evaluate the log and reports of a finished run, offline"),
        "replay": ("replay", "rebuild the state of a run from its journal"),
        "verdicts": ("verdicts", "print the verdict tables and reason codes"),
    },
    "operate the service": {
        "doctor": ("doctor", "check this machine and show how to fix each problem"),
        "resend": ("resend", "send a message of a run again, marked as a repeat"),
        "sweep": ("sweep", "restart the watcher of every unfinished run, as at boot"),
    },
    "executed by the services": {
        "watch": ("watch", "follow one run to its end (the watcher service)"),
        "runner": ("runner", "run the runner command of one request (the runner service)"),
        "deliver": ("deliver", "deliver the messages of an archived run (its own sender)"),
        "alert": ("alert", "report that the watcher of a run died (OnFailure=)"),
    },
}
"""Heading -> command -> its module and a short description."""
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}
EXAMPLES = (
    "atvm-pipeline demo                       new here? see a complete run",
    "start-atvm-run.sh --build-name BUILD --runner-command COMMAND --categorize",
    "atvm-pipeline status                     all runs",
    "atvm-pipeline explain BUILD              why a run ended as it did",
)


def usage() -> str:
    """Return the page of all commands, at most 80 columns wide."""
    from .terminal import style

    lines = ["usage: atvm-pipeline COMMAND [options]", "", "Watch a long test run and report how it ended."]
    for heading, group in GROUPS.items():
        lines += ["", style(f"{heading}:", "strong")]
        lines += [f"  {name:<9} {about}" for name, (_, about) in group.items()]
    lines += ["", style("examples:", "strong"), *(f"  {line}" for line in EXAMPLES)]
    lines += ["", "Options and exit codes of a command: atvm-pipeline help COMMAND"]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run one command and return its exit code (docs/commands.md)."""
    if not argv:
        print(usage(), file=sys.stderr)
        return USAGE
    if argv[0] == "help":
        argv = [argv[1], "--help"] if len(argv) > 1 else ["--help"]
    if argv[0] in ("-h", "--help"):
        print(usage())
        return DONE
    if argv[0] in ("-V", "--version"):
        print(f"atvm-pipeline {_version()}")
        return DONE
    if argv[0] not in COMMANDS:
        from atvm_pipeline.shell.system.log import log

        from .parser import unknown_text

        log(f"atvm-pipeline: {unknown_text('command', argv[0], list(COMMANDS), 'atvm-pipeline')}")
        return USAGE
    return _run_command(argv[0], argv[1:])


def _run_command(name: str, arguments: list[str]) -> int:
    from importlib import import_module

    from .parser import CommandHelp, CommandParser

    module = import_module(f".commands.{COMMANDS[name][0]}", __package__)
    parser = CommandParser(prog=prog(f"atvm-pipeline {name}"))
    module.add_options(parser)
    help_ = (
        module.help_for(arguments) if hasattr(module, "help_for") else getattr(module, "HELP", CommandHelp())
    )
    parser.finish(help_._replace(description=help_.description or module.__doc__ or ""))
    return int(module.run(parser.parse_call(arguments)))


def _version() -> str:
    """Return the version, and in an installed release its name, which contains the start of its content hash."""
    from atvm_pipeline import __version__

    project = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # noqa: PTH120 - no import more
    installed = os.path.isfile(os.path.join(project, "release.json"))  # noqa: PTH113, PTH118
    return f"{__version__} (release {os.path.basename(project)})" if installed else __version__  # noqa: PTH119


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
            return _log_error(_io_error(error), CANNOT_WRITE)
        case _:
            return _bug(error)


def _io_error(error: OSError) -> str:
    from atvm_pipeline.shell.system.io_errors import WRITE_ERRORS, io_error_text, remedy_of

    path: str | None = None
    if error.filename is None and error.errno in WRITE_ERRORS:
        # Every write to a file names it.
        path = "standard output"
        _drop_output()
    return io_error_text(error, "write to" if path else None, path) + remedy_of(error)


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
