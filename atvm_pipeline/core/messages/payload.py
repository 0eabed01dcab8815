"""Rendering of a sub-run, a run or an alert as the body of a Mattermost post (docs/status-template.md).

The body has no channel and no secret. It stays below the sizes at which the server splits a post. It is rendered within
the fold, so that the journal proves which text was sent.
"""

import re
from datetime import datetime
from hashlib import sha256
from typing import Literal

import msgspec

from atvm_pipeline.core.events import Metadata
from atvm_pipeline.core.local_time import local_text
from atvm_pipeline.core.reason_parts import checked_hosts_note, gap_notes
from atvm_pipeline.core.reasons import no_spec
from atvm_pipeline.core.results import FailedTest, HostResult, Ledger, SpecResult, SubRunResult
from atvm_pipeline.core.state import Run, Verdict
from atvm_pipeline.core.text import code_span, format_duration, one_line, plural
from atvm_pipeline.core.verdict.report_notes import run_report_notes, subrun_report_notes
from atvm_pipeline.core.verdict.subrun_context import run_ledger

TEXT_MAX_CHARS = 3_600
"""Servers with an old database split a text at 4000 characters; the mark of a repeat is added to the text."""
TEXT_MAX_BYTES = 8_000
"""Keeps a body below 16 kB with its fields, which are bounded one by one, and with a channel."""
HOSTS_SHOWN = 24
FAILURES_SHOWN = 10
NOTES_SHOWN = 6
REPORT_NOTES_SHOWN = 4
"""Notes about unused reports, which come before all others."""
COLOURS = {"COMPLETED": "#2e7d32", "FAILED": "#c62828"}
NEUTRAL = "#757575"
EMOJI = re.compile(r":(?=[A-Za-z0-9_+-]{1,64}:)")
"""The colon that would start an emoji name."""
Mark = Literal["may-have-arrived", "arrived", "not-arrived"]
MARKS: dict[Mark, str] = {
    "may-have-arrived": "**Possible duplicate** of delivery `{delivery}`: an earlier attempt may have arrived.",
    "arrived": "**Possible duplicate** of delivery `{delivery}`: it arrived before and is repeated by hand.",
    "not-arrived": "**Sent again by hand**, delivery `{delivery}`: no earlier attempt arrived.",
}
"""Whether an earlier attempt of a repeat arrived -> the mark of the repeat."""
PHASE_WORDS = {"PASS": "PASS {0}", "FAIL": "FAIL {0}", "RUN": "RUN/{0}"}


def delivery_id(key: str) -> str:
    """Return the short name of a delivery. All repeats have the same one, so that a reader can recognise a duplicate."""
    return sha256(key.encode()).hexdigest()[:12]


def subrun_payload(run: Run, result: SubRunResult, key: str) -> str:
    """Return the post of one sub-run that ended, as JSON text."""
    head = f"**{result.phase}** {code_span(result.name)}"
    if run.request.categorized:
        head += f" (group {result.index} of {code_span(run.request.build_name or 'run')})"
        ledger = result.ledger
    else:
        # This is the only post of such a run, so it shows the run's counts.
        ledger = run_ledger(run, (result,))
    lines = [head, code_free(result.reason["text"]), counts_line(ledger, result.reason["code"])]
    lines.append(host_check_line(run, of_run=not run.request.categorized))
    reports = subrun_report_notes(run, result.index)
    if not run.request.categorized:
        reports += run_report_notes(run)
    # Notes about unused evidence come above the hosts, where they are never cut; then a gap in the log.
    first, more = note_lines(reports, (*gap_notes(run), *result.notes, *run.request.notes))
    lines += [*first, *host_lines(result.hosts), *failure_lines(result.specs), *more]
    times = _times(run, result.started_at, result.finished_at)
    return _payload(run, result.phase, lines, times, key)


def run_payload(
    run: Run,
    verdict: Verdict,
    results: tuple[SubRunResult, ...],
    key: str,
    *,
    sentence: str,
    notes: tuple[str, ...] = (),
) -> str:
    """Return the closing post of a categorized run, as JSON text; no sub-run's post contains `sentence` and `notes`."""
    head = f"**{verdict.phase}** {code_span(run.request.build_name or 'run')} (the complete run)"
    lines = [head, code_free(sentence), counts_line(verdict.ledger, verdict.reason.code)]
    lines.append(host_check_line(run, of_run=True))
    lines += [_subrun_line(result) for result in results[:HOSTS_SHOWN]]
    if len(results) > HOSTS_SHOWN:
        lines.append(f"- and {plural(len(results) - HOSTS_SHOWN, 'more group')}")
    first, more = note_lines(run_report_notes(run), notes)
    lines += [*first, *more]
    started = results[0].started_at if results else None
    return _payload(run, verdict.phase, lines, _times(run, started, verdict.finished_at), key)


def alert_payload(run: Run, text: str, key: str) -> str:
    """Return one line for the alert channel, as JSON text."""
    return alert_line(run.request.build_name or "run", run.request.run_id, text, key)


def alert_line(build_name: str, run_id: str, text: str, key: str) -> str:
    """Return one line for the alert channel, for a run whose state may be unreadable."""
    line = f"ATVM run {code_span(build_name)}: {code_free(text)}"
    props = {"atvm_run_id": run_id, "atvm_delivery_id": delivery_id(key)}
    return _encode({"text": line[:TEXT_MAX_CHARS], "props": props})


def marked(payload: str, mark: Mark = "may-have-arrived") -> str:
    """Return the post with a first line that marks it as a repeat, with the reason."""
    body = msgspec.json.decode(payload)
    delivery = body.get("props", {}).get("atvm_delivery_id", "")
    body["text"] = f":warning: {MARKS[mark].format(delivery=delivery)}\n{body['text']}"
    return _encode(body)


def code_free(text: str) -> str:
    """Return a sentence of this program that contains untrusted names as plain text, without formatting or mentions."""
    safe = one_line(text, 700)
    for char in "\\`*_~[]#|":
        safe = safe.replace(char, f"\\{char}")
    safe = (
        safe.replace("<", "‹")
        .replace("@", "@\u200b")
        .replace("://", ":\u200b//")
        .replace("www.", "www\u200b.")
    )
    return EMOJI.sub(":\u200b", safe)


def counts_line(ledger: Ledger, reason_code: str) -> str:
    """Return the ledger in words, as a sum: passed specs, other results, then specs that never ran."""
    if not ledger.planned:
        return f"{no_spec(reason_code)}."
    return f"Specs: {ledger.planned} planned = {_counts(ledger)}" + (
        f"; {ledger.flaky} flaky" if ledger.flaky else ""
    )


def _subrun_line(result: SubRunResult) -> str:
    counts = _counts(result.ledger) if result.ledger.planned else no_spec(result.reason["code"]).lower()
    return f"- {code_span(result.name)}: {result.phase}, {counts}"


def _counts(ledger: Ledger) -> str:
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


def host_check_line(run: Run, *, of_run: bool) -> str:
    """Return the hosts that the run is checked for, and the parts of its name that are not; `of_run`: for the run's message."""
    note = checked_hosts_note(run.request)
    if not run.request.requested_hosts:
        return code_free(f"Note: {note}")
    # A group is not checked for the hosts of the others.
    return code_free(
        note.replace("hosts checked", "Hosts checked" if of_run else "Hosts checked in the complete run", 1)
    )


def host_lines(hosts: tuple[HostResult, ...]) -> list[str]:
    """Return one line per host; if not all fit, the failing ones come first."""
    shown = hosts
    if len(hosts) > HOSTS_SHOWN:
        order = {"FAIL": 0, "RUN": 1, "PASS": 2}
        shown = tuple(sorted(hosts, key=lambda host: order[host.result])[:HOSTS_SHOWN])
    lines = [_host_line(host) for host in shown]
    if len(hosts) > len(shown):
        lines.append(f"- and {plural(len(hosts) - len(shown), 'more host')}")
    return lines


def outcome_words(result: str, detail: str) -> str:
    """Return a result as text: `PASS completed`, `FAIL failed`, `RUN/pending`."""
    return PHASE_WORDS[result].format(detail)


def _host_line(host: HostResult) -> str:
    kernel = code_span(host.kernel, 60) if host.kernel else "unknown"
    took = f", {format_duration(host.duration_s)}" if host.duration_s is not None else ""
    tests = f"{host.passing} of {plural(host.tests, 'test')} passed"
    return f"- {code_span(host.host, 60)} kernel {kernel}: **{outcome_words(host.result, host.detail)}**, {tests}{took}"


def failure_lines(specs: tuple[SpecResult, ...]) -> list[str]:
    """Return at most ten failing tests by name, with the first line of the error, and the number of all others.

    The number is taken from the counts: not every name is kept, and not every failing test has one.
    """
    failures: list[FailedTest] = [failure for spec in specs for failure in spec.failures]
    failing = sum(max(spec.failing, len(spec.failures)) for spec in specs)
    if not failures:
        return []
    lines = ["Failing tests:"]
    for failure in failures[:FAILURES_SHOWN]:
        error = f" - {code_span(failure.error, 100)}" if failure.error else ""
        lines.append(f"- {code_span(failure.title, 110)}{error}")
    more = failing - min(len(failures), FAILURES_SHOWN)
    return [*lines, f"- and {more} more"] if more else lines


def note_lines(reports: tuple[str, ...], others: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the notes about reports that come first, and the others: six in all, and the number of those left out."""
    first = reports[:REPORT_NOTES_SHOWN]
    rest = [note for note in dict.fromkeys((*others, *reports)) if note not in first]
    shown = rest[: NOTES_SHOWN - len(first)]
    more = len(rest) - len(shown)
    lines = [_note_line(note) for note in shown]
    return [_note_line(note) for note in first], [*lines, f"Note: and {more} more"] if more else lines


def has_note(payload: str, note: str) -> bool:
    """Return whether a post, as JSON text, shows this note."""
    return _note_line(note) in str(msgspec.json.decode(payload)["text"]).splitlines()


def _note_line(note: str) -> str:
    return f"Note: {code_free(note)}"


def _times(run: Run, started: datetime | None, finished: datetime | None) -> str:
    parts = []
    if started is not None and not run.request.offline:
        parts.append(f"started {local_text(started, run.utc_offset_s)}")
    if finished is not None and not run.request.offline:
        parts.append(f"ended {local_text(finished, run.utc_offset_s)}")
        if started is not None:
            parts.append(f"took {format_duration(max(0.0, (finished - started).total_seconds()))}")
    return ", ".join(parts)


def _fields(run: Run, times: str) -> list[dict[str, object]]:
    about: Metadata = run.request.metadata
    config = " / ".join(code_span(text) for text in (about.config_family, about.config_file) if text)
    pairs = (
        ("Template", code_span(about.template) if about.template else ""),
        ("Config", config),
        ("Migration style", code_span(about.migration_style) if about.migration_style else ""),
        ("Integration plugin", code_span(about.integration_plugin) if about.integration_plugin else ""),
        ("Scope", code_span(about.scope_description, 200) if about.scope_description else ""),
        ("Time", times),
        (
            "Where to look",
            f"{code_span('atvm-pipeline explain ' + (run.request.build_name or 'BUILD'))}, log {code_span(run.request.log_path, 200)}",
        ),
    )
    return [{"short": False, "title": title, "value": value} for title, value in pairs if value]


def _payload(run: Run, phase: str, lines: list[str], times: str, key: str) -> str:
    delivery = delivery_id(key)
    attachment = {
        "fallback": f"delivery {delivery}",
        "color": COLOURS.get(phase, NEUTRAL),
        "fields": _fields(run, times),
        "footer": f"run {run.request.run_id}, delivery {delivery}",
    }
    props = {"atvm_run_id": run.request.run_id, "atvm_delivery_id": delivery}
    return _encode({"text": _bounded(lines), "props": props, "attachments": [attachment]})


def _bounded(lines: list[str]) -> str:
    """Return the lines as one text; if it would be too long in characters or bytes, it ends at a line with a remark."""
    text = ""
    for line in lines:
        longer = f"{text}\n{line}" if text else line
        if len(longer) > TEXT_MAX_CHARS or len(longer.encode()) > TEXT_MAX_BYTES:
            return text + "\n- (cut here; the state files have the complete text)"
        text = longer
    return text


def _encode(body: object) -> str:
    return msgspec.json.encode(body, order="deterministic").decode()
