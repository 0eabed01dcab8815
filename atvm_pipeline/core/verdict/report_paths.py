"""Matches the spec file in a report to the spec files in a log."""

from collections.abc import Iterable
from functools import lru_cache

PATH_DEPTH_MAX = 32
"""Directories of a spec's path that are compared, counted from its end."""
PATHS_CACHED_MAX = 8192


class SpecNames:
    """The spec files of a run as its log shows them, indexed for longer and shorter paths.

    Cypress prints names without the directory that all specs of a run share. A report contains them relative to the
    project, absolute, or in the form that the reporter chose. So one path is the end of the other, and the longest match
    counts.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Index the names, which `plain_path` has returned."""
        self._names = set(names)
        longer: dict[str, list[str]] = {}
        for name in sorted(self._names):
            for end in _ends(name)[1:]:
                longer.setdefault(end, []).append(name)
        self._longer = {end: tuple(found) for end, found in longer.items()}
        """A path -> the names that end in it, below a directory."""

    def match(self, path: str) -> tuple[str, ...]:
        """Return the name with the longest match, several if they match equally, () if none does."""
        path = plain_path(path)
        if path in self._names:
            return (path,)
        longer = self._longer.get(path)
        if longer is not None:
            return longer
        return next(((end,) for end in _ends(path) if end in self._names), ())


@lru_cache(maxsize=PATHS_CACHED_MAX)
def plain_path(path: str) -> str:
    """Return the path with `/`, without empty and `.` parts."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    return "/".join(parts[-PATH_DEPTH_MAX:])


@lru_cache(maxsize=PATHS_CACHED_MAX)
def _ends(path: str) -> tuple[str, ...]:
    """Return the path, then the path without its first directories, the longest first."""
    parts = path.split("/")
    return tuple("/".join(parts[at:]) for at in range(len(parts)))
