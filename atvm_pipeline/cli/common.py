"""What all commands share: exit codes, how errors are said, and the options that every command knows."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.shell.refusals import USAGE, Refused


class Parser(argparse.ArgumentParser):
    """argparse with the contract's exit code for a wrong call, and one line instead of a page."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Say what is wrong in one line and end with 64."""
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(USAGE)


def say(text: str) -> None:
    """One line for a person, beside the answer."""
    print(text, file=sys.stderr, flush=True)


def environment() -> Mapping[str, str]:
    """The process environment over the environment file."""
    from atvm_pipeline.shell.settings import effective_environment

    return effective_environment(os.environ)


def add_state_root(parser: argparse.ArgumentParser) -> None:
    """`--state-root`."""
    parser.add_argument(
        "--state-root", metavar="DIR", help="where the state lies (default: $ATVM_WATCHER_STATE_ROOT)"
    )


def state_root(args: argparse.Namespace, environ: Mapping[str, str]) -> Path:
    """The state root that a call means."""
    from atvm_pipeline.shell import settings

    return Path(args.state_root).absolute() if args.state_root else settings.state_root(environ)


def checked_build_name(name: str) -> str:
    """A build name that may become a folder's and a unit's name.  Raises Refused."""
    from atvm_pipeline.core.harmless import one_line
    from atvm_pipeline.core.naming import valid_build_name

    if valid_build_name(name):
        return name
    raise Refused(
        USAGE,
        f"build name {one_line(name, 60)!r} is not valid: use 1 to 128 characters of A-Z a-z 0-9 . _ - "
        "and begin with a letter, a digit or _",
    )
