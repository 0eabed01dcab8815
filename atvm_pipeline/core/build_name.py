"""What may be a build name.  Apart from the other names: who only looks at a state needs no more."""

import re

BUILD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""Contract §5, Refusals.  Every character is legal in a systemd instance name and in a folder's name."""


def valid_build_name(name: str) -> bool:
    """Whether `name` may be a build name: 1-128 of `A-Za-z0-9._-`, not beginning with `-` or `.`."""
    return BUILD_NAME.fullmatch(name) is not None
