"""What all commands share: exit codes and the options that every command knows.

Whatever reaches a terminal from here is one harmless line, whoever wrote its parts.
"""

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from atvm_pipeline.shell.config.runner_env import is_text
from atvm_pipeline.shell.exit_codes import BAD_CONFIG, USAGE, CommandError
from atvm_pipeline.shell.system.files import user_name
from atvm_pipeline.shell.system.log import log

HOSTS_OPTION_MAX = 200
"""Hosts that one --hosts may name."""
_HOST_NAME = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z._-]{0,126}[0-9A-Za-z])?")


class CommandParser(argparse.ArgumentParser):
    """argparse with the contract's exit code for a wrong call, and one line instead of a page."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and end with 64."""
        log(f"{self.prog}: {message} (see {self.prog} --help)")
        raise SystemExit(USAGE)


def checked_text(name: str, value: str) -> str:
    """`value`, if it can be written into a file of ours; `name` is the option that gave it.  Raises Refused (64)."""
    if is_text(value):
        return value
    raise CommandError(
        USAGE, f"{name} is not UTF-8: give it in UTF-8 (check the terminal's and the file's encoding)"
    )


def user_and_host() -> str:
    """The person who calls, as far as it is known: the one before sudo, the user's name, else the number."""
    named = os.environ.get("SUDO_USER", "")
    if named and is_text(named):
        return named
    return user_name(os.getuid())


def environment() -> Mapping[str, str]:
    """The process environment over the environment file."""
    from atvm_pipeline.shell.config.settings import effective_environment

    return effective_environment(os.environ)


def add_state_root(parser: argparse.ArgumentParser) -> None:
    """`--state-root`."""
    parser.add_argument(
        "--state-root", metavar="DIR", help="where the state lies (default: $ATVM_WATCHER_STATE_ROOT)"
    )


def state_root(args: argparse.Namespace, environ: Mapping[str, str]) -> Path:
    """The state root that a call means.  Raises Refused, ConfigError."""
    from atvm_pipeline.shell.config import settings

    if args.state_root:
        return Path(checked_text("--state-root", args.state_root)).absolute()
    root = settings.state_root_of(environ)
    if not is_text(str(root)):
        raise CommandError(BAD_CONFIG, "the path of the state root is not UTF-8: set ATVM_WATCHER_STATE_ROOT")
    return root


def given_state_root(args: argparse.Namespace) -> list[str]:
    """`--state-root` as it was given, to be handed on."""
    return ["--state-root", args.state_root] if args.state_root else []


def checked_build_name(given: object) -> str:
    """A build name that may become a folder's and a unit's name.  Raises Refused.

    `given`: what argparse made of the command line; for `-- --` that is an empty list.
    """
    from atvm_pipeline.core.build_name import valid_build_name
    from atvm_pipeline.core.text import one_line

    name = given if isinstance(given, str) else ""
    if valid_build_name(name):
        return name
    raise CommandError(
        USAGE,
        f"build name {one_line(name, 60)!r} is not valid: use 1 to 128 characters of A-Z a-z 0-9 . _ - "
        "and begin with a letter, a digit or _",
    )


def add_hosts(parser: argparse.ArgumentParser) -> None:
    """Declare `--hosts`."""
    parser.add_argument(
        "--hosts",
        action="append",
        metavar="H1,H2",
        help="check these hosts and no others (default: the hosts that the build name has)",
    )


def checked_hosts(given: list[str] | None) -> tuple[str, ...]:
    """Return the host names of every `--hosts`, () where there is none.  Raises Refused (64)."""
    from atvm_pipeline.core.text import one_line

    if given is None:
        return ()
    names = tuple(name.strip() for text in given for name in checked_text("--hosts", text).split(","))
    wrong = next((name for name in names if not _HOST_NAME.fullmatch(name)), None)
    if wrong is not None:
        raise CommandError(
            USAGE,
            f"--hosts has {one_line(wrong, 60)!r}, which is not a host name: separate names of letters, digits, '.', '_' "
            "and '-' by commas, for example --hosts redhat9.6,w2k25",
        )
    if len(names) > HOSTS_OPTION_MAX:
        raise CommandError(USAGE, f"--hosts has {len(names)} names: use at most {HOSTS_OPTION_MAX}")
    return names
