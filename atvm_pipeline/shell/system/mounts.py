"""File system type of a path."""

import os
from pathlib import Path


def file_system_of(folder: str) -> str:
    """Return the type of the file system on which `folder` is, "" if unknown."""
    kind, longest = "", -1
    real = f"{os.path.realpath(folder)}/"
    try:
        mounts = (
            Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        )
    except OSError:
        return ""
    for line in mounts:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:  # noqa: PLR2004 - the fifth field is the mount point, proc(5)
            continue
        place = fields[4].replace("\\040", " ").rstrip("/") + "/"
        if real.startswith(place) and len(place) >= longest:
            kind, longest = right.split(" ", 1)[0], len(place)
    return kind
