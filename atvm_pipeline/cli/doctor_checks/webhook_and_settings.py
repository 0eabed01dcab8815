"""Checks of secrets and settings: webhook, environment file, values, and on request a test message to the webhook.

No part of a secret is ever shown.
"""

import os
import socket
from pathlib import Path

import msgspec

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.text import one_line
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.config.known_settings import unknown_settings
from atvm_pipeline.shell.delivery.webhook import Webhook
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.io_errors import reason_of

from .finding import DoctorFinding, Where, bad, good

WEBHOOK = "MATTERMOST_ATVM_WEBHOOK"
CHANNELS = {"message": "MATTERMOST_ATVM_CHANNEL", "alert": "ATVM_WATCHER_ALERT_CHANNEL"}


def webhook(where: Where) -> list[DoctorFinding]:
    """Check that the webhook is set and well formed."""
    text = where.environ.get(WEBHOOK, "")
    fix = f"put {WEBHOOK}=https://<server>/hooks/<id> into {env.ENV_FILE} (mode 0600)"
    if not text.strip():
        why = "no message can be sent, and a start is refused"
        return bad("webhook", f"{WEBHOOK} is not set", why, fix)
    try:
        parsed = Webhook.parse(text)
    except ConfigError as error:
        return bad("webhook", str(error), "no message can be sent, and a start is refused", fix)
    if parsed.insecure:
        why = "the secret crosses the network in clear text"
        return bad("webhook", f"{parsed.place} is not encrypted", why, "use https")
    return good("webhook", f"well formed, at {parsed.place}")


def environment_file(where: Where) -> list[DoctorFinding]:
    """Check that only its owner can access the environment file."""
    check = "environment file"
    path = Path(where.environ.get("ATVM_WATCHER_ENV_FILE") or where.places.env_file)
    try:
        found = path.stat()
    except FileNotFoundError:
        return good(check, f"{path} does not exist; only the process environment is used")
    except OSError as error:
        return good(check, f"not checked: {path} cannot be accessed ({reason_of(error)})")
    if not path.is_file():
        return good(check, f"{path} is not a file and is not read")
    mode = found.st_mode & 0o777
    why = "other users could read or change the webhook's secret"
    if mode & 0o077:
        return bad(check, f"{path} has mode {mode:04o}", why, f"chmod 0600 {path}")
    if found.st_uid not in (0, os.geteuid()):
        return bad(check, f"{path} belongs to user {found.st_uid}", why, f"chown root: {path}")
    return good(check, f"{path} has mode {mode:04o}")


def values(where: Where) -> list[DoctorFinding]:
    """Check that every setting is valid."""
    try:
        env.settings(where.environ)
        env.keep(where.environ)
        env.keep_builds(where.environ)
        env.orphan_limit_s(where.environ)
    except ConfigError as error:
        return bad("settings", str(error), "a start is refused", "correct or unset the setting")
    unknown = unknown_settings(where.environ)
    if unknown:
        return bad(
            "settings", "; ".join(unknown), "the default is used instead", "correct the name, or unset it"
        )
    return good("settings", "all valid")


def post_test(where: Where) -> list[DoctorFinding]:
    """Send a marked message to each channel that is set, and report the outcomes."""
    from atvm_pipeline.core.effects import PostMessage
    from atvm_pipeline.shell.delivery.sender import performer, send_once

    try:
        parsed = Webhook.parse(where.environ.get(WEBHOOK, ""))
    except ConfigError as error:
        return bad("test message", str(error), "no message can be sent", "see the finding of the webhook")
    ca_file = where.environ.get("ATVM_WATCHER_CA_FILE")
    findings: list[DoctorFinding] = []
    for kind, name in CHANNELS.items():
        channel = where.environ.get(name) or None
        if kind == "alert" and channel is None:
            continue
        effect = PostMessage(key=f"doctor/{kind}", attempt=1, kind="main", payload=_test_payload(kind))
        attempt = send_once(effect, performer(parsed, {"main": channel}, ca_file))
        check = f"test {kind}"
        place = f"channel {one_line(channel, 60)}" if channel else "the webhook's own channel"
        if attempt.outcome == "sent":
            findings += good(check, f"sent to {place} at {parsed.place}")
        else:
            text = f"{attempt.outcome}: {attempt.detail}"
            why = "the messages of a run would have the same outcome"
            findings += bad(
                check, text, why, f"correct {WEBHOOK} or {name}, then: atvm-pipeline doctor --post-test"
            )
    return findings


def _test_payload(kind: str) -> str:
    host = one_line(socket.gethostname(), 60).replace("`", "'")
    now = clock.now().strftime("%Y-%m-%d %H:%M:%S UTC")
    text = (
        f":wrench: **Test {kind}** of `atvm-pipeline doctor` on `{host}` at {now}. It is not about any run."
    )
    return msgspec.json.encode({"text": text}).decode()
