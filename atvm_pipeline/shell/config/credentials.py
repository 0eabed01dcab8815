"""The webhook as a systemd credential (systemd.exec(5), `LoadCredential=`): in no environment, in no file of a run."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.shell.system.files import read_small

NAME = "mattermost-atvm-webhook"
STORE = Path("/etc/credstore")
"""Where systemd looks for a credential by its name; only root reads there."""
BYTES_MAX = 4096


def given(environ: Mapping[str, str]) -> str | None:
    """The webhook that the service manager gave to this process; None if it gave none."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    return _read(Path(folder)) if folder else None


def stored() -> str | None:
    """The webhook in the store, for a command that is no service; None if it is not there or not for us to read."""
    return _read(STORE)


def _read(folder: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        data = read_small(folder / NAME, BYTES_MAX)
        return data.decode().strip() or None if data is not None else None
    return None
