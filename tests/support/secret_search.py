"""Searches for a secret in everything that was written or shown, in every form that it could take there."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


def forms(secret: str) -> dict[str, bytes]:
    """Return the forms in which `secret` could appear; `leaks` ignores upper and lower case."""
    data = secret.encode()
    found = {
        "as it is": data,
        "reversed": data[::-1],
        "hex": data.hex().encode(),
        "percent-encoded": "".join(f"%{byte:02x}" for byte in data).encode(),
        "escaped": "".join(f"\\u{byte:04x}" for byte in data).encode(),
    }
    for shift in range(3):
        # Wherever the secret starts within a longer text: the part that does not depend on its neighbours.
        encoded = base64.b64encode(b"\0" * shift + data)
        found[f"base64 at {shift}"] = encoded[(0, 2, 3)[shift] : len(encoded) - 4]
    return found


def malformed(secret: str) -> list[str]:
    """Return addresses that belong to no webhook, with `secret` in each part that could hold it."""
    return [
        secret,
        f"/hooks/{secret}",
        f"chat.invalid/hooks/{secret}",
        f"ftp://chat.invalid/hooks/{secret}",
        f"https://user:{secret}@chat.invalid/hooks/{secret}",
        f"https://chat.invalid:{secret}/hooks/x",
        f"https://{secret}:99999/hooks/{secret}",
        f"https://[{secret}]/hooks/{secret}",
        f"https://chat.invalid/hooks/{secret}?key={secret}",
        f"https://chat.invalid/hooks/{secret}/",
        f"https://chat.invalid/{secret}",
        f"https://chat.invalid/hooks/{secret}\n{secret}",
        f"'https://chat.invalid/hooks/{secret}'",
        f"https://chat.invalid/hooks/{secret}ä",
    ]


def leaks(content: bytes, secrets: dict[str, str]) -> list[str]:
    """Return the name and form of each secret that `content` holds, in any case."""
    lower = content.lower()
    return [
        f"{name} {form}"
        for name, secret in secrets.items()
        for form, text in forms(secret).items()
        if text.lower() in lower
    ]


def files(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every regular file below the directories, its path first: a name may leak as well."""
    for folder in folders:
        for path in sorted([folder, *folder.rglob("*")]):
            if path.is_file() and not path.is_symlink():
                yield path, str(path).encode() + b"\n" + path.read_bytes()


class Process(NamedTuple):
    """One process of this host."""

    pid: int
    shown: bytes
    """Command line and name, as every user of the host sees them."""
    environ: bytes
    folder: str
    """Its current directory."""


def processes() -> Iterator[Process]:
    """Yield each process of this host that can be read."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            shown = (place / "cmdline").read_bytes() + b"\n" + (place / "comm").read_bytes()
            environ, folder = (place / "environ").read_bytes(), str((place / "cwd").readlink())
        except OSError:  # it has ended, or belongs to another user
            continue
        yield Process(int(place.name), shown, environ, folder)
