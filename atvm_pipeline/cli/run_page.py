"""The page of one run that `status BUILD` prints: the verdict first, then everything that an operator asks next."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from atvm_pipeline.core.text import one_line, plural, printable
from atvm_pipeline.shell.state_dir.disk_state import disk_problem
from atvm_pipeline.shell.state_dir.reader import posts_of, posts_pending, read_object
from atvm_pipeline.shell.system.files import open_regular
from atvm_pipeline.shell.system.tail_lines import last_lines

from .run_state import Call, ShownRun, problems, storage_concern
from .run_table import failing_words, last_activity, running_specs
from .terminal import style, wrapped
from .times import ago, elapsed, local_clock, local_time, moment
from .views import GAP, attentions, ledger_line, message_words, subrun_parts

LABEL_COLUMNS = 15
"""Columns of a label with its colon; the longest is `hosts checked:`."""
RUNNING_SHOWN_MAX = 5
FLAKY_SHOWN_MAX = 10
ENTRY_CHARS_MAX = 1000
COMMANDS = ("fix", "send again", "explain", "log")
"""Labels of commands: each is a line of its own, so that it can be copied."""
Entry = tuple[str, str]
"""A label, and a text."""


def run_page(run: ShownRun, call: Call, columns: int | None) -> list[str]:
    """Return the lines of the page. `columns`: wrap at this width; None wraps nothing."""
    assert run.state is not None
    state, phase = run.state, run.phase
    failing = ", failing" if state.get("failing") and not run.has_ended else ""
    archived = " (archived)" if run.paths.is_archived else ""
    lines = [f"{style(run.address, 'strong')}: {style(phase, phase)}{style(failing, 'failed')}{archived}"]
    for label, text in (*_verdict(run, call), *_times(run, call), *_specs(state)):
        lines += _entry(label, text, columns)
    lines += _subruns(state, columns)
    for label, text in (*_messages(run, call), *_place(run, call)):
        lines += _entry(label, text, columns)
    return lines


def state_page(state: dict[str, Any], title: str, columns: int | None) -> list[str]:
    """Return the lines of the page of a state alone, as `inspect` and `replay` print it: without processes and files."""
    phase = printable(state["phase"])
    reason = state["reason"]
    lines = [f"{style(printable(title), 'strong')}: {style(phase, phase)}"]
    notes = [("attention", text) for text in attentions(state)]
    notes += [("note", note) for note in state.get("notes", ()) if note not in attentions(state)]
    for label, text in (("why", f"{reason['text']} ({reason['code']})"), *notes, *_specs(state)):
        lines += _entry(label, text, columns)
    lines += _subruns(state, columns)
    return [*lines, *(_entry("closing", message_words(state["post"]), columns) if state["post"] else [])]


def _subruns(state: dict[str, Any], columns: int | None) -> list[str]:
    lines: list[str] = []
    for head, facts in subrun_parts(state):
        lines += _subrun(printable(head), printable(facts), columns)
    return lines


def _subrun(head: str, facts: str, columns: int | None) -> list[str]:
    """Return a line about a sub-run; its counts take a line of their own where both do not fit into one."""
    line = f"  {head}{GAP}{facts}" if facts else f"  {head}"
    if columns is None or len(line) <= columns or head.lstrip().startswith("recorded: "):
        # An address is a line of its own, so that it can be copied.
        return [line]
    indent = " " * (len(head) - len(head.lstrip()) + 2)
    if not facts:
        return wrapped(line, columns, first=indent, rest=f"{indent}    ")
    indent = " " * 9
    return [f"  {head}".rstrip(), *wrapped(facts, columns, first=indent, rest=indent)]


def _entry(label: str, text: str, columns: int | None) -> list[str]:
    head = f"  {label + ':':<{LABEL_COLUMNS}}"
    shown = one_line(text, ENTRY_CHARS_MAX)
    if columns is None or label in COMMANDS:
        return [head + shown]
    lines = wrapped(shown, columns, first=head, rest=" " * len(head))
    return [style(line, "warning") for line in lines] if label in ("attention", "problem") else lines


def _verdict(run: ShownRun, call: Call) -> Iterator[Entry]:
    state = run.state or {}
    reason = state["reason"]
    if state.get("failing") and not run.has_ended:
        yield "why", failing_words(state).removeprefix("failing: ")
    else:
        yield "why", f"{reason['text']} ({reason['code']})" if run.has_ended else reason["text"]
    disk = disk_problem(run.paths.state_root)
    if disk and not run.paths.is_archived:
        keeps = "; the watcher keeps its results in memory until there is room" if run.live["watcher"] else ""
        yield "problem", f"{disk}{keeps}"
    behind = storage_concern(run, call.now)
    if behind:
        yield "problem", behind
    if not posts_pending(state):
        yield from _problems(run, call, "problem")
    for text in attentions(state):
        yield "attention", text
    for note in state.get("notes", ()):
        if note not in attentions(state):
            yield "note", note


def _problems(run: ShownRun, call: Call, label: str) -> Iterator[Entry]:
    for text, fix in problems(run.paths, run.state or {}, call):
        yield label, text
        if fix:
            yield "fix", fix


def _times(run: ShownRun, call: Call) -> Iterator[Entry]:
    state, now = run.state or {}, call.now
    started, ended = moment(state.get("started_at")), moment(state.get("finished_at"))
    if started is not None:
        yield "started", f"{local_time(started)}{'' if ended else f', {ago(started, now)}'}"
    if ended is not None:
        took = f" after {elapsed(started, ended)}" if started is not None else ""
        yield "ended", f"{local_time(ended)}{took}, {ago(ended, now)}"
    elif (active := last_activity(run)) is not None:
        line = _last_line(run)
        yield "last activity", f"{ago(active, now)}{f'; last line of the log: {line}' if line else ''}"
    if not run.has_ended:
        yield from _running(state, now)


def _last_line(run: ShownRun) -> str:
    """Return the last line of the runner's log that has words, or ""."""
    path = read_object(run.paths.request).get("log_path")
    if run.paths.is_archived or not isinstance(path, str):
        return ""
    try:
        file = open_regular(Path(path))
        if file is None:
            return ""
        with file:
            lines = reversed(last_lines(file.number))
            return next((line for line in lines if any(map(str.isalnum, line))), "")
    except (OSError, ValueError):
        return ""


def _running(state: dict[str, Any], now: datetime) -> Iterator[Entry]:
    running = running_specs(state)
    for spec, subrun in running[:RUNNING_SHOWN_MAX]:
        since = moment(spec.get("started_at"))
        when = f" since {local_clock(since, now)} ({elapsed(since, now)})" if since is not None else ""
        group = f", group {subrun['index']}" if state.get("categorized") else ""
        yield "running", f"{spec['spec']}{when}{group}"
    if len(running) > RUNNING_SHOWN_MAX:
        yield "running", f"and {plural(len(running) - RUNNING_SHOWN_MAX, 'more spec')}"


def _specs(state: dict[str, Any]) -> Iterator[Entry]:
    yield "specs", ledger_line(state)
    note = state.get("host_check_note", "")
    if note:
        label, colon, hosts = note.partition(": ")
        yield ("hosts checked", hosts) if colon and label == "hosts checked" else ("hosts", note)
    flaky = [
        f"{title} ({spec['spec']})"
        for subrun in state["subruns"]
        for spec in subrun["specs"]
        for title in spec.get("flaky_tests") or spec.get("flaky") or ()
    ]
    for text in flaky[:FLAKY_SHOWN_MAX]:
        yield "flaky", text
    if len(flaky) > FLAKY_SHOWN_MAX:
        yield "flaky", f"and {plural(len(flaky) - FLAKY_SHOWN_MAX, 'more test')}"


def _messages(run: ShownRun, call: Call) -> Iterator[Entry]:
    """Yield the messages that wait, and those that may not have been seen, each with the command that helps."""
    state = run.state or {}
    if state["post"] is not None:
        yield "closing", message_words(state["post"])
    if posts_pending(state):
        yield from _problems(run, call, "messages")
    for owner, post in posts_of(state):
        if post["outcome"] in ("rejected", "uncertain", "expired"):
            why = f": {post['detail']}" if post.get("detail") else ""
            yield "messages", f"{message_words(post)} ({owner}){why}"
            if owner != "an alert":
                number = [owner.removeprefix("sub-run ")] if owner.startswith("sub-run ") else []
                yield "send again", call.command("atvm-pipeline resend", run.address, *number)


def _place(run: ShownRun, call: Call) -> Iterator[Entry]:
    yield "processes", f"watcher: {_watcher(run)}, runner: {_runner(run)}"
    yield "run id", (run.state or {})["run_id"]
    yield "state", str(run.paths.folder)
    if run.has_ended:
        yield "explain", call.command("atvm-pipeline explain", run.address)
    yield "log", call.command("atvm-pipeline logs", run.address)


def _watcher(run: ShownRun) -> str:
    assert run.state is not None
    if run.live["watcher"]:
        return "sending messages" if run.paths.is_archived else "running"
    done = (run.has_ended or run.paths.is_archived) and not posts_pending(run.state)
    return "finished" if done else "not running"


def _runner(run: ShownRun) -> str:
    """Return whether the runner is running, else how it ended."""
    assert run.state is not None
    if run.live["runner"]:
        return "running"
    record = read_object(run.paths.runner_exit)
    if record.get("run_id") == run.state["run_id"]:
        if isinstance(record.get("error"), str):
            return f"not started ({record['error']})"
        if isinstance(record.get("signal"), str):
            return f"ended by {record['signal']}"
        if type(record.get("exit_code")) is int:
            return f"finished (exit code {record['exit_code']})"
    if run.facts.get("runner") is None and not run.paths.runner.exists():
        return "not started"
    return "finished (exit code unknown)" if run.has_ended else "not running"
