"""Patterns and names of a private runner, as data with good defaults.

An operator overrides any of it with a TOML file (`ATVM_WATCHER_DIALECT`); see docs/dialect.md. All patterns are Python
regular expressions. If a pattern has groups, their names are fixed.

An operator's pattern may backtrack for a long time. Only a limit on its input can prevent that: no caller may apply one
to more than `PATTERN_INPUT_MAX` characters. The defaults are linear.
"""

import difflib
import re
import tomllib

import msgspec

from .errors import DialectError
from .text import one_line

PATTERN_INPUT_MAX = 4096
"""Characters of a line or a name that a dialect's pattern may be applied to."""
DIALECT_PATTERN_CHARS_MAX = 2000
DIALECT_CHARS_MAX = 64 * 1024
LINES_TRIED_MAX = 20
KEY_DOTS_MAX = 500
_NESTED = "{}:1: values are nested too deeply; every setting is one string"
LABEL_GROUPS = frozenset({"label", "quoted", "single"})
"""Names of the groups of `label`; the one that matches is the raw label."""

COUNTERS_AND_DATES = (
    # versions and counters: v2, run3, retry1, build_1.2, 3x, 1of3
    r"(?:v|ver|version|rev|rel|release|rc|build|run|rerun|retry|try|attempt|pass|round|iter|iteration|take|part|loop)"
    r"[._]?\d+(?:[._]\d+)*|\d+(?:x|st|nd|rd|th|of\d+)|"
    # numbers, and dates: 20261127, 2026.11.27, 20261127T1030, 27nov2026, nov27, 2026w48, kw48, q4
    r"\d+|\d{4}[._]\d\d[._]\d\d|\d{8}t?\d{4}(?:\d\d)?z?|"
    r"\d{1,4}(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:\d{2,4})?|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\d{1,4}|(?:\d{4})?(?:week|kw|cw)\d\d?|"
    r"\d{4}w\d\d|(?:\d{4})?q[1-4]"
)
"""Parts of a build name that differ from one run to the next."""

NOT_REQUESTED = (
    COUNTERS_AND_DATES
    # ticket ids: ticket42, bug_1234, pr17, inc0012345
    + r"|"
    r"(?:ticket|issue|bug|defect|story|task|jira|inc|chg|pr|mr|gh)_?\d+"
    # common protocols: nfs4.1, smbv3.1.1, tls1.3
    r"|(?:nfs|smb|cifs|tls|dtls|ssl|ssh|https?|s?ftps?|ldaps?|snmp|ntlm|kmip|g?rpc|rest|api|ip|tcp|udp|usb|pcie)"
    r"v?\d+(?:\.\d+)*"
)
"""Parts of a build name that are never a requested host, regardless of `not_requested`. The list is short, because it must
not hide a machine."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this runner names labels, hosts and artifacts.

    Raise ValueError for an unusable setting, also when it is decoded from a journal.
    """

    label: str = (
        r"""(?<![Tt]he )--ci-build-id["']?(?:,\s*|[=\s]+)(?:"(?P<quoted>[^"-][^"]*)"|'(?P<single>[^'-][^']*)'|"""
        r"""(?P<label>(?!(?:flags?|options?|arguments?|parameters?|values?|is|was)(?:[\s.:;]|$))\w[^\s'",\]]*))"""
    )
    """A line that contains a child's command line, as in a shell or as a list of arguments; the group that
    matches is the raw label. A sentence about the flag is not one: Cypress's own errors contain several."""
    host: str = (
        r"(?:redhat|rhel|centos|rocky|alma(?:linux)?|oracle(?:linux)?|ol|ubuntu|debian|sles|suse|opensuse|fedora|amazon|al|"
        r"photon|windows|win|w2k|w)\d[0-9A-Za-z]*(?:\.[0-9A-Za-z]+)*"
    )
    """A complete host name, if it is not in the inventory; matched without regard to case. Empty: no pattern."""
    not_hosts: str = r"check-xml-files"
    """Spec base names (without .cy and extension) that belong to no host; must match in full. Empty: none."""
    not_requested: str | msgspec.UnsetType = msgspec.UNSET
    """Parts of a build name that are not a host, in addition to `NOT_REQUESTED`; must match in full, without regard to case.
    Unset and empty: no parts. An unset value is not written, so that a journal without it is encoded as before."""
    line_prefix: str | msgspec.UnsetType = msgspec.UNSET
    """The text before each line that Cypress wrote, matched at the line's start; a line without it is not Cypress's.
    Unset and empty: it is learnt from the log (`line_forms.py`)."""
    artifacts: str = "cmcReporter"
    """Directory of the XML reports, relative to the working directory."""
    artifact_files: str = r".*\.xml"
    """Names of the files in it that are reports; must match in full."""
    progress: str = ""
    """Progress lines of the runner; empty: none."""
    cypress_process: str = r"(?i)cypress"
    """Found in the name or command line of a process that belongs to a Cypress child."""
    browser_process: str = r"(?i)\b(?:electron|chrome|chromium|firefox|msedge)"
    """Found in the name or command line of a browser process."""

    def __post_init__(self) -> None:
        """Check every setting, also of a dialect from a journal."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            problem = None if value is msgspec.UNSET else _problem(name, value)
            if problem is not None:
                raise ValueError(f"{name} {problem}")


_PATHS = frozenset({"artifacts"})
_MAY_BE_EMPTY = frozenset({"host", "not_hosts", "not_requested", "line_prefix", "progress"})
_SEARCHED = frozenset({"label", "line_prefix", "cypress_process", "browser_process"})
"""Patterns that are searched: one that matches the empty text would match everywhere."""


def read_dialect(text: str, name: str) -> Dialect:
    """Return the dialect that a TOML file describes, with defaults for the settings that it omits.

    `name`: the file's name in an error. Raise DialectError, one line with the line number of the mistake.
    """
    if len(text) > DIALECT_CHARS_MAX:
        raise DialectError(
            f"{name}:1: the file is larger than {DIALECT_CHARS_MAX} characters; is it the dialect file?"
        )
    if any(line.partition("=")[0].count(".") > KEY_DOTS_MAX for line in text.split("\n")):
        # The TOML parser takes quadratic time for a key of many parts.
        raise DialectError(_NESTED.format(name))
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_error(error, text, name) from None
    except RecursionError:
        raise DialectError(_NESTED.format(name)) from None
    for key, value in table.items():
        mistake = _mistake(key, value)
        if mistake is not None:
            raise DialectError(f"{name}:{_line_of(text, key)}: {mistake}")
    return Dialect(**table)


def _toml_error(error: tomllib.TOMLDecodeError, text: str, name: str) -> DialectError:
    """Return the parser's own error text, with its position moved to the front."""
    reported = str(error)
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", reported)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    message = reported[: place.start()] if place else reported
    hint = "write settings as name = 'pattern', in single quotes, so that backslashes stay as they are"
    return DialectError(f"{name}:{line}: this is not TOML: {one_line(message, 120)}; {hint}")


def _mistake(key: str, value: object) -> str | None:
    known = Dialect.__struct_fields__
    if key not in known:
        near = difflib.get_close_matches(key[:60].lower().replace("-", "_"), known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"settings are {', '.join(known)}"
        return f'"{one_line(key, 60)}" is not a setting; {hint}'
    if not isinstance(value, str):
        kind = {dict: "a table", list: "an array", bool: "true or false"}.get(type(value), "no string")
        return (
            f"{key} must be one string in quotes, not {kind}"
            if kind != "no string"
            else f"{key} must be a string in quotes"
        )
    problem = _problem(key, value)
    return None if problem is None else f"{key} {problem}"


def _problem(name: str, value: str) -> str | None:
    """Return why `value` cannot be used for the setting `name`, and how to fix it; None if it can."""
    if name in _PATHS:
        return _path_problem(value)
    if len(value) > DIALECT_PATTERN_CHARS_MAX:
        return f"is longer than {DIALECT_PATTERN_CHARS_MAX} characters; make it shorter"
    if not value:
        return None if name in _MAY_BE_EMPTY else "must not be empty; leave it out to keep the default"
    try:
        pattern = re.compile(value)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        return f"is not a regular expression: {one_line(str(error), 120)}; correct it, or leave it out to keep the default"
    if name in _SEARCHED and pattern.search("") is not None:
        return "matches everything; it must match at least one character"
    if name == "label" and (not pattern.groupindex or not pattern.groupindex.keys() <= LABEL_GROUPS):
        return "must have a group (?P<label>…) around the label, and no named groups but label, quoted and single"
    return None


def _path_problem(value: str) -> str | None:
    parts = value.split("/")
    if not value or value.startswith("/") or ".." in parts or not value.isprintable():
        return "must be a directory below the working directory, for example 'cmcReporter'; set any other one with ATVM_WATCHER_ARTIFACTS"
    return None


def _line_of(text: str, key: str) -> int:
    """Return the line (from 1) where `key` first appears, because the TOML parser does not report it.

    A matching line may be inside a multi-line string; then the text above it is not valid TOML.
    """
    lines = text.split("\n")
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[.=\]]""")
    likely = [at for at, line in enumerate(lines) if begins.match(line[:PATTERN_INPUT_MAX])]
    for at in likely[:LINES_TRIED_MAX]:
        try:
            tomllib.loads("\n".join(lines[:at]))
        except tomllib.TOMLDecodeError:
            continue
        return at + 1
    return 1
