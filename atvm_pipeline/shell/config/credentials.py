"""The webhook as a systemd credential (systemd.exec(5), `LoadCredential=`): not in the environment or a file of a run."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.shell.system.files import read_small

NAME = "mattermost-atvm-webhook"
STORE = Path("/etc/credstore")
"""Where systemd searches for a credential by its name; only root can read it."""
BYTES_MAX = 4096


def given(environ: Mapping[str, str]) -> str | None:
    """Return the webhook that the service manager passed to this process; None without one."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    return _read(Path(folder)) if folder else None


def stored() -> str | None:
    """Return the webhook in the store, for a command that is not a service; None if it is missing or not readable."""
    return _read(STORE)


def _read(folder: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        data = read_small(folder / NAME, BYTES_MAX)
        return data.decode().strip() or None if data is not None else None
    return None
