"""The last lines of a log, quoted by a reason that has no better cause to name.

Of the lines that end within the last WINDOW_BYTES, it keeps the last meaningful lines and the last lines that name a
cause (`ENOSPC`, `command not found`). The result does not depend on how the bytes are cut into blocks; only a block's
end is read.
"""

import re
from typing import Literal

from atvm_pipeline.core.facts import LastLine
from atvm_pipeline.core.text import one_line

from .lines import LINE_BYTES_MAX, clean

WINDOW_BYTES = 8 * 1024
"""Lines that end before this many last bytes of the log are dropped."""
LAST_LINES_MAX = 3
CAUSES_MAX = 2
LAST_LINES_NOISE_MAX = 1
LAST_LINE_CHARS_MAX = 200
_READ_BYTES = 1024
"""Bytes read of one line; in a longer line, colour codes take most of the space."""

_CAUSES = (
    b"not found",
    b"No such file",
    b"ENOENT",
    b"EACCES",
    b"EPERM",
    b"ENOMEM",
    b"ENOSPC",
    b"EMFILE",
    b"EROFS",
    b"ECONNREFUSED",
    b"ECONNRESET",
    b"ENOTFOUND",
    b"ETIMEDOUT",
    b"EAI_AGAIN",
    b"EADDRINUSE",
    b"o space left",
    b"Disk quota exceeded",
    b"ermission denied",
    b"ut of memory",
    b"heap limit",
    b"Cannot allocate memory",
    b"could not determine executable",
    b"issing script",
    b"Cannot find module",
    b"annot open",
    b"Xvfb",
    b"X server",
    b"DevTools",
    b"Killed",
    b"Segmentation fault",
    b"core dumped",
    b"Bus error",
    b"Illegal instruction",
    b"Input/output error",
    b"Read-only file system",
    b"FATAL",
    b"Fatal",
    b"fatal",
    b"Error:",
    b"error:",
    b"Exception:",
    b"unexpected error",
    b"unexpected internal error",
)
"""Text that a line naming a cause contains."""
_CHATTER = re.compile(
    r"\[\d+:\d[\d/.]*:(?:ERROR|WARNING|INFO|FATAL|VERBOSE\d*):.*"
    r"|(?:tput: |Fontconfig |DevTools listening |Xlib: |libudev|make(?:\[\d+\])?: |make aborted|\+ |> |\$ ).*"
)
"""Lines that seldom explain the end of a run: quoted if they name a cause, or if no better line exists."""
_NOT_A_CAUSE = re.compile(
    r"the bus:|dbus|gpu|GPU|vaapi|viz_main|X connection error|cert_verify|DevTools listening|^Fontconfig|^Xlib:"
    r"|^[+>$] |^\s*[✓√] "
)
"""Lines that contain the words of a cause but do not name one."""
_NOISE = re.compile(
    r"[\W_]*"  # a divider, the edge of a box
    r"|│.*|Running: .*|\((?:Run Starting|Run Finished|Results)\)"
    r"|npm (?:ERR!|error) (?:code|errno|syscall|path|file|command|cwd|signal|Exit status|Failed at|This is probably"
    r"|A complete log|at )\b.*"
    r"|npm (?:ERR!|error|notice|WARN|warn)[ .]*(?:/.*)?"
    r"|at .+[:)]\S*(?: \{)?|\d+: 0x[0-9a-f]+.*"
    r"|Node\.js v\S+|requireStack: .*|Platform: .*|Cypress Version: .*|\[FAILED\]|https?://\S+"
    r"|(?:Please search Cypress documentation|Check if there is a GitHub issue|Consider opening a new issue).*"
)
"""Lines that never explain the end of a run, whatever they contain."""
_SECRET = re.compile(
    r"(?i)((?:--key|--token|--password|(?:record.?key|token|password|secret)\s?[=:])[ =]?\s?)[^\s\"']+"
)
_LOGIN = re.compile(r"(?<=://)[^\s/@]+@")


def remember(
    last: tuple[LastLine, ...], block: bytes, begin: int, end: int, base: int, *, read: int
) -> tuple[LastLine, ...]:
    """Return the last lines after the complete lines of `block` between `begin` and `end`, of a log read up to `read`.

    `base` is the offset of the block.
    """
    horizon = read - WINDOW_BYTES
    first = max(begin, horizon - base)
    window = block[block.rfind(b"\n", begin, first) + 1 or begin : end]
    found: list[LastLine] = []
    found_lines, causes = 0, CAUSES_MAX if _names_cause(window) else 0
    stop = end - 1
    while stop >= first and (found_lines < LAST_LINES_MAX or causes):
        start = block.rfind(b"\n", begin, stop) + 1 or begin
        line = _line(block[start : min(stop, start + _READ_BYTES)], base + start, base + stop)
        if line is not None and stop - start < LINE_BYTES_MAX:
            found.append(line)
            found_lines += line.kind == "line"
            causes -= line.kind == "cause" and causes > 0
        stop = start - 1
    kept = (line for line in reversed(last) if line.end >= horizon)
    return _bounded([*found, *kept])


def aged(last: tuple[LastLine, ...], offset: int) -> tuple[LastLine, ...]:
    """Return those lines that are still among the last ones of a log of `offset` bytes."""
    return tuple(line for line in last if line.end >= offset - WINDOW_BYTES)


def _bounded(newest_first: list[LastLine]) -> tuple[LastLine, ...]:
    """Limit the number of lines of each kind; keep noise only if too few meaningful lines follow it."""
    left = {"cause": CAUSES_MAX, "line": LAST_LINES_MAX, "noise": LAST_LINES_NOISE_MAX}
    kept = []
    for line in newest_first:
        if left[line.kind] and (line.kind != "noise" or left["line"]):
            left[line.kind] -= 1
            kept.append(line)
    return tuple(reversed(kept))


def _line(raw: bytes, offset: int, end: int) -> LastLine | None:
    text = one_line(clean(raw), LAST_LINE_CHARS_MAX)
    if not text:
        return None
    text = _LOGIN.sub("", _SECRET.sub(r"\1***", text))
    return LastLine(offset=offset, end=end, text=text, kind=_kind(raw, text))


def _kind(raw: bytes, text: str) -> Literal["cause", "line", "noise"]:
    if _NOISE.fullmatch(text) is not None:
        return "noise"
    if _names_cause(raw) and _NOT_A_CAUSE.search(text) is None:
        return "cause"
    return "line" if _CHATTER.fullmatch(text) is None else "noise"


def _names_cause(raw: bytes) -> bool:
    return any(word in raw for word in _CAUSES)
