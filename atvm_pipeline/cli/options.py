"""Options that several commands share, and the checks of their values.

Every message of this module is one sanitised line, whatever it quotes.
"""

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.shell.config.runner_env import is_text
from atvm_pipeline.shell.exit_codes import BAD_CONFIG, USAGE, CommandError
from atvm_pipeline.shell.system.files import user_name

Options = argparse.ArgumentParser | argparse._ArgumentGroup  # noqa: SLF001 - the class has no other name
"""A parser, or a group of options that `--help` shows under a heading."""
HOSTS_OPTION_MAX = 200
"""Hosts that --hosts may name."""
_HOST_NAME = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z._-]{0,126}[0-9A-Za-z])?")


def checked_text(name: str, value: str) -> str:
    """Return `value` if it is valid text; `name` is its option. Raises CommandError (64)."""
    if is_text(value):
        return value
    raise CommandError(
        USAGE, f"{name} is not valid UTF-8; check the encoding of the terminal and of the script"
    )


def user_and_host() -> str:
    """Return the calling user: the user before sudo if there is one, else the name of the user id, else its number."""
    named = os.environ.get("SUDO_USER", "")
    if named and is_text(named):
        return named
    return user_name(os.getuid())


def environment() -> Mapping[str, str]:
    """Return the environment file's variables, overridden by the process environment."""
    from atvm_pipeline.shell.config.settings import effective_environment

    return effective_environment(os.environ)


def add_state_root(parser: Options) -> None:
    """Declare `--state-root`."""
    parser.add_argument(
        "--state-root", metavar="DIR", help="directory of the state (default: $ATVM_WATCHER_STATE_ROOT)"
    )


def state_root(args: argparse.Namespace, environ: Mapping[str, str]) -> Path:
    """Return the state root for a call. Raises CommandError, ConfigError."""
    from atvm_pipeline.shell.config import settings

    if args.state_root:
        return Path(checked_text("--state-root", args.state_root)).absolute()
    root = settings.state_root_of(environ)
    if not is_text(str(root)):
        raise CommandError(
            BAD_CONFIG, "the path of the state root is not valid UTF-8; set ATVM_WATCHER_STATE_ROOT"
        )
    return root


def given_state_root(args: argparse.Namespace) -> list[str]:
    """Return the `--state-root` of this call as arguments for another command."""
    return ["--state-root", args.state_root] if args.state_root else []


def checked_build_name(given: object) -> str:
    """Return a build name that is valid as the name of a directory and of a unit. Raises CommandError.

    `given` is the value from argparse; for `-- --` that is an empty list.
    """
    from atvm_pipeline.core.build_name import valid_build_name
    from atvm_pipeline.core.text import one_line

    name = given if isinstance(given, str) else ""
    if valid_build_name(name):
        return name
    raise CommandError(
        USAGE,
        f"build name {one_line(name, 60)!r} is not valid: use 1 to 128 characters of A-Z a-z 0-9 . _ - "
        "and start with a letter, a digit or _",
    )


def add_hosts(parser: Options) -> None:
    """Declare `--hosts`."""
    parser.add_argument(
        "--hosts",
        action="append",
        metavar="H1,H2",
        help="check these hosts and no others (default: the hosts in the build name)",
    )


def checked_hosts(given: list[str] | None) -> tuple[str, ...]:
    """Return the host names of every `--hosts`, or (). Raises CommandError (64)."""
    from atvm_pipeline.core.text import one_line

    if given is None:
        return ()
    names = tuple(name.strip() for text in given for name in checked_text("--hosts", text).split(","))
    wrong = next((name for name in names if not _HOST_NAME.fullmatch(name)), None)
    if wrong is not None:
        raise CommandError(
            USAGE,
            f"--hosts has {one_line(wrong, 60)!r}, which is not a host name: use letters, digits, '.', '_' and '-', and "
            "separate names by commas, for example --hosts redhat9.6,w2k25",
        )
    if len(names) > HOSTS_OPTION_MAX:
        raise CommandError(USAGE, f"--hosts has {len(names)} names: use at most {HOSTS_OPTION_MAX}")
    return names


def add_scenario(parser: Options) -> None:
    """Declare `--scenario`."""
    parser.add_argument(
        "--scenario",
        metavar="NAME",
        help="compare this run with earlier ones of this name (default: from template, config family and build name)",
    )


def checked_scenario(option: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the scenario of the option, else of ATVM_WATCHER_SCENARIO; None without one. Raises CommandError (64)."""
    from atvm_pipeline.core.scenario import SCENARIO_CHARS_MAX
    from atvm_pipeline.core.text import one_line

    source = "--scenario" if option is not None else "ATVM_WATCHER_SCENARIO"
    name = option if option is not None else environ.get("ATVM_WATCHER_SCENARIO") or None
    if name is None:
        return None
    if not name or one_line(checked_text(source, name), SCENARIO_CHARS_MAX) != name:
        raise CommandError(
            USAGE if option is not None else BAD_CONFIG,
            f"{source} is {one_line(name, 40)!r}: use 1 to {SCENARIO_CHARS_MAX} printable characters, without spaces at "
            "its ends, for example cmc-e2e/gold/fc",
        )
    return name
