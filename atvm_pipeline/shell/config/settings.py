"""Settings from the environment, checked.

A mistake is reported in one line, without the value of a secret. Only the given environment is read.
"""

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.phases import TERMINAL_PHASES

from . import credentials
from .env_file import read_env_file

if TYPE_CHECKING:
    from atvm_pipeline.core.events import MessageSettings, Metadata, Settings

ENV_FILE = Path("/etc/atvm-run-watcher.env")
SYSTEM_STATE_ROOT = Path("/var/lib/atvm-run-watcher")
AUTOMATION_ROOT = Path("/root/cdc-e2e-cyp-12.17.4")
LAUNCH_LOG_DIR = Path("/tmp")  # noqa: S108 - operators look there; `template.py` writes through nothing that exists
PREFIX = "ATVM_WATCHER_"
KEEP_DEFAULT = 5
"""Earlier runs kept per build name."""
KEEP_BUILDS_DEFAULT = 100
"""Finished builds kept."""
ORPHAN_LIMIT_DEFAULT_S = 600.0
SECONDS_MAX = 10.0 * 365 * 86400
LINK_HOSTS_MAX = 100
"""Hosts that ATVM_WATCHER_LINK_HOSTS may name."""
_LINK_HOST = re.compile(r"[0-9a-z](?:[0-9a-z.-]{0,251}[0-9a-z])?")


def effective_environment(environ: Mapping[str, str], env_file: Path | None = None) -> dict[str, str]:
    """Return the process environment merged over the environment file (`ATVM_WATCHER_ENV_FILE`, else the system's).

    An unreadable file is ignored. The webhook comes from the service's credential, else the process environment, the
    credential store, the file. Raises ConfigError for a malformed file.
    """
    path = env_file or Path(environ.get("ATVM_WATCHER_ENV_FILE") or ENV_FILE)
    try:
        from_file = read_env_file(path) if os.access(path, os.R_OK) else {}
    except OSError:
        from_file = {}
    named = "MATTERMOST_ATVM_WEBHOOK"
    given, stored = credentials.given(environ), credentials.stored()
    if stored is not None:
        from_file[named] = stored
    return {**from_file, **environ, **({named: given} if given is not None else {})}


def state_root_of(environ: Mapping[str, str]) -> Path:
    """Return the directory with the state of all runs. Raises ConfigError if no home directory is known."""
    named = environ.get("ATVM_WATCHER_STATE_ROOT")
    if named:
        return Path(named).absolute()
    if os.geteuid() == 0:
        return SYSTEM_STATE_ROOT
    base = environ.get("XDG_STATE_HOME")
    if base:
        return Path(base).absolute() / "atvm-run-watcher"
    with contextlib.suppress(RuntimeError):  # this user is not in the user database
        home = Path.home()
        if home.is_absolute():
            return home / ".local" / "state" / "atvm-run-watcher"
    raise ConfigError(
        f"user {os.geteuid()} has no home directory: set ATVM_WATCHER_STATE_ROOT to a directory that you can write to"
    )


def state_root_option(environ: Mapping[str, str], root: Path) -> list[str]:
    """Return the words that let another command use this state root; [] if it uses it without them."""
    with contextlib.suppress(ConfigError):
        if state_root_of(environ) == root:
            return []
    return ["--state-root", str(root)]


def workdir(option: str | None, environ: Mapping[str, str]) -> Path:
    """Return where template and runner run: the option, the environment, the automation root if it exists, else here."""
    named = option or environ.get("ATVM_RUNNER_WORKDIR")
    if named:
        return Path(named).absolute()
    try:
        return AUTOMATION_ROOT if AUTOMATION_ROOT.is_dir() else Path.cwd()
    except OSError:
        return Path.cwd()


def launch_log_dir(environ: Mapping[str, str]) -> Path:
    """Return the directory for the output of the template command."""
    named = environ.get(PREFIX + "LAUNCH_LOG_DIR")
    return Path(named).absolute() if named else LAUNCH_LOG_DIR


def settings(environ: Mapping[str, str]) -> "Settings":
    """Return limits and posting rules. Raises ConfigError."""
    # Imported here so that commands that only need the state directory start fast.
    from atvm_pipeline.core.events import Settings  # noqa: PLC0415

    default = Settings()
    uncertain = environ.get(PREFIX + "POST_UNCERTAIN") or default.post_uncertain
    if uncertain not in ("repeat-marked", "hold"):
        raise ConfigError(f"{PREFIX}POST_UNCERTAIN is {uncertain[:40]!r}: use repeat-marked or hold")
    return Settings(
        post_phases=_post_phases(environ.get(PREFIX + "POST_PHASES"), default.post_phases),
        post_uncertain="hold" if uncertain == "hold" else "repeat-marked",
        alerts=bool(environ.get(PREFIX + "ALERT_CHANNEL")),
        settle_s=_seconds(environ, PREFIX + "SETTLE_S", default.settle_s),
        quiet_limit_s=_seconds(environ, PREFIX + "QUIET_LIMIT_S", default.quiet_limit_s),
        stall_limit_s=_seconds(environ, PREFIX + "STALL_LIMIT_S", default.stall_limit_s),
        total_limit_s=_seconds(environ, PREFIX + "TOTAL_LIMIT_S", 0.0) or None,
        start_limit_s=_seconds(environ, PREFIX + "START_LIMIT_S", default.start_limit_s),
    )


def message_settings(environ: Mapping[str, str]) -> "MessageSettings":
    """Return the rules for the content and the place of messages. Raises ConfigError."""
    from atvm_pipeline.core.events import MessageSettings  # noqa: PLC0415

    default = MessageSettings()
    closing = environ.get(PREFIX + "CLOSING_POST") or default.closing_post
    if closing not in ("when-needed", "always"):
        raise ConfigError(f"{PREFIX}CLOSING_POST is {closing[:40]!r}: use when-needed or always")
    return MessageSettings(
        link_hosts=_link_hosts(environ.get(PREFIX + "LINK_HOSTS") or ""),
        closing_post="always" if closing == "always" else "when-needed",
    )


def _link_hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    wrong = next((host for host in hosts if not _LINK_HOST.fullmatch(host)), None)
    if wrong is not None:
        raise ConfigError(
            f"{PREFIX}LINK_HOSTS has {wrong[:40]!r}, which is not a host name: use names without scheme, port and "
            "path, separated by commas, for example ci.example.com"
        )
    if len(hosts) > LINK_HOSTS_MAX:
        raise ConfigError(f"{PREFIX}LINK_HOSTS has {len(hosts)} names: use at most {LINK_HOSTS_MAX}")
    return hosts


def _post_phases(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if text is None:
        return default
    phases = tuple(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))
    unknown = [phase for phase in phases if phase not in TERMINAL_PHASES]
    if unknown:
        known = ", ".join(sorted(TERMINAL_PHASES))
        raise ConfigError(
            f"{PREFIX}POST_PHASES names {unknown[0][:40]!r}, which is not a terminal phase: use some of {known}"
        )
    return phases


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= SECONDS_MAX:
        raise ConfigError(f"{name} is {text[:40]!r}: use a number of seconds from 0 to {SECONDS_MAX:.0f}")
    return value


def orphan_limit_s(environ: Mapping[str, str]) -> float:
    """Return how long the runner's wrapper waits for descendants of a finished command. Raises ConfigError."""
    return _seconds(environ, "ATVM_RUNNER_ORPHAN_LIMIT_S", ORPHAN_LIMIT_DEFAULT_S)


def keep(environ: Mapping[str, str]) -> int:
    """Return how many earlier runs of one build name are kept. Raises ConfigError."""
    return _whole_number(environ, PREFIX + "KEEP", KEEP_DEFAULT)


def keep_builds(environ: Mapping[str, str]) -> int:
    """Return how many finished builds are kept. Raises ConfigError."""
    return _whole_number(environ, PREFIX + "KEEP_BUILDS", KEEP_BUILDS_DEFAULT)


def _whole_number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or len(text) > 6:  # noqa: PLR2004 - a million archives is a typing mistake
        raise ConfigError(f"{name} is {text[:40]!r}: use an integer")
    return int(text)


def metadata(options: Mapping[str, str | None], environ: Mapping[str, str]) -> "Metadata":
    """Return the metadata shown in a message: from the option, else from the environment."""
    from atvm_pipeline.core.events import Metadata  # noqa: PLC0415

    names = Metadata.__struct_fields__
    return Metadata(
        **{name: options.get(name) or environ.get(PREFIX + name.upper()) or None for name in names}
    )


def truthy(text: str | None) -> bool:
    """Return whether a switch in the environment is on."""
    return (text or "").strip().lower() in ("1", "true", "yes", "on")
