"""Rendering of a sub-run, a run or an alert as the body of a Mattermost post (docs/status-template.md).

The body has no channel and no secret. It stays below the sizes at which the server splits a post. It is rendered within
the fold, so that the journal proves which text was sent.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal

import msgspec

from atvm_pipeline.core.reason_parts import gap_notes
from atvm_pipeline.core.results import Ledger, SubRunResult
from atvm_pipeline.core.state import Run, Verdict
from atvm_pipeline.core.text import code_span, one_line
from atvm_pipeline.core.verdict.log_quotes import split_last_lines
from atvm_pipeline.core.verdict.quiet_log import log_kind
from atvm_pipeline.core.verdict.report_notes import run_report_notes, subrun_report_notes
from atvm_pipeline.core.verdict.subrun_context import hosts_without_spec, run_ledger

from .markdown import code_free
from .request_lines import request_lines, where_to_look
from .text_lines import (
    failure_lines,
    flaky_lines,
    group_line,
    head_line,
    host_check_lines,
    host_lines,
    log_lines,
    note_line,
    note_lines,
    subrun_lines,
    why_lines,
)

TEXT_MAX_CHARS = 3_600
"""Servers with an old database split a text at 4000 characters; the mark of a repeat is added to the text."""
BODY_MAX_BYTES = 14_500
"""Keeps a body below 16 kB with the mark of a repeat and a channel. The attachment's values are bounded one by one."""
FALLBACK_CHARS_MAX = 200
COLOURS = {"COMPLETED": "#2e7d32", "FAILED": "#c62828"}
NEUTRAL = "#757575"
ALL_CLEAR = "ALL CLEAR"
"""The word of an alert about the end of an earlier one."""
Mark = Literal["may-have-arrived", "arrived", "not-arrived"]
MARKS: dict[Mark, str] = {
    "may-have-arrived": "**Possible duplicate** of delivery `{delivery}`: an earlier attempt may have arrived.",
    "arrived": "**Possible duplicate** of delivery `{delivery}`: it arrived before and is repeated by hand.",
    "not-arrived": "**Sent again by hand**, delivery `{delivery}`: no earlier attempt arrived.",
}
"""Whether an earlier attempt of a repeat arrived -> the mark of the repeat."""
_MARKUP = re.compile(r"\*\*|`|\\([\\`*_~\[\]#|])")
"""Formatting of this program's own lines, and escaped characters."""


def delivery_id(key: str) -> str:
    """Return the short name of a delivery. All repeats have the same one, so that a reader can recognise a duplicate."""
    return sha256(key.encode()).hexdigest()[:12]


def subrun_payload(run: Run, result: SubRunResult, key: str) -> str:
    """Return the post of one sub-run that ended, as JSON text."""
    categorized = run.request.categorized
    # The only post of a run that is not categorized shows the run's counts.
    ledger = result.ledger if categorized else run_ledger(run, (result,))
    text, last = split_last_lines(run, result.reason["text"])
    took_s = _took_s(run, (result,), result.finished_at)
    lines = [head_line(result.phase, result.name, "", took_s)]
    lines += why_lines(text, _code(run, result.reason["code"], ledger), ledger, result.specs)
    lines += [group_line(run, result)] if categorized else []
    lines += host_check_lines(run, lines)
    reports = subrun_report_notes(run, result.index)
    if not categorized:
        reports += run_report_notes(run)
    # Notes about unused evidence come above the hosts, where they are never cut; then a gap in the log.
    first, more = note_lines(reports, (*gap_notes(run), *result.notes, *run.request.notes))
    idle = () if categorized or log_kind(run) is not None else hosts_without_spec(run, (result,))
    lines += [*first, *host_lines(run, result.hosts, idle), *failure_lines(result.specs), *log_lines(last)]
    lines += [*flaky_lines(result.specs), *more]
    about = _attachment(run, (result.started_at, result.finished_at), result.recorded_url)
    return _payload(run, result.phase, lines, about, key)


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
    text, last = split_last_lines(run, sentence)
    name = run.request.build_name or "run"
    took_s = _took_s(run, results, verdict.finished_at)
    lines = [head_line(verdict.phase, name, " (the complete run)", took_s)]
    specs = [spec for result in results for spec in result.specs]
    code = _code(run, verdict.reason.code, verdict.ledger)
    lines += why_lines(text, code, verdict.ledger, specs)
    lines += [*host_check_lines(run, lines), *subrun_lines(results), *log_lines(last)]
    first, more = note_lines(run_report_notes(run), notes)
    lines += [*first, *more]
    started = results[0].started_at if results else None
    urls = [result.recorded_url for result in results if result.recorded_url]
    about = _attachment(run, (started, verdict.finished_at), urls[-1] if urls else None)
    return _payload(run, verdict.phase, lines, about, key)


def alert_payload(run: Run, text: str, key: str, *, word: str) -> str:
    """Return one line for the alert channel, as JSON text."""
    request = run.request
    return alert_line(
        request.build_name or "run", request.run_id, text, key, controller=request.controller, word=word
    )


def alert_line(
    build_name: str,
    run_id: str,
    text: str,
    key: str,
    *,
    controller: str | None = None,
    word: str = "ATTENTION",
) -> str:
    """Return one line for the alert channel, for a run whose state may be unreadable; `word` names the event."""
    where = f" on {code_span(controller)}" if controller else ""
    sign = ":white_check_mark:" if word == ALL_CLEAR else ":warning:"
    line = f"{sign} **{word}** {code_span(build_name)}{where}: {code_free(text)}"
    props = {"atvm_run_id": run_id, "atvm_delivery_id": delivery_id(key)}
    return _encode({"text": line[:TEXT_MAX_CHARS], "props": props})


def marked(payload: str, mark: Mark = "may-have-arrived") -> str:
    """Return the post with a first line that marks it as a repeat, with the reason."""
    body = msgspec.json.decode(payload)
    delivery = body.get("props", {}).get("atvm_delivery_id", "")
    body["text"] = f":warning: {MARKS[mark].format(delivery=delivery)}\n{body['text']}"
    return _encode(body)


def has_note(payload: str, note: str) -> bool:
    """Return whether a post, as JSON text, shows this note."""
    return note_line(note) in str(msgspec.json.decode(payload)["text"]).splitlines()


def _code(run: Run, code: str, ledger: Ledger) -> str:
    """Return the code that explains the counts: a log without results names no spec, but one may have run."""
    return code if ledger.planned or log_kind(run) is None else "no-summary"


def _took_s(run: Run, results: Sequence[SubRunResult], finished: datetime | None) -> float | None:
    """Return how long these sub-runs took; a watcher that joined a run may have read hours of its log at once."""
    started = results[0].started_at if results else None
    if run.request.offline or started is None or finished is None:
        return None
    specs = [spec.duration_s or 0.0 for result in results for spec in result.specs]
    return max((finished - started).total_seconds(), 0.0 if len(run.streams) > 1 else sum(specs))


def _attachment(
    run: Run, times: tuple[datetime | None, datetime | None], url: str | None
) -> dict[str, object]:
    return {
        "text": request_lines(run, *times),
        "fields": [{"short": False, "title": "Where to look", "value": where_to_look(run, url)}],
    }


def _payload(run: Run, phase: str, lines: list[str], about: dict[str, object], key: str) -> str:
    delivery = delivery_id(key)
    attachment = {
        **about,
        "fallback": _fallback(lines),
        "color": COLOURS.get(phase, NEUTRAL),
        "footer": f"run {run.request.run_id}, delivery {delivery}",
    }
    props = {"atvm_run_id": run.request.run_id, "atvm_delivery_id": delivery}
    body = {"text": "", "props": props, "attachments": [attachment]}
    return _encode({**body, "text": _bounded(lines, BODY_MAX_BYTES - len(_encode(body).encode()))})


def _fallback(lines: list[str]) -> str:
    """Return outcome and reason as plain text, for a client that shows no attachment."""
    outcome, why = (_MARKUP.sub(r"\1", line) for line in lines[:2])
    return one_line(f"{outcome}: {why}", FALLBACK_CHARS_MAX)


def _bounded(lines: list[str], max_bytes: int) -> str:
    """Return the lines as one text; if it would be too long in characters or bytes, it ends at a line with a remark."""
    text = ""
    for line in lines:
        longer = f"{text}\n{line}" if text else line
        if len(longer) > TEXT_MAX_CHARS or len(_encode(longer).encode()) > max_bytes:
            return text + "\n- (cut here; the state files have the complete text)"
        text = longer
    return text


def _encode(body: object) -> str:
    return msgspec.json.encode(body, order="deterministic").decode()
