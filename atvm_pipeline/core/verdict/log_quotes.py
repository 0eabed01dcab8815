"""The last lines of the log as a sentence, for a reason that has no better explanation of an end."""

import re
from collections.abc import Sequence

from msgspec.structs import replace

from atvm_pipeline.core.facts import LastLine
from atvm_pipeline.core.local_time import local_text
from atvm_pipeline.core.reason_parts import and_text, log_evidence
from atvm_pipeline.core.state import Reason, Run, SubRun
from atvm_pipeline.core.text import one_line

from .exit_code_text import code_text, has_words

QUOTED_MAX = 3
"""Lines quoted in one sentence."""
QUOTE_CHARS_MAX = 160
_DISK_FULL = re.compile(r"ENOSPC|o space left on device|Disk quota exceeded")
_PATH = re.compile(r"""(?P<mark>['"])(?P<quoted>/[^'"]+)(?P=mark)|(?<!\S)(?P<plain>/[^\s:;,'"()]+)""")
"""A path in such a line."""


def and_last_lines(run: Run, found: Reason, begin: int = 0) -> Reason:
    """Add the last lines of the log from offset `begin` on, if any, to a reason."""
    return _and_lines(run, found, [line for line in run.log.scanner.last if line.offset >= begin])


def and_nothing_read(run: Run, found: Reason) -> Reason:
    """Quote the end of a log that has no line of Cypress; if there is nothing to quote, it may be the wrong log."""
    quoted = and_last_lines(run, found)
    if quoted is not found:
        return quoted
    return and_text(
        found,
        "The log is empty."
        if not run.log.end
        else "The log has no readable line; check that it is in UTF-8.",
    )


def and_subrun_end(run: Run, found: Reason, subrun: SubRun) -> Reason:
    """Add the last lines that a sub-run wrote and, for the last sub-run, the meaning of the exit code."""
    if _end(run, subrun) is None:
        found = and_exit_words(run, found)
    return and_subrun_lines(run, found, subrun, _begin(subrun))


def and_subrun_lines(run: Run, found: Reason, subrun: SubRun, begin: int) -> Reason:
    """Add the last lines that a sub-run wrote from offset `begin` on: of a child that was cut off, else of the log."""
    end = _end(run, subrun)
    cut = [
        line for child in subrun.children for line in child.last if line.offset >= max(begin, child.offset)
    ]
    last = [
        line for line in run.log.scanner.last if line.offset >= begin and (end is None or line.offset < end)
    ]
    return _and_lines(run, found, cut or last)


def _and_lines(run: Run, found: Reason, last: Sequence[LastLine]) -> Reason:
    lines = _quoted(last)
    if not lines:
        return found
    full = next((_disk_full(run, line.text) for line in reversed(lines) if _DISK_FULL.search(line.text)), "")
    text = f"{full}{_sentence(lines)}"
    places = [item for line in lines for item in log_evidence(run, line.offset) if item not in found.evidence]
    return replace(and_text(found, text), evidence=(*found.evidence, *places))


def _disk_full(run: Run, line: str) -> str:
    """Return the sentence about a full disk that a line of the log reports, with its path and the time, if known."""
    error = "disk quota exceeded" if "uota" in line else "no space left on device"
    found = _PATH.search(line)
    place = f" on {found['quoted'] or found['plain']}" if found is not None else ""
    at = run.progress_at
    when = f" at {local_text(at, run.utc_offset_s)}" if at is not None and not run.request.offline else ""
    return f"The disk was full: {error}{place}{when}. "


def _sentence(lines: Sequence[LastLine]) -> str:
    noun = "line" if len(lines) == 1 else "lines"
    return f"Last {noun} of the log: {', '.join(map(_quote, lines))}."


def _quote(line: LastLine) -> str:
    return f'"{one_line(line.text, QUOTE_CHARS_MAX)}"'


def split_last_lines(run: Run, text: str) -> tuple[str, tuple[LastLine, ...]]:
    """Return a reason's text without the sentence that quotes the last lines of the log, and these lines.

    A text whose lines are not among the last ones any more is returned as it is.
    """
    children = (child for subrun in run.subruns for child in subrun.children)
    known = [*run.log.scanner.last, *(line for child in children for line in child.last)]
    quoted = {_quote(line): line for line in known if _quote(line) in text}
    lines = tuple(sorted(quoted.values(), key=lambda line: line.offset))
    sentence = _sentence(lines)
    if not lines or sentence not in text:
        return text, ()
    return " ".join(part.strip() for part in text.split(sentence, 1) if part.strip()), lines


def _quoted(last: Sequence[LastLine]) -> list[LastLine]:
    """Return the lines to quote, in order: causes are preferred, each text once, noise only if there is nothing else."""
    ranked = {line.text: line for kind in ("cause", "line") for line in reversed(last) if line.kind == kind}
    return sorted(list(ranked.values() or last)[:QUOTED_MAX], key=lambda line: line.offset)


def and_exit_words(run: Run, found: Reason) -> Reason:
    """Add the runner's exit code if it has a meaning of its own."""
    code = run.exit.exit_code if run.exit is not None else None
    return (
        and_text(found, f"The runner ended with exit code {code_text(code)}.") if has_words(code) else found
    )


def _end(run: Run, subrun: SubRun) -> int | None:
    """Return the offset at which the lines of the next sub-run start; None for the last one."""
    begin = _begin(subrun)
    later = [_begin(other) for other in run.subruns[subrun.index :]]
    later += [launch.offset for launch in run.launched if launch.offset > begin]
    return min(later, default=None)


def _begin(subrun: SubRun) -> int:
    places = [child.offset for child in subrun.children]
    if subrun.wrapper is not None:
        places.append(subrun.wrapper.offset)
    return min(places, default=0)
