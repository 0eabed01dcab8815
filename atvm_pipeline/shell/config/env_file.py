"""The syntax of an environment file, as systemd reads it (systemd.exec(5), EnvironmentFile=)."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.system.files import read_small

ENV_FILE_BYTES_MAX = 1024 * 1024


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


_SPACE = " \t"


_NEWLINES = "\n\r"


_ESCAPABLE = '"\\`$'
"""Characters that a backslash protects between double quotes; before others it is a literal backslash (systemd's rule)."""


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of an environment file, read as systemd's `EnvironmentFile=` does; {} if it does not exist.

    It is stricter in one case: an error that systemd would ignore (a line without `=`, a bad name, an open quote) is a
    ConfigError that names the line. Raises OSError if the file exists and cannot be read.
    """
    data = read_small(path, ENV_FILE_BYTES_MAX)
    if data is None:
        if path.is_file():
            raise ConfigError(
                f"{path} is larger than {ENV_FILE_BYTES_MAX} bytes: it is not an environment file"
            )
        return {}
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8") from None
    return dict(_assignments(text, path))


def exposed_text(path: Path) -> str | None:
    """Return who besides its owner can read or change an environment file, and the command that fixes it; None if no one."""
    try:
        found = path.stat()
    except OSError:
        return None
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode) or not mode & 0o077:
        return None
    # The other users come first: they are more than the group.
    who, bits = ("every user of this host", mode) if mode & 0o007 else ("every user of its group", mode >> 3)
    can = " and ".join(verb for bit, verb in ((4, "read"), (2, "change")) if bits & bit) or "access"
    return f"{path} has mode {mode:04o}: {who} can {can} it, and with it the webhook; fix: chmod 0600 {path}"


def _assignments(text: str, path: Path) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        char = text[position]
        if char in _SPACE or char in _NEWLINES:
            position += 1
        elif char in "#;":
            position = _line_end(text, position)
        else:
            end = _line_end(text, position)
            name, equals, _rest = text[position:end].partition("=")
            if not equals or _NAME.match(name.rstrip(_SPACE)) is None:
                raise _malformed(text, position, path, "expected NAME=VALUE")
            value, next_position = _value(text, position + len(name) + 1, path)
            yield name.rstrip(_SPACE), value
            position = next_position


def _line_end(text: str, position: int) -> int:
    while position < len(text) and text[position] not in _NEWLINES:
        position += 1
    return position


def _malformed(text: str, position: int, path: Path, what: str) -> ConfigError:
    return ConfigError(f"{path}, line {text.count(chr(10), 0, position) + 1}: {what}")


def _value(text: str, start: int, path: Path) -> tuple[str, int]:
    """Return the value that starts at `start`, and the position of its end.

    systemd's rule (src/basic/env-file.c): quoted parts and plain parts follow each other; a newline ends the value
    unless it is quoted or follows a backslash; blanks around plain text are removed.
    """
    parts: list[str] = []
    position = start
    while position < len(text) and text[position] not in _NEWLINES:
        char = text[position]
        if char in _SPACE:
            position += 1
        elif char in "'\"":
            part, position = _quoted(text, position, path)
            parts.append(part)
        else:
            part, position = _plain(text, position)
            parts.append(part)
    value = "".join(parts)
    if "\0" in value:
        raise _malformed(text, start, path, "NUL character")
    return value, position


def _plain(text: str, position: int) -> tuple[str, int]:
    """Return plain text up to the end of the line; quotes in it are ordinary characters."""
    chars: list[str] = []
    kept = 0
    while position < len(text) and text[position] not in _NEWLINES:
        char = text[position]
        if char == "\\":
            position += 1
            if position < len(text) and text[position] not in _NEWLINES:
                chars.append(text[position])
            kept = len(chars)
        else:
            chars.append(char)
            kept = kept if char in _SPACE else len(chars)
        position += 1
    return "".join(chars[:kept]), position


def _quoted(text: str, start: int, path: Path) -> tuple[str, int]:
    """Return the quoted text that starts at `start`, and the position after its closing quote."""
    quote = text[start]
    chars: list[str] = []
    position = start + 1
    while position < len(text):
        char = text[position]
        if char == quote:
            return "".join(chars), position + 1
        if char == "\\" and quote == '"':
            position += 1
            escaped = text[position : position + 1]
            chars.append(escaped if escaped in _ESCAPABLE else "" if escaped == "\n" else char + escaped)
        else:
            chars.append(char)
        position += 1
    raise _malformed(text, start, path, "unclosed quote")
