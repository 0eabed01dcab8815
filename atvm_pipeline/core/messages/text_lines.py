"""The lines of a message's text: outcome, reason, counts, hosts, failing and flaky tests, log lines, notes.

Most readers see a message on a phone first: each line stands for itself, and no fact appears twice.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from atvm_pipeline.core.facts import LastLine
from atvm_pipeline.core.hosts.inventory import kernel_of
from atvm_pipeline.core.reason_parts import checked_hosts_note
from atvm_pipeline.core.reasons import no_spec
from atvm_pipeline.core.results import RESULT_WORDS, HostResult, Ledger, SpecResult, SubRunResult
from atvm_pipeline.core.state import Run
from atvm_pipeline.core.text import code_span, format_duration, join_names, plural
from atvm_pipeline.core.verdict.subrun_context import hosts_without_spec
from atvm_pipeline.core.verdict.subrun_verdict import passed_reason

from .markdown import code_free
from .request_lines import has_doubtful_hosts

HOSTS_SHOWN = 24
FAILURES_SHOWN = 10
FLAKY_SHOWN = 5
NOTES_SHOWN = 6
REPORT_NOTES_SHOWN = 4
"""Notes about unused reports, which come before all others."""
TITLE_CHARS_MAX = 110
ERROR_CHARS_MAX = 300
ERRORS_CHARS_MAX = 1_200
"""Characters of all errors together: the fewer tests failed, the more of each error is shown."""
LOG_LINES_SHOWN = 5
LOG_CHARS_MAX = 400
"""Characters of all log lines together."""
HOST_CHARS_MAX = 60
NOT_CHECKED = "hosts not checked"
PHASE_WORDS = {"PASS": "PASS {0}", "FAIL": "FAIL {0}", "RUN": "RUN/{0}"}
PASS_ENDS = {
    "": "",
    " on every requested host": ", on every requested host",
    "; hosts not checked": "; hosts not checked",
}
"""End of the sentence about a pass (see `passed_reason`) -> the same words in the line of counts."""

Item = TypeVar("Item")


def head_line(phase: str, name: str, more: str, took_s: float | None) -> str:
    """Return the first line: outcome, name, and how long it took."""
    took = f", {format_duration(took_s)}" if took_s is not None else ""
    return f"**{phase}** {code_span(name)}{more}{took}"


def why_lines(text: str, code: str, ledger: Ledger, specs: Sequence[SpecResult]) -> list[str]:
    """Return the reason and the counts. The counts of a pass contain everything that its sentence states."""
    if code == "all-passed":
        for end, words in PASS_ENDS.items():
            sentence = passed_reason(ledger, (), end).text
            if text.startswith(sentence):
                rest = text.removeprefix(sentence).strip()
                counts = counts_line(ledger, code, specs, words)
                return [counts, code_free(rest)] if rest else [counts]
    return [code_free(text), counts_line(ledger, code, specs)]


def counts_line(ledger: Ledger, reason_code: str, specs: Sequence[SpecResult], end: str = "") -> str:
    """Return the ledger in words, as a sum, and which of its specs stand for no host (`check-xml-files.ts`)."""
    if not ledger.planned:
        return f"{no_spec(reason_code)}."
    line = f"Specs: {ledger.planned} planned = {counts_sum(ledger)}{end}"
    others = [spec.spec.rpartition("/")[2] for spec in specs if spec.host is None]
    if others and len(others) < len(specs):
        names = join_names(list(dict.fromkeys(others)))
        line += f"; {len(others)} of them {code_free(names)}"
    return line


def counts_sum(ledger: Ledger) -> str:
    """Return the results of a ledger as a sum: `2 passed + 1 failed`."""
    parts = {
        "passed": ledger.passed,
        "failed": ledger.failed,
        "crashed": ledger.crashed,
        "pending": ledger.pending,
        "skipped": ledger.skipped,
        "without report": ledger.no_report,
        "not run": ledger.not_run,
    }
    return " + ".join(f"{count} {word}" for word, count in parts.items() if count or word == "passed")


def group_line(run: Run, result: SubRunResult) -> str:
    """Return the place of a group in its run, with the hosts to come where they are known, or that no group follows."""
    line = f"Group {result.index} of {code_span(run.request.build_name or 'run')}"
    if run.over_watched_s is not None:
        return f"{line}, the last one" if result.index == len(run.subruns) else line
    coming = _hosts_to_come(run, result)
    if coming is None:
        return line
    if not coming:
        return f"{line}, no host to come"
    return f"{line}, {plural(len(coming), 'host')} to come: {code_free(join_names(coming))}"


def _hosts_to_come(run: Run, result: SubRunResult) -> tuple[str, ...] | None:
    """Return the requested hosts without a spec in this group and the earlier ones; None if they are not known.

    An earlier group without a verdict is still running, so its hosts are not certain.
    """
    if not run.request.requested_hosts:
        return None
    others = [subrun.result for subrun in run.subruns[: result.index - 1]]
    earlier = tuple(other for other in others if other is not None)
    if len(earlier) < len(others):
        return None
    return hosts_without_spec(run, (*earlier, result))


def subrun_lines(results: Sequence[SubRunResult]) -> list[str]:
    """Return one line per group, for the message of the complete run."""
    lines = []
    for result in results[:HOSTS_SHOWN]:
        counts = (
            counts_sum(result.ledger) if result.ledger.planned else no_spec(result.reason["code"]).lower()
        )
        flaky = f", {result.ledger.flaky} flaky" if result.ledger.flaky else ""
        lines.append(f"- {code_span(result.name)}: **{result.phase}**, {counts}{flaky}")
    if len(results) > HOSTS_SHOWN:
        lines.append(f"- and {plural(len(results) - HOSTS_SHOWN, 'more group')}")
    return lines


def host_check_lines(run: Run, above: Sequence[str]) -> list[str]:
    """Return the hosts checked if a part of the build name is not checked or only looks like a host, or if none is known.

    Otherwise the attachment lists them. `above`: the lines before, which may contain the remark already.
    """
    note = checked_hosts_note(run.request)
    if not run.request.requested_hosts:
        known = note == NOT_CHECKED and any(NOT_CHECKED in line for line in above)
        return [] if known else [note_line(note)]
    if not has_doubtful_hosts(run.request):
        return []
    # A group is not checked for the hosts of the others.
    where = " in the complete run" if run.request.categorized else ""
    return [code_free(note.replace("hosts checked", f"Hosts checked{where}", 1))]


def host_lines(run: Run, hosts: Sequence[HostResult], idle: Sequence[str] = ()) -> list[str]:
    """Return one line per host; if not all fit, the failing ones come first. `idle`: requested hosts without a spec."""
    result, detail = RESULT_WORDS["not_run"]
    every = [
        *hosts,
        *(
            HostResult(host=host, kernel=kernel_of(run.request.inventory, host), result=result, detail=detail)
            for host in idle
        ),
    ]
    shown = every
    if len(every) > HOSTS_SHOWN:
        order = {"FAIL": 0, "RUN": 1, "PASS": 2}
        shown = sorted(every, key=lambda host: order[host.result])[:HOSTS_SHOWN]
    lines = [_host_line(host) for host in shown]
    if len(every) > len(shown):
        lines.append(f"- and {plural(len(every) - len(shown), 'more host')}")
    return lines


def outcome_words(result: str, detail: str) -> str:
    """Return a result as text: `PASS completed`, `FAIL failed`, `RUN/pending`."""
    return PHASE_WORDS[result].format(detail)


def _host_line(host: HostResult) -> str:
    parts = [f"- {code_span(host.host, HOST_CHARS_MAX)}: **{outcome_words(host.result, host.detail)}**"]
    if host.tests:
        parts.append(f"{host.passing} of {plural(host.tests, 'test')} passed")
    if host.duration_s is not None:
        parts.append(format_duration(host.duration_s))
    kernel = code_span(host.kernel, HOST_CHARS_MAX) if host.kernel else "unknown"
    return ", ".join([*parts, f"kernel {kernel}"])


def failure_lines(specs: Sequence[SpecResult]) -> list[str]:
    """Return at most ten failing tests by name, with their errors, and the number of all others.

    Tests in a row with the same error have it once, below the last of them. The number is taken from the counts: not every name is kept, and not every failing test has one.
    """
    failing = sum(max(spec.failing, len(spec.failures)) for spec in specs)
    shown = _in_turn([(spec, spec.failures) for spec in specs], FAILURES_SHOWN)
    if not shown:
        return []
    same = [list(group) for _, group in groupby(shown, key=lambda item: item[1].error)]
    error_chars = min(ERROR_CHARS_MAX, ERRORS_CHARS_MAX // len(same))
    lines = ["Failing tests:"]
    for group in same:
        lines += [
            f"- {_owner(spec, specs)}{code_span(failure.title, TITLE_CHARS_MAX, keep_end=True)}"
            for spec, failure in group
        ]
        error = group[0][1].error
        if error:
            these = f" ({len(group)} tests)" if len(group) > 1 else ""
            lines.append(f"  {code_span(error, error_chars, keep_end=True)}{these}")
    return [*lines, f"- and {failing - len(shown)} more"] if failing > len(shown) else lines


def flaky_lines(specs: Sequence[SpecResult]) -> list[str]:
    """Return at most five tests that passed after a retry, and the number of all others."""
    every = sum(len(spec.flaky_tests) for spec in specs)
    shown = _in_turn([(spec, spec.flaky_tests) for spec in specs], FLAKY_SHOWN)
    if not shown:
        return []
    lines = [
        f"- {_owner(spec, specs)}{code_span(title, TITLE_CHARS_MAX, keep_end=True)}" for spec, title in shown
    ]
    return [
        "Flaky, passed after a retry:",
        *lines,
        *([f"- and {every - len(shown)} more"] if every > len(shown) else []),
    ]


def _in_turn(groups: Sequence[tuple[SpecResult, Sequence[Item]]], most: int) -> list[tuple[SpecResult, Item]]:
    """Return at most that many items, one of each spec in turn, so that no spec hides another; in the order of the specs."""
    places = [(at, number) for number, (_, items) in enumerate(groups) for at in range(min(most, len(items)))]
    chosen = sorted((number, at) for at, number in sorted(places)[:most])
    return [(groups[number][0], groups[number][1][at]) for number, at in chosen]


def _owner(spec: SpecResult, specs: Sequence[SpecResult]) -> str:
    """Return the host before a test's name, or the spec if it stands for no host; nothing if there is only one."""
    hosts = {other.host for other in specs if other.host is not None}
    if len(specs) == 1 or hosts == {spec.host}:
        return ""
    return f"{code_span(spec.host or spec.spec.rpartition('/')[2], HOST_CHARS_MAX)}: "


def log_lines(last: Sequence[LastLine]) -> list[str]:
    """Return the last lines of the log, for a runner that failed by itself."""
    shown = last[-LOG_LINES_SHOWN:]
    if not shown:
        return []
    chars = LOG_CHARS_MAX // len(shown)
    title = "Last log line:" if len(shown) == 1 else "Last log lines:"
    return [title, *(f"- {code_span(line.text, chars, keep_end=True)}" for line in shown)]


def note_lines(reports: tuple[str, ...], others: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the notes about reports that come first, and the others: six in all, and the number of those left out."""
    first = reports[:REPORT_NOTES_SHOWN]
    rest = [note for note in dict.fromkeys((*others, *reports)) if note not in first]
    shown = rest[: NOTES_SHOWN - len(first)]
    more = len(rest) - len(shown)
    lines = [note_line(note) for note in shown]
    return [note_line(note) for note in first], [*lines, f"Note: and {more} more"] if more else lines


def note_line(note: str) -> str:
    """Return the line about one note."""
    return f"Note: {code_free(note)}"
