"""A variable that is nearly a setting is named together with the setting that it probably means."""

import pytest

from atvm_pipeline.shell.config.known_settings import unknown_settings


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ATVM_WATCHER_POST_PHASE", "ATVM_WATCHER_POST_PHASES"),
        ("ATVM_WATCHER_QUIET_LIMIT", "ATVM_WATCHER_QUIET_LIMIT_S"),
        ("ATVM_WACHER_STATE_ROOT", "ATVM_WATCHER_STATE_ROOT"),
        ("MATTERMOST_ATVM_WEB_HOOK", "MATTERMOST_ATVM_WEBHOOK"),
        ("ATVM_RUNNER_WORK_DIR", "ATVM_RUNNER_WORKDIR"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest_known_one(name: str, near: str) -> None:
    assert unknown_settings({name: "secret"}) == [
        f"{name} is not a setting and has no effect; did you mean {near}?"
    ]


def test_variables_of_the_runner_and_known_settings_are_not_named() -> None:
    own = {"ATVM_TOKEN": "x", "ATVM_STAND_IN_SPEED": "1", "MATTERMOST_TOKEN": "x", "PATH": "/bin"}

    assert unknown_settings({**own, "ATVM_WATCHER_KEEP": "5", "MATTERMOST_ATVM_WEBHOOK": "x"}) == []
