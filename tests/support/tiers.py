"""The tiers of the tests: pytest's markers (`pyproject.toml`), most of them set by directory.

`bin/run-tests` selects by these markers. A test or a module sets the other ones itself: `exhaustive`, and `host` and
`interpreter` outside these directories.
"""

from pathlib import PurePath

BY_DIRECTORY: dict[str, tuple[str, ...]] = {
    "core": ("core", "interpreter"),
    "cli": ("interpreter",),
    "shell": ("interpreter",),
    "shell/processes": ("host",),
    "shell/runner": ("host",),
    "shell/sources": ("host",),
    "shell/start": ("host",),
    "shell/state_dir": ("host",),
    "shell/supervisor": ("host",),
    "shell/system": ("host",),
    "shell/watcher": ("host",),
    "e2e": ("e2e",),
    "systemd": ("systemd",),
    "simulation": ("long",),
    "campaign": ("long",),
    "damaged_logs": ("long",),
    "fuzz": ("long",),
    "bench": ("long",),
}
"""Directory below `tests` -> the markers of all tests in it and below it."""

LONGEST_FIRST = ("systemd", "long", "e2e")
"""These start first, so that no processor waits for a long test at the end."""


def markers(path: PurePath) -> list[str]:
    """Return the markers of the tests in `path`, relative to `tests`."""
    folders = {folder.as_posix() for folder in path.parents}
    return [marker for folder, its in BY_DIRECTORY.items() if folder in folders for marker in its]


def rank(names: set[str]) -> int:
    """Return the place of a test with these markers in the order of tests."""
    return next((place for place, name in enumerate(LONGEST_FIRST) if name in names), len(LONGEST_FIRST))
