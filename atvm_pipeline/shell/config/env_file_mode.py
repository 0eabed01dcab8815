"""Mode of the environment file: it may contain the webhook's secret."""

from collections.abc import Mapping
from pathlib import Path

from .settings import ENV_FILE

GROUP_AND_OTHERS = 0o077


def exposed_env_file(environ: Mapping[str, str]) -> str | None:
    """Return one line if other users can read or change the environment file; None if not, or if there is no file."""
    path = Path(environ.get("ATVM_WATCHER_ENV_FILE") or ENV_FILE)
    try:
        found = path.stat()
    except OSError:
        return None
    if not path.is_file() or not found.st_mode & GROUP_AND_OTHERS:
        return None
    mode = found.st_mode & 0o777
    return f"other users can access {path} (mode {mode:04o}), which may contain the webhook's secret; fix with: chmod 0600 {path}"
