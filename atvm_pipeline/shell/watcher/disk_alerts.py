"""Alerts about a disk that refuses the watcher's writes, past the outbox, which could not record them; and their end."""

import threading
from collections.abc import Mapping

from atvm_pipeline.core.events import WriteRefused
from atvm_pipeline.shell.delivery.alerts import ARRIVED, Outcome, send_alert_in_background
from atvm_pipeline.shell.state_dir.records import Request
from atvm_pipeline.shell.system import sd_notify

DISK_ALERTS_MAX = 5
"""Alerts about the disk that one watcher sends; the last one is followed by no all-clear."""


class DiskAlerts:
    """The alerts of one watcher about its disk."""

    def __init__(self, build_name: str, request: Request, environ: Mapping[str, str]) -> None:
        """Create it; nothing is sent yet."""
        self._build_name, self._request, self._environ = build_name, request, environ
        self._lock = threading.Lock()
        self._number = 0
        self._outcome: Outcome | None = None
        """The outcome of the alert about the present refusal, once it is known."""
        self._is_alerted = False
        self._clear: str | None = None
        """The all-clear that waits until the alert has arrived."""

    def refused(self, text: str) -> None:
        """Report a refusal immediately, to systemd and to the alert channel. A repeated alert does no harm."""
        sd_notify.status(text)
        if self._number >= DISK_ALERTS_MAX:
            return
        self._number += 1
        with self._lock:
            self._outcome, self._is_alerted, self._clear = None, True, None
        self._send(text, f"refused{self._suffix()}", follow=True)

    def recovered(self, event: WriteRefused) -> None:
        """Report the end of a refusal to the readers of its alert, once that alert has arrived."""
        if not self._is_alerted or self._number >= DISK_ALERTS_MAX:
            return
        with self._lock:
            self._is_alerted = False
            self._clear = f"all clear: the disk accepts writes again ({event.path})"
        self._send_clear()

    def _on_outcome(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcome = outcome
        self._send_clear()

    def _send_clear(self) -> None:
        with self._lock:
            text = self._clear if self._outcome in ARRIVED else None
            if text is None:
                return
            self._clear = None
        self._send(text, f"accepted{self._suffix()}", follow=False)

    def _suffix(self) -> str:
        return "" if self._number == 1 else f"/{self._number}"

    def _send(self, text: str, code: str, *, follow: bool) -> None:
        send_alert_in_background(
            self._build_name,
            self._request,
            self._environ,
            text,
            key=f"{self._request.run_id}/alert/{code}",
            on_outcome=self._on_outcome if follow else lambda _outcome: None,
        )
