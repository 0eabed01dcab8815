"""The parser of a command: a short usage line, grouped options, an example, exit codes, and errors of one line."""

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from atvm_pipeline.core.text import one_line
from atvm_pipeline.shell.exit_codes import USAGE
from atvm_pipeline.shell.system.log import log

from . import terminal

OPTION_COLUMNS = 28
"""Columns of the options; a longer option gets a line of its own."""
NAME_SHOWN_CHARS = 40
_NUMBER = re.compile(r"-\d+(\.\d*)?|-\.\d+")


class CommandHelp(NamedTuple):
    """The parts of `--help` that a command adds to its options."""

    examples: tuple[str, ...] = ()
    """Lines that can be typed as shown."""
    exit_codes: str = ""
    """One sentence without a full stop, such as `0 if ..., 1 if ...`."""
    description: str = ""
    """Default: the docstring of the command's module."""
    usage: str = ""
    """The words after the name of the program (default: required options, arguments and `[options]`)."""
    hidden: tuple[str, ...] = ()
    """Options that are accepted, or refused with advice, but have no effect in this call."""


class CommandParser(argparse.ArgumentParser):
    """An argument parser that exits with 64 for a wrong call and prints one line instead of the usage page."""

    def __init__(self, *, prog: str) -> None:
        """Create a parser for a command with the name `prog`."""
        super().__init__(prog=prog, formatter_class=_Formatter, allow_abbrev=False, add_help=False)
        self.color = False  # from Python 3.14 on, argparse would decide about colours itself

    def finish(self, help_: CommandHelp) -> None:
        """Add `--help` and the texts around the options, after all options were declared."""
        # The last group, so that the options of the command come first.
        self._action_groups[-1].add_argument("-h", "--help", action="help", help="show this help and exit")
        for action in self._actions:
            if any(option in help_.hidden for option in action.option_strings):
                action.help = argparse.SUPPRESS
        words = " ".join([self.prog, help_.usage or self._words_of_usage()])
        start = "usage: "
        lines = terminal.wrapped(words, terminal.width(), first=start, rest=" " * (len(start) + 2))
        self.usage = _literal("\n".join(lines).removeprefix(start))
        self.description = _literal(_filled(help_.description.strip().split("\n\n")[0]))
        self.epilog = _literal(_epilog(help_))

    def _words_of_usage(self) -> str:
        """Return the required options, the arguments, and a word for all other options."""
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        words = [
            f"{action.option_strings[0]} {action.metavar}"
            for action in shown
            if action.option_strings and action.required
        ]
        words += [
            f"[{action.metavar}]" if action.nargs == "?" else str(action.metavar)
            for action in shown
            if not action.option_strings
        ]
        return " ".join([*words, "[options]"])

    def parse_call(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse the arguments; exit with 64 and one line for an unknown option or an option with two values."""
        self._check_options(arguments)
        return self.parse_args(arguments)

    def error(self, message: str) -> NoReturn:
        """Print the error as one line and exit with 64."""
        self._refuse(f"{message}; see {self.prog} --help")

    def _refuse(self, message: str) -> NoReturn:
        log(f"{self.prog}: {message}")
        raise SystemExit(USAGE)

    def _check_options(self, arguments: Sequence[str]) -> None:
        known = {option: action for action in self._actions for option in action.option_strings}
        given: dict[str, str] = {}
        following = iter(arguments)
        for argument in following:
            if argument == "--":
                return
            if not _is_option(argument):
                continue
            name, equals, value = argument.partition("=")
            action = known.get(name) or (None if argument.startswith("--") else known.get(argument[:2]))
            if action is None:
                self._refuse_unknown(name, known)
            if action.nargs == 0:
                continue
            if not equals:
                value = next(following, "")
            if isinstance(action, argparse._StoreAction):  # noqa: SLF001 - the class has no other name
                before = given.setdefault(action.dest, value)
                if before != value:
                    shown = (
                        f"{one_line(before, NAME_SHOWN_CHARS)!r} and {one_line(value, NAME_SHOWN_CHARS)!r}"
                    )
                    self._refuse(f"{name} is given twice, with {shown}: give it once; see {self.prog} --help")

    def _refuse_unknown(self, name: str, known: Iterable[str]) -> NoReturn:
        self._refuse(unknown_text("option", name, self._visible(known), self.prog))

    def _visible(self, known: Iterable[str]) -> list[str]:
        hidden = [
            option
            for action in self._actions
            if action.help == argparse.SUPPRESS
            for option in action.option_strings
        ]
        return [option for option in known if option.startswith("--") and option not in hidden]


def unknown_text(kind: str, name: str, known: Sequence[str], prog: str) -> str:
    """Return the error about an unknown command or option, with the known name that it most likely means."""
    from atvm_pipeline.core.edit_distance import nearest_name

    near = nearest_name(name, known)
    advice = f"did you mean {near}?" if near is not None else f"see {prog} --help"
    return f"unknown {kind} {one_line(name, NAME_SHOWN_CHARS)}; {advice}"


def _is_option(argument: str) -> bool:
    """Return whether argparse takes an argument for an option: not a lone `-`, a number, or a text with a blank."""
    if len(argument) < 2 or not argument.startswith("-"):  # noqa: PLR2004 - a lone hyphen
        return False
    return _NUMBER.fullmatch(argument) is None and " " not in argument


def _epilog(help_: CommandHelp) -> str:
    parts = []
    if help_.examples:
        heading = terminal.style("example:" if len(help_.examples) == 1 else "examples:", "strong")
        parts.append("\n".join([heading, *(f"  {line}" for line in help_.examples)]))
    if help_.exit_codes:
        parts.append(f"{terminal.style('exit codes:', 'strong')}\n{_filled(help_.exit_codes, '  ')}")
    return "\n\n".join(parts)


def _filled(text: str, indent: str = "") -> str:
    return "\n".join(terminal.wrapped(text, terminal.width(), first=indent, rest=indent))


def _literal(text: str) -> str:
    """Return text that argparse, which replaces `%(name)s`, prints as it is."""
    return text.replace("%", "%%")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=OPTION_COLUMNS, width=terminal.width())

    def start_section(self, heading: str | None) -> None:
        # The default for positional arguments is long for one name.
        text = "arguments" if heading == "positional arguments" else heading
        super().start_section(text and terminal.style(text, "strong"))
