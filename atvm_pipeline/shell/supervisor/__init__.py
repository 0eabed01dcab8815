"""Process supervision: systemd units, or detached processes when systemd is not available."""

from atvm_pipeline.shell.exit_codes import UNAVAILABLE, CommandError

from .base import Supervisor
from .local import Local
from .systemd import Systemd, usable

__all__ = ["Local", "Supervisor", "Systemd", "choose"]


def choose(name: str = "auto") -> Supervisor:
    """Return the supervisor of that name; `auto`: systemd if it runs and has the units. Raises CommandError (69)."""
    if name == "local":
        return Local()
    if usable():
        return Systemd()
    if name == "systemd":
        raise CommandError(
            UNAVAILABLE,
            "systemd cannot be used: it must be PID 1 and have the units atvm-run-watcher@ and atvm-runner@ "
            "(install-atvm-watcher-service.sh), and this command must run as root; or use --supervisor local",
        )
    return Local()
