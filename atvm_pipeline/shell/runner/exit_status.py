"""`ExecStopPost=` of the runner's unit: adds systemd's result to the exit record, or creates that record."""

from collections.abc import Mapping

from msgspec.structs import replace

from atvm_pipeline.shell.exit_codes import IN_USE
from atvm_pipeline.shell.state_dir.records import (
    ExitRecord,
    Paths,
    Request,
    RunnerRecord,
    read_record,
    write_record,
)
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import is_locked

from .oom_kills import oom_kills

EXEC_FAILED = range(200, 250)
"""systemd's own exit codes: the program was not even started (systemd.exec(5), Process Exit Codes)."""
RESULT_WORD_CHARS_MAX = 40
OOM_KILL = "oom-kill"
"""systemd's term; the wrapper uses it too if systemd was configured to continue (`OOMPolicy=continue`)."""


def note_service_result(paths: Paths, environ: Mapping[str, str]) -> None:
    """Add `$SERVICE_RESULT` to `runner-exit.json`; create that file only if it is missing.

    A missing file means that the wrapper was ended before it could write. Nothing is changed if the unit's process was
    refused, because that is not the result of the run. Raises OSError.
    """
    result = environ.get("SERVICE_RESULT", "")[:RESULT_WORD_CHARS_MAX]
    code, signal = _status(environ)
    request = read_record(paths.request, Request)
    if not result or request is None or code == IN_USE or is_locked(paths.runner_lock):
        return
    record = read_record(paths.runner_exit, ExitRecord, request.run_id)
    if record is not None:
        if record.service_result is None:
            write_record(paths.runner_exit, replace(record, service_result=result))
        return
    runner = read_record(paths.runner, RunnerRecord, request.run_id)
    if signal == "SIGKILL" and oom_kills() > 0:
        # The control group belongs to this run: it is created when the unit starts.
        result = OOM_KILL
    error = None
    if runner is None:
        how = f"signal {signal}" if signal else f"exit code {code}"
        error = f"the runner's service ended before it could start the command ({result}, {how})"
    elif code in EXEC_FAILED:
        error = f"systemd could not start the runner's service (exit code {code})"
    write_record(
        paths.runner_exit,
        ExitRecord(
            build_name=request.build_name,
            run_id=request.run_id,
            exit_code=code if error is None else None,
            signal=signal if error is None else None,
            service_result=result,
            error=error,
            started_at=runner.started_at if runner is not None else None,
            finished_at=clock.now(),
        ),
    )


def _status(environ: Mapping[str, str]) -> tuple[int | None, str | None]:
    """Return `$EXIT_CODE` and `$EXIT_STATUS` (systemd.exec(5)) as exit code and signal name."""
    kind, status = environ.get("EXIT_CODE", ""), environ.get("EXIT_STATUS", "")[:RESULT_WORD_CHARS_MAX]
    if kind == "exited" and status.isdecimal():
        return int(status), None
    if kind in ("killed", "dumped") and status:
        return None, status if status.startswith("SIG") else f"SIG{status}"
    return None, None
