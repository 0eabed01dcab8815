"""What reaches the user's commands, and how an environment file is read.  Values are never put into an error."""

from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.core.errors import ConfigError

from .env_file import read_env_file

SECRET_PREFIX = "MATTERMOST_"  # noqa: S105 - the prefix of the names, no secret
_NAMES = frozenset({"PATH", "HOME", "USER", "LANG", "TZ", "DISPLAY", "CI"})
_PREFIXES = ("LC_", "CYPRESS_", "NODE_", "ATVM_STAND_IN_")


def runner_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of `environ` that template and runner get (contract §6), in the names' order; never `MATTERMOST_*`.

    `ATVM_RUNNER_PASS` names more variables, separated by commas or spaces.  What is not UTF-8 cannot be saved and is
    left out (`left_out`).
    """
    return {name: environ[name] for name in _passing(environ) if is_text(name) and is_text(environ[name])}


def left_out(environ: Mapping[str, str]) -> list[str]:
    """The names of variables that template and runner would get, if they were UTF-8."""
    return [name for name in _passing(environ) if not (is_text(name) and is_text(environ[name]))]


def is_text(value: str) -> bool:
    """Whether a value from the command line or the environment was UTF-8: other bytes became lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _passing(environ: Mapping[str, str]) -> list[str]:
    asked = frozenset(environ.get("ATVM_RUNNER_PASS", "").replace(",", " ").split())
    return [name for name in sorted(environ) if _passes(name, asked)]


def _passes(name: str, asked: frozenset[str]) -> bool:
    if name.upper().startswith(SECRET_PREFIX):
        return False
    known = name in _NAMES or name.startswith(_PREFIXES) or name.lower().endswith("_proxy")
    return known or name in asked


def check_settings(environ: Mapping[str, str]) -> None:
    """Refuse a setting of ours that is not UTF-8: it could not be saved.  Raises ConfigError that names it, no value."""
    for name in sorted(environ):
        ours = name.startswith(("ATVM_", SECRET_PREFIX)) and not name.startswith("ATVM_STAND_IN_")
        if ours and not is_text(environ[name]):
            raise ConfigError(f"{name} is not UTF-8: set it in UTF-8, or unset it")


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for a part of ours that sends no message."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(SECRET_PREFIX)}


def secrets_from(
    environ: Mapping[str, str], env_file: Path = Path("/etc/atvm-run-watcher.env")
) -> tuple[str | None, str | None]:
    """Webhook and channel: the process environment first, then the file; None where neither says.

    Raises ConfigError for a malformed file; one that cannot be read is not there.
    """
    names = ("MATTERMOST_ATVM_WEBHOOK", "MATTERMOST_ATVM_CHANNEL")
    try:
        saved = {} if all(environ.get(name) for name in names) else read_env_file(env_file)
    except OSError:
        saved = {}
    webhook, channel = (environ.get(name) or saved.get(name) or None for name in names)
    return webhook, channel
