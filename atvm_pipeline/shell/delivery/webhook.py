"""Parser of the webhook's address. The path is the secret: it is never displayed, and no error contains it."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from atvm_pipeline.core.errors import ConfigError

ADDRESS_MAX = 2048

_HOW_TO = "use the address as Mattermost shows it, https://<server>/hooks/<id>"
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9._])?")
_PATH = re.compile(r"(?:/(?!\.{1,2}/)[A-Za-z0-9._~-]+)*/hooks/[A-Za-z0-9]{1,64}")


@dataclass(frozen=True, slots=True)
class Webhook:
    """Address of the webhook. The id in its path is the credential: `repr` and `str` show only the server."""

    place: str
    """`scheme://host[:port]`, for display."""
    insecure: bool
    """The secret would cross a network in clear text, which deserves a warning."""
    scheme: Literal["https", "http"] = field(repr=False)
    host: str = field(repr=False)
    """Without the brackets of an IPv6 address."""
    port: int = field(repr=False)
    loopback: bool = field(repr=False)
    path: str = field(repr=False)
    """The secret."""

    @property
    def ping_path(self) -> str:
        """Return the path of the server's health check, also below a subpath; it has no part of the secret."""
        return f"{self.path.rpartition('/hooks/')[0]}/api/v4/system/ping"

    def __str__(self) -> str:
        return self.place

    @classmethod
    def parse(cls, text: str) -> "Webhook":
        """Parse the address `text`; surrounding white space is ignored.

        Raises ConfigError with one line that names the problem and the remedy. It repeats nothing of `text`, because
        any part of a malformed address may be the secret.
        """
        text = text.strip()
        scheme, host, port, path = _parts(text)
        literal = f"[{host}]" if ":" in host else host
        usual = port is None or port == (443 if scheme == "https" else 80)
        loopback = _is_loopback(host)
        return cls(
            place=f"{scheme}://{literal}" if usual else f"{scheme}://{literal}:{port}",
            insecure=scheme == "http" and not loopback,
            scheme=scheme,
            host=host,
            port=port or (443 if scheme == "https" else 80),
            loopback=loopback,
            path=path,
        )


def _parts(text: str) -> tuple[Literal["https", "http"], str, int | None, str]:
    """Return scheme, host, port and path of a webhook's address. Raises ConfigError."""
    if not text:
        raise ConfigError(f"the webhook is empty: {_HOW_TO}")
    if len(text) > ADDRESS_MAX or not text.isascii() or not text.isprintable() or set(text) & set(' \\"<>'):
        raise ConfigError(
            f"the webhook is too long or contains characters that an address cannot have: {_HOW_TO}"
        )
    if "?" in text or "#" in text:
        raise ConfigError(f"the webhook has a query or fragment: {_HOW_TO}")
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"the webhook has a malformed server or port: {_HOW_TO}") from None
    if scheme not in ("https", "http"):
        raise ConfigError(f"the webhook does not start with https://: {_HOW_TO}")
    if "@" in parts.netloc:
        raise ConfigError(f"the webhook has a user name or password before the server: {_HOW_TO}")
    if port == 0 or not _is_host(host, bracketed="[" in parts.netloc):
        raise ConfigError(f"the webhook has a malformed server or port: {_HOW_TO}")
    if not _PATH.fullmatch(parts.path):
        raise ConfigError(f"the webhook does not end in /hooks/ and an id of letters and digits: {_HOW_TO}")
    return ("https" if scheme == "https" else "http"), host, port, parts.path


def _is_host(host: str, *, bracketed: bool) -> bool:
    if not bracketed:
        return bool(_HOST.fullmatch(host)) and ".." not in host
    try:
        return ipaddress.IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
