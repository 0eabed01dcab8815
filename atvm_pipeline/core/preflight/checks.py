"""Comparison of request, config file and commands before anything starts: it takes ten seconds instead of ten hours.

A certain mismatch refuses the start; a value that cannot be known from outside is ignored. This module reads no file:
the shell lists and reads them, and passes their text.
"""

import posixpath
import re
import shlex
from collections.abc import Collection, Iterable

import msgspec

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.edit_distance import nearest_name
from atvm_pipeline.core.hosts.host_names import host_of_spec, hosts_in_label
from atvm_pipeline.core.hosts.requested_hosts import RequestedHosts
from atvm_pipeline.core.text import NAMES_JOINED_MAX, join_names, one_line

COMMAND_CHARS_MAX = 64 * 1024
VALUE_CHARS_MAX = 160

BUILD_NAME_OPTIONS = ("--build_name", "--build-name")
CONFIG_FILE_OPTIONS = ("--config_file", "--config-file")
CATEGORIZE_OPTION = "--categorize"

_OPERATOR = re.compile(r"[();<>|&]+")
_EXPANDED_LATER = re.compile(r"[$`*?~]")


class PreflightFinding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mismatch."""

    code: str
    """`build-name`, `config-file`, `spec-pattern`, `unknown-host`, `categorize` or `extra-hosts`."""
    text: str
    """One line that states the problem and how to fix it."""
    certain: bool
    """True: refuse the start. False: warn and continue."""


def option_values(command: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of an option in a shell command, `--x v` or `--x=v`; () if the command cannot be parsed.

    Shell operators end a word. An option without a value is ignored.
    """
    words = _words(command)
    values = []
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name not in names:
            continue
        if equals:
            values.append(value)
        elif (
            at + 1 < len(words)
            and not words[at + 1].startswith("--")
            and not _OPERATOR.fullmatch(words[at + 1])
        ):
            values.append(words[at + 1])
    return tuple(values)


def has_option(command: str, name: str) -> bool:
    """Return whether a shell command has an option, with or without a value."""
    return any(word.partition("=")[0] == name for word in _words(command))


def is_parsed(command: str) -> bool:
    """Return whether the words of a command are known; False for an empty one."""
    return bool(_words(command))


def is_expanded_later(word: str) -> bool:
    """Return whether a shell changes this word before the program sees it, so its value is not known here."""
    return _EXPANDED_LATER.search(word) is not None


def _words(command: str) -> list[str]:
    if len(command) > COMMAND_CHARS_MAX:
        return []
    # A backslash at a line's end joins lines in a shell; shlex would keep the line break as a character.
    reader = shlex.shlex(command.replace("\\\n", ""), posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = ""
    try:
        return list(reader)
    except ValueError:  # a quote that is not closed
        return []


def find_mismatches(
    *,
    build_name: str,
    requested: RequestedHosts,
    template_command: str | None,
    runner_command: str | None,
    config_file: str | None,
    categorize: bool,
    matched_specs: tuple[str, ...] | None,
    known: Collection[str],
    dialect: Dialect,
) -> tuple[PreflightFinding, ...]:
    """Return all mismatches, certain ones first.

    `config_file`: the value of --config-file. `categorize`: whether --categorize was given. `matched_specs`: the spec
    files that the config's specPattern matches, None if that is not known. `known`: host names of the inventory.
    """
    template, runner = template_command or "", runner_command or ""
    findings = [
        *_check_build_name(build_name, runner),
        *_check_config_file(template, runner, config_file),
        *_check_specs(requested, matched_specs, known, dialect),
        *_check_categorize(runner, categorize=categorize),
    ]
    return tuple(sorted(findings, key=lambda finding: not finding.certain))


def _check_build_name(build_name: str, runner: str) -> Iterable[PreflightFinding]:
    values = option_values(runner, BUILD_NAME_OPTIONS)
    if not values or build_name in values or any(map(is_expanded_later, values)):
        return
    text = (
        f"the runner command has --build_name {show_value(values[-1])}, but this run is {show_value(build_name)}: "
        "correct one of the two, or start with --no-preflight"
    )
    yield PreflightFinding(code="build-name", text=text, certain=True)


def _check_config_file(template: str, runner: str, config_file: str | None) -> Iterable[PreflightFinding]:
    named: list[tuple[str, str]] = []
    for source, command in (("the template command", template), ("the runner command", runner)):
        values = option_values(command, CONFIG_FILE_OPTIONS)
        # With two different values in one command, it is not known which one counts.
        if len(set(values)) == 1 and not is_expanded_later(values[0]):
            named.append((f"{source} has", values[0]))
    if config_file:
        named.append(("--config-file is", config_file))
    moves = any(word in ("cd", "pushd") for command in (template, runner) for word in _words(command))
    for at, (source, path) in enumerate(named):
        for other_source, other in named[:at]:
            if _differ(path, other, moves=moves):
                text = (
                    f"{other_source} {show_value(other)}, but {source} {show_value(path)}: the runner would not read the config that "
                    "the template wrote; name the same file everywhere, or start with --no-preflight"
                )
                yield PreflightFinding(code="config-file", text=text, certain=True)
                return


def _differ(one: str, other: str, *, moves: bool) -> bool:
    """Return whether two spellings certainly name two files.

    Without the working directory, an absolute path and a relative one can only be distinguished by the file's name.
    """
    one, other = posixpath.normpath(one), posixpath.normpath(other)
    if posixpath.basename(one) != posixpath.basename(other):
        return True
    climbs = one.startswith("..") or other.startswith("..")
    if moves or climbs or posixpath.isabs(one) != posixpath.isabs(other):
        return False
    return one != other


def _check_specs(
    requested: RequestedHosts, matched: tuple[str, ...] | None, known: Collection[str], dialect: Dialect
) -> Iterable[PreflightFinding]:
    if matched is None:
        return
    again = "run the template command for this build (--template-command), or start with --no-preflight"
    if not matched:
        text = f"the config's specPattern matches no spec file: {again}"
        yield PreflightFinding(code="spec-pattern", text=text, certain=True)
        return
    hosts = tuple(dict.fromkeys((*requested.hosts, *known)))
    by_host = {spec: host_of_spec(spec, hosts, dialect) for spec in matched}
    planned = {host.casefold(): host for host in by_host.values() if host is not None}
    missing = [host for host in requested.hosts if host.casefold() not in planned]
    certain = [host for host in missing if host not in requested.by_form]
    if certain:
        text = (
            f"the config's specPattern matches no spec of {join_names(certain, show=show_value)}; it matches "
            f"{join_names([posixpath.basename(spec) for spec in matched], show=show_value)}: {again}"
        )
        yield PreflightFinding(code="spec-pattern", text=text, certain=True)
    unknown = [host for host in missing if host in requested.by_form]
    if unknown:
        # Include the hosts of the specs, because an inventory need not be complete.
        nearest_of = [name for name in (*known, *planned.values()) if name not in requested.by_form]
        yield PreflightFinding(code="unknown-host", text=_unknown_text(unknown, nearest_of), certain=True)
    extra = _extra_hosts(requested.hosts, by_host.values(), hosts, dialect)
    if requested.hosts and extra and not missing:
        text = f"the config's specPattern also matches specs of {join_names(extra, show=show_value)}, which were not requested: they will run too"
        yield PreflightFinding(code="extra-hosts", text=text, certain=False)


def _unknown_text(unknown: list[str], known: Collection[str]) -> str:
    """Return the sentence about hosts that were only found by their form: they may be misspelt, or not be hosts."""
    first, *rest = ((show_value(host), nearest_name(host, known)) for host in unknown[:NAMES_JOINED_MAX])
    more = [f"{host} (nearest known: {show_value(near or 'none')})" for host, near in rest]
    more += [f"{len(unknown) - NAMES_JOINED_MAX} more"] if len(unknown) > NAMES_JOINED_MAX else []
    also = f"; the same for {', '.join(more)}" if more else ""
    return (
        f"{first[0]} looks like a host but no spec matches it; nearest known: {show_value(first[1] or 'none')}{also}; "
        "use --hosts, or `not_requested` in the dialect file"
    )


def _extra_hosts(
    requested: tuple[str, ...], planned: Iterable[str | None], names: tuple[str, ...], dialect: Dialect
) -> list[str]:
    """Return the hosts that are not requested and are certainly hosts."""
    wanted = {host.casefold() for host in requested}
    return list(
        dict.fromkeys(
            host
            for host in planned
            if host is not None
            and host.casefold() not in wanted
            and hosts_in_label(host, names, dialect) == (host,)
        )
    )


def _check_categorize(runner: str, *, categorize: bool) -> Iterable[PreflightFinding]:
    if not _words(runner) or has_option(runner, CATEGORIZE_OPTION) == categorize:
        return
    if categorize:
        text = "--categorize was given, but the runner command does not have it: the run is watched as categorized; add it to the runner command if groups are intended"
    else:
        text = "the runner command has --categorize, but it was not given here: the run is watched as categorized; add it to this command too"
    yield PreflightFinding(code="categorize", text=text, certain=False)


def show_value(value: str) -> str:
    """Return a value from a command or a config for a sentence."""
    return one_line(value, VALUE_CHARS_MAX) or "(empty)"
