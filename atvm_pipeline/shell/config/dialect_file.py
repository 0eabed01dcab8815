"""Loading of the dialect file, which describes a private runner."""

from pathlib import Path

from atvm_pipeline.core.dialect import Dialect, read_dialect
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.system.files import read_small
from atvm_pipeline.shell.system.io_errors import reason_of

from .backtracking import PATTERN_LIMIT_S, check_patterns

DIALECT_MAX_BYTES = 4 * 1024 * 1024


def load_dialect(path: str | None, limit_s: float = PATTERN_LIMIT_S) -> Dialect:
    """Return the dialect in a file, the default without a file; no pattern may take longer than `limit_s`.

    Raises ConfigError.
    """
    if not path:
        return Dialect()
    try:
        data = read_small(Path(path), DIALECT_MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read the dialect {path}: {reason_of(error)}") from None
    if data is None:
        raise ConfigError(
            f"the dialect {path} is not a readable file: unset ATVM_WATCHER_DIALECT, or set it to an existing file"
        )
    dialect = read_dialect(data.decode("utf-8", "replace"), path)
    check_patterns(dialect, path, limit_s)
    return dialect
