"""Notes about a sub-run's log: its findings in addition to the reason of the verdict, so that no evidence is dropped."""

from collections.abc import Iterator, Sequence

from atvm_pipeline.core.facts import LineUnplaced
from atvm_pipeline.core.reason_parts import QUOTED_LINE_CHARS_MAX, make_reason
from atvm_pipeline.core.state import Run, SubRun
from atvm_pipeline.core.subruns.children import early_ends
from atvm_pipeline.core.text import cut_middle, join_names, one_line, plural

from .log_checks import find_contradiction, find_mix, printed_failures, unattributed


def log_notes(run: Run, subrun: SubRun, code: str) -> tuple[str, ...]:
    """Return a sentence for each finding in the log that the reason with this code does not name."""
    return tuple(_notes(run, subrun, code))


def _notes(run: Run, subrun: SubRun, code: str) -> Iterator[str]:
    mix = find_mix(run, subrun) if code != "log-mixed" else None
    if mix is not None:
        yield make_reason("log-mixed", line=one_line(mix.line, QUOTED_LINE_CHARS_MAX)).text
    contradiction = find_contradiction(subrun) if code != "totals-contradict" else None
    if contradiction is not None:
        yield make_reason("totals-contradict", detail=contradiction.text).text
    lines = unattributed(run, subrun) if code != "failure-unattributed" else ()
    if lines:
        yield f"{lines_reporting(len(lines))} a failure that matches no spec of this run: {quote_lines(lines)}."
    printed = printed_failures(run, subrun)
    if printed:
        yield (
            f"{lines_reporting(len(printed))} a failure that matches no spec; the spec that was running may have "
            f"printed {'it' if len(printed) == 1 else 'them'}: {quote_lines(printed)}."
        )
    errors = [
        cut_middle(error.text, QUOTED_LINE_CHARS_MAX)
        for child in subrun.children
        for error in child.doubtful
        if error not in early_ends(child)
    ]
    if errors:
        yield (
            "The log shows an error while a spec was running, and Cypress continued; the spec may have printed it: "
            f"{join_names(errors)}."
        )


def lines_reporting(number: int) -> str:
    """Return lines of the log as the subject of a sentence: `1 line of the log reports`, `2 lines of the log report`."""
    return f"{plural(number, 'line')} of the log {'reports' if number == 1 else 'report'}"


def quote_lines(lines: Sequence[LineUnplaced]) -> str:
    """Return the lines for a sentence, bounded in number and length."""
    return join_names([one_line(line.text, QUOTED_LINE_CHARS_MAX) for line in lines])
