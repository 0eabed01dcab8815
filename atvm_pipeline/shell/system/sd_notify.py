"""Service status for systemd (sd_notify(3)): a datagram to `$NOTIFY_SOCKET`; without that variable, nothing is sent.

Sending never fails: a service manager that does not listen must not stop a watcher.
"""

import contextlib
import os
import socket

from atvm_pipeline.core.text import one_line

from . import clock

STATUS_CHARS_MAX = 400
PING_APART_S = 1.0
"""The loop may run thousands of times a second, but systemd needs only one notification now and then."""

EXTENDED_S = 120
"""How long systemd waits for the next notification of a watcher that is not ready yet."""

_last_ping_s = float("-inf")
_is_ready = False


def ready() -> None:
    """Report that the first scan of all sources is done."""
    global _is_ready  # noqa: PLW0603 - one process is one service of one service manager
    _is_ready = True
    _send("READY=1")


def status(text: str) -> None:
    """Send one line for `systemctl status`."""
    _send("STATUS=" + one_line(text, STATUS_CHARS_MAX))


def watchdog() -> None:
    """Report progress of the loop (`WatchdogSec=`), at most once a second.

    Called by the deciding thread, never by a timer. Until the watcher is ready, the same datagram extends
    `TimeoutStartSec=`: reading a log of gigabytes takes time, and so does waiting until the operator frees space on a
    full disk.
    """
    global _last_ping_s  # noqa: PLW0603 - one process is one service of one service manager
    now_s = clock.monotonic()
    if now_s - _last_ping_s >= PING_APART_S:
        _last_ping_s = now_s
        _send("WATCHDOG=1" if _is_ready else f"WATCHDOG=1\nEXTEND_TIMEOUT_USEC={EXTENDED_S * 1_000_000}")


def stopping() -> None:
    """Report that this process is about to end."""
    _send("STOPPING=1")


def _send(text: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    # sd_notify(3): a path, or @ for the abstract namespace; any other address is not supported.
    if not address.startswith(("/", "@")):
        return
    name = "\0" + address[1:] if address[0] == "@" else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(text.encode("utf-8", "replace"), name)
