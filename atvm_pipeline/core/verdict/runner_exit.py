"""How the end of the runner decides a run: its exit code or signal, systemd's result, or that it vanished."""

from atvm_pipeline.core.events import RunnerExited, StopRequest
from atvm_pipeline.core.local_time import local_text
from atvm_pipeline.core.reason_parts import log_evidence, make_reason
from atvm_pipeline.core.state import Evidence, Reason, Run
from atvm_pipeline.core.text import one_line

from .exit_code_text import CRASHES, SHELL_SIGNAL_BASE, SIGNAL_NAMES, code_text
from .log_quotes import and_last_lines
from .quiet_log import log_kind
from .run_context import RunContext, has_unfinished
from .subrun_context import (
    hosts_not_begun,
)

OUTSIDE_RESULTS = frozenset({"signal", "core-dump", "watchdog", "timeout"})
"""systemd service results that mean an end from outside (systemd.exec(5), $SERVICE_RESULT)."""


STOP_TEXT_CHARS_MAX = 200
"""Limit for user and reason of a requested stop in a sentence."""
STOP_MARKER: Evidence = {"kind": "marker", "path": "stop.json"}


def ended_externally(case: RunContext) -> Reason | None:
    """Return the reason if the runner was ended from outside, or disappeared without a record before everything had finished."""
    run = case.run
    if run.exit is not None:
        return _outside_exit(case, run.exit)
    if run.vanished is None:
        return None
    at: list[Evidence] = [{"kind": "process", "pid": run.runner.pid if run.runner is not None else None}]
    at += log_evidence(run, run.log.end)
    if run.vanished.stop_requested:
        # As with an exit record: the request ended the runner, whether or not it had finished.
        return _stopped(run, at, run.vanished.stop)
    if not (has_unfinished(case) or hosts_not_begun(run, case.results)):
        return None
    if run.vanished.rebooted:
        return make_reason("host-rebooted", at)
    return and_last_lines(run, make_reason("runner-vanished", at))


def _stopped(run: Run, evidence: list[Evidence], stop: StopRequest | None) -> Reason:
    """Return the reason for a requested stop: who requested it, when and why, if the journal has that."""
    detail = ""
    if stop is not None:
        at = local_text(stop.requested_at, run.utc_offset_s)
        why = f": {one_line(stop.why, STOP_TEXT_CHARS_MAX)}" if stop.why else ""
        detail = f" ({one_line(stop.who, STOP_TEXT_CHARS_MAX) or 'unknown user'}, {at}{why})"
    return make_reason("runner-stopped", [*evidence, STOP_MARKER], detail=detail)


def _outside_exit(case: RunContext, exit_: RunnerExited) -> Reason | None:
    record = exit_evidence(exit_)
    if exit_.stop_requested:
        return _stopped(case.run, record, exit_.stop)
    if exit_.service_result == "oom-kill":
        return make_reason("out-of-memory", record)
    if exit_.signal is not None:
        return _signalled(record, exit_.signal, f"signal {exit_.signal}")
    if exit_.service_result in OUTSIDE_RESULTS:
        return make_reason("runner-signalled", record, detail=f"systemd ({exit_.service_result})")
    code = exit_.exit_code
    number = code - SHELL_SIGNAL_BASE if code is not None else 0
    incomplete = has_unfinished(case) or bool(hosts_not_begun(case.run, case.results))
    if number in SIGNAL_NAMES and incomplete and _failing_tests(case) % 256 != code:
        # Cypress exits with the number of failing tests, truncated to 8 bits.
        detail = (
            f"{SIGNAL_NAMES[number]} (exit code {code}, as a shell reports it, before everything had run)"
        )
        return and_last_lines(case.run, make_reason("runner-signalled", record, detail=detail))
    return None


def _signalled(record: list[Evidence], signal: str, detail: str) -> Reason:
    """Return the reason for a signal that ended the runner; a signal of a crash was not sent from outside."""
    if signal in CRASHES:
        return Reason(
            code="runner-signalled", text=f"The runner crashed with {detail}.", evidence=tuple(record)
        )
    return make_reason("runner-signalled", record, detail=detail)


def exit_evidence(exit_: RunnerExited) -> list[Evidence]:
    """Return the exit record as evidence."""
    return [
        {"kind": "exit", "path": "runner-exit.json", "exit_code": exit_.exit_code, "signal": exit_.signal}
    ]


def _failing_tests(case: RunContext) -> int:
    return sum(spec.failing for result in case.results for spec in result.specs)


def run_exit(case: RunContext) -> Reason | None:
    """Return the reason if the runner's exit code is not 0, or if systemd reports a failure."""
    exit_ = case.run.exit
    if exit_ is None:
        return None
    code: object = exit_.exit_code
    if code is None and exit_.service_result not in (None, "success"):
        code = f"unknown ({exit_.service_result})"
    if not code:
        return None
    passed = any(result.ledger.passed for result in case.results)
    ran = "although everything that ran had passed" if passed else "before Cypress ran any test"
    if log_kind(case.run) is not None:
        ran = "and the log does not show the results of its specs"
    found = make_reason("runner-failed", exit_evidence(exit_), exit=code_text(code), ran=ran)
    last = max((child.offset for subrun in case.run.subruns for child in subrun.children), default=0)
    return and_last_lines(case.run, found, last)
