"""What is particular to a private runner, as data with good defaults.

An operator overrides any of it with a TOML file (`ATVM_WATCHER_DIALECT`); see docs/watcher-service.md.
All patterns are Python regular expressions; where a pattern has groups, their names are fixed.

A pattern of an operator may backtrack for long. Nothing can prevent that but a bound on what it is applied to: who
applies one never gives it more than `PATTERN_INPUT_MAX` characters.  The defaults are linear.
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

NOT_REQUESTED = (
    # versions and counters: v2, run3, retry1, build_1.2, 3x, 1of3
    r"(?:v|ver|version|rev|rel|release|rc|build|run|rerun|retry|try|attempt|pass|round|iter|iteration|take|part|loop)"
    r"[._]?\d+(?:[._]\d+)*|\d+(?:x|st|nd|rd|th|of\d+)|"
    # numbers, and dates: 20261127, 2026.11.27, 20261127T1030, 27nov2026, nov27, 2026w48, kw48, q4
    r"\d+|\d{4}[._]\d\d[._]\d\d|\d{8}t?\d{4}(?:\d\d)?z?|"
    r"\d{1,4}(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:\d{2,4})?|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\d{1,4}|(?:\d{4})?(?:week|kw|cw)\d\d?|"
    r"\d{4}w\d\d|(?:\d{4})?q[1-4]|"
    # ticket ids: ticket42, bug_1234, pr17, inc0012345
    r"(?:ticket|issue|bug|defect|story|task|jira|inc|chg|pr|mr|gh)_?\d+|"
    # common protocols: nfs4.1, smbv3.1.1, tls1.3
    r"(?:nfs|smb|cifs|tls|dtls|ssl|ssh|https?|s?ftps?|ldaps?|snmp|ntlm|kmip|g?rpc|rest|api|ip|tcp|udp|usb|pcie)"
    r"v?\d+(?:\.\d+)*"
)
"""Parts of a build name that are never a requested host, whatever `not_requested` adds.  The words are few: the list must
not hide a machine."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this runner shows labels, hosts and artifacts.

    Raises ValueError for a setting that cannot be used, and so does decoding one from a journal.
    """

    label: str = (
        r"""(?<![Tt]he )--ci-build-id["']?(?:,\s*|[=\s]+)(?:"(?P<quoted>[^"-][^"]*)"|'(?P<single>[^'-][^']*)'|"""
        r"""(?P<label>(?!(?:flags?|options?|arguments?|parameters?|values?|is|was)(?:[\s.:;]|$))\w[^\s'",\]]*))"""
    )
    """A line that holds a child's command line, as a shell would have it or as a list of arguments; the group that
    matches is the raw label.  A sentence about the flag is none: Cypress's own errors hold several."""
    host: str = (
        r"(?:redhat|rhel|centos|rocky|alma(?:linux)?|oracle(?:linux)?|ol|ubuntu|debian|sles|suse|opensuse|fedora|amazon|al|"
        r"photon|windows|win|w2k|w)\d[0-9A-Za-z]*(?:\.[0-9A-Za-z]+)*"
    )
    """A whole host name, where it is not in the inventory; matched without regard to case.  Empty: none."""
    not_hosts: str = r"check-xml-files"
    """Spec base names (without .cy and extension) that stand for no host; matched whole.  Empty: none."""
    not_requested: str | msgspec.UnsetType = msgspec.UNSET
    """Parts of a build name that are not a host, in addition to `NOT_REQUESTED`; matched whole and without regard to case.
    Unset and empty: none.  An unset value is not written, so that a journal without it is encoded as it was."""
    line_prefix: str | msgspec.UnsetType = msgspec.UNSET
    """What stands in front of each line that Cypress wrote, matched at the line's start; a line without it is not Cypress's.
    Unset and empty: it is learnt from the log (`line_forms.py`)."""
    artifacts: str = "cmcReporter"
    """Folder of the XML reports, relative to the working directory."""
    artifact_files: str = r".*\.xml"
    """Which files in it are reports; matched whole against the file's name."""
    progress: str = ""
    """Progress lines of the runner; empty: none."""
    cypress_process: str = r"(?i)cypress"
    """Found in the name or command line of a process that belongs to a Cypress child."""
    browser_process: str = r"(?i)\b(?:electron|chrome|chromium|firefox|msedge)"
    """Found in the name or command line of a browser process."""

    def __post_init__(self) -> None:
        """Check every setting, also of a dialect that comes from a journal."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            problem = None if value is msgspec.UNSET else _problem(name, value)
            if problem is not None:
                raise ValueError(f"{name} {problem}")


_PATHS = frozenset({"artifacts"})
_MAY_BE_EMPTY = frozenset({"host", "not_hosts", "not_requested", "line_prefix", "progress"})
_SEARCHED = frozenset({"label", "line_prefix", "cypress_process", "browser_process"})
"""Patterns that are looked for: one that matches nothing at all would match everywhere."""


def read_dialect(text: str, name: str) -> Dialect:
    """The dialect that a TOML file describes; what it does not name keeps its default.

    `name`: what to call the file in an error.  Raises DialectError, one line with the line number of the mistake.
    """
    if len(text) > DIALECT_CHARS_MAX:
        raise DialectError(
            f"{name}:1: the file is larger than {DIALECT_CHARS_MAX} characters; is it the dialect file?"
        )
    if any(line.partition("=")[0].count(".") > KEY_DOTS_MAX for line in text.split("\n")):
        # The reader of TOML takes quadratic time over a key of many parts.
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
    """The reader's own words, with its position in front instead of behind."""
    words = str(error)
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", words)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    told = words[: place.start()] if place else words
    hint = "write settings as name = 'pattern', in single quotes, so that backslashes stay as they are"
    return DialectError(f"{name}:{line}: this is not TOML: {one_line(told, 120)}; {hint}")


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
    """Why `value` cannot be used for the setting `name`, with what to do; None if it can."""
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
        return "must be a folder below the working directory, for example 'cmcReporter'; others go into ATVM_WATCHER_ARTIFACTS"
    return None


def _line_of(text: str, key: str) -> int:
    """The line (from 1) where `key` first appears: the reader of TOML does not say.

    A line that looks like it may lie inside a string of many lines; then what is above it is no TOML.
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
