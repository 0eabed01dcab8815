"""Senders for archived runs whose messages are not delivered. A start starts them and does not depend on them."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Self

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.text import plural
from atvm_pipeline.shell.config.settings import state_root_option
from atvm_pipeline.shell.state_dir.archive import ArchivedRun
from atvm_pipeline.shell.state_dir.archived_messages import archived_messages
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.state_dir.run_address import address_of, archived_runs
from atvm_pipeline.shell.supervisor import Supervisor
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.typed_command import typed_command

SENDERS_MAX = 5
"""Senders of one build at a time. One that has ended continues with the next archived run of its build."""
SENDER_WAIT_S = 5.0


class Senders:
    """The senders of one build that a start has started; the end of `with Senders(...):` reports those that failed."""

    def __init__(self, supervisor: Supervisor, environ: Mapping[str, str]) -> None:
        """Create the object; nothing is started yet. `environ` has the settings and the secrets."""
        self._supervisor, self._environ = supervisor, environ
        self._started: list[Paths] = []
        self._root: list[str] = []
        """The option that names the state root in a command."""

    def start(self, current: Paths, archived: ArchivedRun | None) -> None:
        """Start a sender for the run that was just archived, and for earlier ones whose sender is gone; log each.

        Never raises: the new run does not depend on it.
        """
        self._root = state_root_option(self._environ, current.state_root)
        if archived is not None:
            if archived.problem:
                log(f"notice: {archived.problem}; its files are in {archived.paths.folder}")
            if archived.waiting:
                self._start(archived.paths, archived.waiting, "the previous run", dropped=archived.cancelled)
        with contextlib.suppress(OSError):
            for found in archived_messages(current.state_root, current.build_name):
                is_new = archived is not None and found.paths.folder == archived.paths.folder
                if found.waiting and not found.sending and not is_new:
                    self._start(found.paths, len(found.waiting), "an earlier run", dropped=False)

    def _start(self, paths: Paths, waiting: int, of: str, *, dropped: bool) -> None:
        address = address_of(paths)
        messages = f"{plural(waiting, 'message')} of {of} {'is' if waiting == 1 else 'are'}"
        them = "it" if waiting == 1 else "them"
        what = (
            f"dropped, because that run was cancelled ({address})"
            if dropped
            else f"not delivered yet; a sender of its own delivers {them}, see: {self._command('status', address)}"
        )
        log(f"notice: {messages} {what}")
        if not may_start(paths, self._started):
            log(
                f"notice: {SENDERS_MAX} senders of this build are running; one of them continues with {address}"
            )
            return
        try:
            self._supervisor.start_watcher(paths, self._environ)
        except OSError as error:
            self._log_failure(paths, error.strerror or str(error))
        except ConfigError as error:
            self._log_failure(paths, str(error))
        else:
            self._started.append(paths)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.report_failures()

    def report_failures(self) -> None:
        """Log each sender that has ended without delivering anything."""
        for paths in self._started:
            with contextlib.suppress(OSError):
                request = read_record(paths.request, Request)
                run_id = request.run_id if request is not None else ""
                reason = self._supervisor.wait_until_watching(paths, run_id, SENDER_WAIT_S)
                if reason is not None:
                    self._log_failure(paths, f"{reason}; see {paths.watcher_log}")

    def _log_failure(self, paths: Paths, reason: str) -> None:
        step = self._command("deliver", address_of(paths), "--background")
        log(f"warning: the sender of these messages did not start: {reason}; start it with: {step}")

    def _command(self, *words: str) -> str:
        return typed_command("atvm-pipeline", *words, *self._root)


def may_start(paths: Paths, started: Iterable[Paths] = ()) -> bool:
    """Return whether the build of an archived run may have one more sender; `started` may not hold their locks yet."""
    running = {run.folder for run in started if run.build_name == paths.build_name}
    for run in archived_runs(paths.state_root, paths.build_name):
        if is_locked(run.watcher_lock):
            running.add(run.folder)
    return len(running) < SENDERS_MAX
