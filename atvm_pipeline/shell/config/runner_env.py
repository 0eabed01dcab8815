"""Variables passed to the user's commands, and the secrets. No error contains a value."""

from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.core.errors import ConfigError

from .env_file import read_env_file

SECRET_PREFIX = "MATTERMOST_"  # noqa: S105 - the prefix of the names, not a secret
_NAMES = frozenset({"PATH", "HOME", "USER", "LANG", "TZ", "DISPLAY", "CI"})
_PREFIXES = ("LC_", "CYPRESS_", "NODE_", "ATVM_STAND_IN_")


def runner_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `environ` for template and runner, sorted by name; never `MATTERMOST_*`.

    `ATVM_RUNNER_PASS` names more variables, separated by commas or spaces. Values that are not UTF-8 cannot be saved
    and are left out (`left_out`).
    """
    return {name: environ[name] for name in _passing(environ) if is_text(name) and is_text(environ[name])}


def left_out(environ: Mapping[str, str]) -> list[str]:
    """Return the names of variables that are not passed to template and runner because they are not UTF-8."""
    return [name for name in _passing(environ) if not (is_text(name) and is_text(environ[name]))]


def is_text(value: str) -> bool:
    """Return whether a value from the command line or the environment was UTF-8: other bytes became lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _passing(environ: Mapping[str, str]) -> list[str]:
    requested = frozenset(environ.get("ATVM_RUNNER_PASS", "").replace(",", " ").split())
    return [name for name in sorted(environ) if _passes(name, requested)]


def _passes(name: str, requested: frozenset[str]) -> bool:
    if name.upper().startswith(SECRET_PREFIX):
        return False
    known = name in _NAMES or name.startswith(_PREFIXES) or name.lower().endswith("_proxy")
    return known or name in requested


def check_settings(environ: Mapping[str, str]) -> None:
    """Refuse a setting that is not UTF-8, because it could not be saved.

    Raises ConfigError with its name, not its value.
    """
    for name in sorted(environ):
        own_setting = name.startswith(("ATVM_", SECRET_PREFIX)) and not name.startswith("ATVM_STAND_IN_")
        if own_setting and not is_text(environ[name]):
            raise ConfigError(f"{name} is not UTF-8: set it in UTF-8, or unset it")


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` for a process of this program that sends no message."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(SECRET_PREFIX)}


def secrets_from(
    environ: Mapping[str, str], env_file: Path = Path("/etc/atvm-run-watcher.env")
) -> tuple[str | None, str | None]:
    """Return webhook and channel, from the process environment, else from the file; None if neither has it.

    Raises ConfigError for a malformed file; an unreadable file is treated as missing.
    """
    names = ("MATTERMOST_ATVM_WEBHOOK", "MATTERMOST_ATVM_CHANNEL")
    try:
        saved = {} if all(environ.get(name) for name in names) else read_env_file(env_file)
    except OSError:
        saved = {}
    webhook, channel = (environ.get(name) or saved.get(name) or None for name in names)
    return webhook, channel
