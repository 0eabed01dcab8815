"""Tell systemd how we are (sd_notify(3)): a datagram to `$NOTIFY_SOCKET`.  Without that variable, nothing happens.

Telling never fails: a service manager that does not listen must not stop a watcher.
"""

import contextlib
import os
import socket

from atvm_pipeline.core.text import one_line

from . import clock

STATUS_CHARS_MAX = 400
PING_APART_S = 1.0
"""The loop may turn thousands of times in a second; systemd wants a word once in a while."""

EXTENDED_S = 120
"""How long systemd waits for the next word of a watcher that is not ready yet."""

_last_ping_s = float("-inf")
_is_ready = False


def ready() -> None:
    """The first look at everything is done."""
    global _is_ready  # noqa: PLW0603 - one process is one service, and tells one service manager
    _is_ready = True
    _send("READY=1")


def status(text: str) -> None:
    """One line for `systemctl status`."""
    _send("STATUS=" + one_line(text, STATUS_CHARS_MAX))


def watchdog() -> None:
    """The loop has got on (`WatchdogSec=`): called by what decides, never by a timer.  At most one word in a second.

    Until it is ready, the same word puts off the end of `TimeoutStartSec=`: a log of gigabytes takes its time, and so does
    a full disk until somebody makes room.
    """
    global _last_ping_s  # noqa: PLW0603 - one process is one service, and tells one service manager
    now_s = clock.monotonic()
    if now_s - _last_ping_s >= PING_APART_S:
        _last_ping_s = now_s
        _send("WATCHDOG=1" if _is_ready else f"WATCHDOG=1\nEXTEND_TIMEOUT_USEC={EXTENDED_S * 1_000_000}")


def stopping() -> None:
    """We are about to end."""
    _send("STOPPING=1")


def _send(text: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    # sd_notify(3): a path, or @ for the abstract namespace; anything else is not ours to speak to.
    if not address.startswith(("/", "@")):
        return
    name = "\0" + address[1:] if address[0] == "@" else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(text.encode("utf-8", "replace"), name)
