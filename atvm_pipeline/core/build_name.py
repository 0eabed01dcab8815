"""The rule for build names. It is a module of its own because commands that only read a state need no other names."""

import re

BUILD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""Every character is legal in a systemd instance name and in a directory's name."""


def valid_build_name(name: str) -> bool:
    """Return whether `name` may be a build name: 1-128 of `A-Za-z0-9._-`, but not `-` or `.` first."""
    return BUILD_NAME.fullmatch(name) is not None
