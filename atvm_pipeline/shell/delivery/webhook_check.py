"""Check of the webhook before a run is started or a watcher is attached."""

import ssl
from collections.abc import Mapping

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import Settings
from atvm_pipeline.shell.exit_codes import BAD_CONFIG, CommandError
from atvm_pipeline.shell.system.io_errors import reason_of

from .webhook import Webhook


def check_webhook(environ: Mapping[str, str], settings: Settings) -> str | None:
    """Refuse a missing or malformed webhook; return a warning if it is not encrypted. Raises CommandError, ConfigError."""
    if not settings.post_phases and not settings.alerts:
        return None
    text = environ.get("MATTERMOST_ATVM_WEBHOOK", "")
    if not text.strip():
        raise CommandError(
            BAD_CONFIG,
            "MATTERMOST_ATVM_WEBHOOK is not set: put it into /etc/atvm-run-watcher.env (0600) or the environment, "
            "or set ATVM_WATCHER_POST_PHASES= to post nothing",
        )
    webhook = Webhook.parse(text)
    _check_ca_file(environ.get("ATVM_WATCHER_CA_FILE"))
    return f"the webhook at {webhook.place} is not encrypted (http)" if webhook.insecure else None


def _check_ca_file(path: str | None) -> None:
    if not path:
        return
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # includes ssl.SSLError
        why = "it contains no certificates" if isinstance(error, ssl.SSLError) else reason_of(error)
        raise ConfigError(
            f"cannot use the certificates in {path} ({why}): correct or unset ATVM_WATCHER_CA_FILE"
        ) from None
