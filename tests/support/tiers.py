"""The tiers of the tests, which are pytest's markers (`pyproject.toml`), and the work that several workers share.

`bin/run-tests` selects by these markers. Most are set by directory. A test or a module sets the other ones itself:
`exhaustive`, and `host` and `interpreter` outside these directories.
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

LONGEST_FIRST = ("systemd", "long", "exhaustive", "e2e")
"""These start first, so that no processor waits for a long test at the end."""

ONE_WORKER = (
    *("e2e/test_hostile.py", "e2e/test_recovery.py", "e2e/test_refusals_around.py"),
    *("e2e/test_scenarios.py", "e2e/test_stand_in.py"),
    *("systemd/test_deaths.py", "systemd/test_runs.py", "systemd/test_units.py"),
)
"""All tests of one of these files run on one worker, because they share an expensive fixture."""


def markers(path: PurePath) -> list[str]:
    """Return the markers of the tests in `path`, relative to `tests`."""
    folders = {folder.as_posix() for folder in path.parents}
    return [marker for folder, its in BY_DIRECTORY.items() if folder in folders for marker in its]


def rank(names: set[str]) -> int:
    """Return the place of a test with these markers in the order of tests."""
    return next((place for place, name in enumerate(LONGEST_FIRST) if name in names), len(LONGEST_FIRST))


def unit_of_work(nodeid: str) -> str:
    """Return the name of the tests that a worker gets together with this test.

    These are the tests of a file that share a fixture, or the variants of a test of the core, which are short.
    """
    path, _, test = nodeid.removeprefix("tests/").partition("::")
    if path.startswith(ONE_WORKER):
        return path
    return f"{path}::{test.partition('[')[0]}" if path.startswith("core/") else nodeid
