"""The names of all settings, and the variables whose names are similar to a setting but have no effect."""

from collections.abc import Iterable

from atvm_pipeline.core.edit_distance import EDITS_MAX, nearest_name, within_edits
from atvm_pipeline.core.text import one_line

KNOWN_SETTINGS = frozenset(
    {
        *("ATVM_DEBUG", "ATVM_PROG", "ATVM_PYTHON"),
        *("ATVM_RUNNER_COMMAND", "ATVM_RUNNER_LOG", "ATVM_RUNNER_ORPHAN_LIMIT_S"),
        *("ATVM_RUNNER_PASS", "ATVM_RUNNER_WORKDIR"),
        *("ATVM_WATCHER_ALERT_CHANNEL", "ATVM_WATCHER_ARTIFACTS", "ATVM_WATCHER_CATEGORIZED"),
        *("ATVM_WATCHER_CA_FILE", "ATVM_WATCHER_CONFIG_FAMILY", "ATVM_WATCHER_CONFIG_FILE"),
        *("ATVM_WATCHER_CLOSING_POST", "ATVM_WATCHER_LINK_HOSTS", "ATVM_WATCHER_SCENARIO"),
        *("ATVM_WATCHER_DIALECT", "ATVM_WATCHER_ENV_FILE", "ATVM_WATCHER_INTEGRATION_PLUGIN"),
        *("ATVM_WATCHER_INVENTORY", "ATVM_WATCHER_KEEP", "ATVM_WATCHER_KEEP_BUILDS"),
        *("ATVM_WATCHER_LAUNCH_LOG_DIR", "ATVM_WATCHER_MIGRATION_STYLE", "ATVM_WATCHER_POST_PHASES"),
        *("ATVM_WATCHER_POST_UNCERTAIN", "ATVM_WATCHER_QUIET_LIMIT_S", "ATVM_WATCHER_RUNNER_COMMAND"),
        *("ATVM_WATCHER_SCOPE_DESCRIPTION", "ATVM_WATCHER_SETTLE_S", "ATVM_WATCHER_STALL_LIMIT_S"),
        *("ATVM_WATCHER_START_LIMIT_S", "ATVM_WATCHER_STATE_ROOT", "ATVM_WATCHER_TEMPLATE"),
        *("ATVM_WATCHER_TEMPLATE_COMMAND", "ATVM_WATCHER_TOTAL_LIMIT_S"),
        *("MATTERMOST_ATVM_CHANNEL", "MATTERMOST_ATVM_WEBHOOK"),
    }
)
PREFIXES = ("ATVM_WATCHER_", "ATVM_RUNNER_", "MATTERMOST_ATVM_")
"""A variable that starts like this is meant as a setting."""


def unknown_settings(environ: Iterable[str]) -> list[str]:
    """Return one sentence, without a value, about each variable that is meant as a setting but is not one.

    Another name that starts with `ATVM_` may belong to the runner; it counts only if it is nearly the name of a setting.
    """
    sentences = []
    for name in sorted(environ):
        if name in KNOWN_SETTINGS or not name.startswith(("ATVM_", "MATTERMOST_")):
            continue
        near = nearest_name(name, sorted(KNOWN_SETTINGS))
        typo = near is not None and within_edits(name, near, EDITS_MAX)
        if name.startswith(PREFIXES) or typo:
            advice = f"; did you mean {near}?" if near is not None else ""
            sentences.append(f"{one_line(name, 60)} is not a setting and has no effect{advice}")
    return sentences
