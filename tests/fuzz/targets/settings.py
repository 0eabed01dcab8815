"""The readers of settings: environment files, numbers, lists, the webhook's address, build names, times.

Input: an environment file. Each of its values is tried in every place where a value may occur.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from atvm_pipeline.cli.commands.inspect import _signal, _time
from atvm_pipeline.cli.options import checked_build_name
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.hosts.host_names import valid_build_name
from atvm_pipeline.shell.config import settings
from atvm_pipeline.shell.config.env_file import read_env_file
from atvm_pipeline.shell.delivery.webhook import Webhook
from atvm_pipeline.shell.exit_codes import CommandError
from tests.fuzz import checks, scratch

MAX_LEN = 4096
SHORT_RUNS = 1000
NAMES = tuple(
    f"ATVM_WATCHER_{name}"
    for name in (
        "SETTLE_S",
        "QUIET_LIMIT_S",
        "STALL_LIMIT_S",
        "TOTAL_LIMIT_S",
        "KEEP",
        "POST_PHASES",
        "POST_UNCERTAIN",
        "SCOPE_DESCRIPTION",
    )
)
WORDS = (
    *(name.encode() + b"=" for name in NAMES),
    *(
        b"MATTERMOST_ATVM_WEBHOOK=",
        b"https://",
        b"http://",
        b"/hooks/",
        b"[::1]",
        b"127.0.0.1",
        b"localhost",
        b":443",
    ),
    *(
        b"\\\n",
        b'"',
        b"'",
        b"#",
        b";",
        b"\r",
        b"nan",
        b"inf",
        b"1e309",
        b"1_0",
        b"-0",
        b"\xd9\xa1",
        b"COMPLETED,FAILED",
    ),
    *(
        b"hold",
        b"2026-11-23T10:00:00Z",
        b"0001-01-01",
        b"9999-12-31T23:59:59-23:59",
        b"2026-W48",
        b"SIGKILL",
        b"..",
        b"@",
    ),
)
_BUILD_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_ADDRESS = re.compile(r"https?://[^/@]+(?:/[A-Za-z0-9._~-]+)*/hooks/[A-Za-z0-9]{1,64}", re.IGNORECASE)


def target(data: bytes) -> None:
    """The result is a value, or the documented error in one line that repeats no address."""
    path = scratch.paths().folder / "environment"
    path.write_bytes(data)
    try:
        environ = read_env_file(path)
    except ConfigError as error:
        checks.harmless(str(error).replace(str(path), ""), 200)
        environ = {}
    assert all("\0" not in value for value in environ.values())
    whole(environ)
    for text in (*list(environ.values())[:8], *data.decode("utf-8", "replace").split("\n")[:8]):
        value(text)


def whole(environ: dict[str, str]) -> None:
    """Read all settings of one environment."""
    for read in (settings.settings, settings.keep, settings.orphan_limit_s):
        try:
            read(environ)
        except ConfigError as error:
            checks.harmless(str(error), 600)
    settings.metadata({}, environ)
    assert settings.workdir(None, environ).is_absolute() or isinstance(settings.workdir(None, environ), Path)


def value(text: str) -> None:
    """Try one value in every place."""
    numbers = dict.fromkeys(NAMES, text)
    for name in NAMES:
        try:
            found = settings.settings({name: numbers[name]})
            assert 0 <= found.settle_s <= settings.SECONDS_MAX
            assert 0 <= settings.keep({name: text}) < 10**6
        except ConfigError as error:
            checks.harmless(str(error), 600)
    address(text)
    build_name(text)
    for read in (_time, _signal):
        try:
            read(text)
        except CommandError as error:
            checks.harmless(str(error), 300)


def address(text: str) -> None:
    """A webhook has the form that Mattermost displays, and shows its place only. An error repeats nothing of the address."""
    try:
        webhook = Webhook.parse(text)
    except ConfigError as error:
        checks.harmless(str(error), 200)
        checks.repeats_nothing(str(error), text.strip())
        return
    assert _ADDRESS.fullmatch(text.strip())
    secret = webhook.path.rsplit("/", 1)[1]
    assert webhook.path not in f"{webhook} {webhook!r}"
    assert secret in webhook.place or secret not in f"{webhook} {webhook!r}" or len(secret) < 12
    assert 0 < webhook.port < 65536


def build_name(text: str) -> None:
    """Exactly the documented names are valid."""
    expected = 1 <= len(text) <= 128 and set(text) <= _BUILD_CHARACTERS and text[0] not in ".-"
    assert valid_build_name(text) == expected
    try:
        assert checked_build_name(text) == text
    except CommandError as error:
        assert not expected
        checks.harmless(str(error), 300)


def seeds() -> Iterator[bytes]:
    """Yield a valid environment file, and its values one by one."""
    lines = [
        b'MATTERMOST_ATVM_WEBHOOK="https://chat.example.com:8443/sub/hooks/abcdefghijklmnopqrstuvwxyz"',
        b"ATVM_WATCHER_SETTLE_S=12.5",
        b"ATVM_WATCHER_POST_PHASES=COMPLETED, FAILED",
        b"ATVM_WATCHER_POST_UNCERTAIN=hold",
        b"ATVM_WATCHER_KEEP=7",
        b"ATVM_WATCHER_SCOPE_DESCRIPTION='a b' \"c\\\nd\" e\\",
    ]
    yield b"# ours\n" + b"\n".join(lines) + b"\n"
    yield from lines
    yield from (
        b"https://[::1]:8065/hooks/abc",
        b"e2e-redhat9.6-fc",
        b"https://user@chat.example.com/hooks/abcdefghijklmnopqrstuvwxyz",
        b"2026-11-23T10:00:00+01:00",
        b"SIGTERM",
        b"9" * 400,
    )
