"""Runs that the stand-in does not end by itself keep their verdict, however often their watcher is killed."""

import json
from pathlib import Path

import pytest

from tests.campaign.judging import differences, result_of
from tests.campaign.receiver import MARKS
from tests.campaign.recorded import KilledPlayer
from tests.conftest import REPLAY
from tests.support.mattermost_server import MattermostModel

RECORDED = (
    "cancelled",
    "hung-whole",
    "terminated-vanished",
    "terminated-orphan",
    "unknown-never-started",
)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_ends_as_its_replay_although_its_watcher_is_killed(name: str, tmp_path: Path) -> None:
    with MattermostModel() as webhook:
        player = KilledPlayer(tmp_path, REPLAY / name, name)
        result = result_of(player.play(webhook))
        texts = [post.text for post in webhook.posts]

    assert differences(result_of(json.loads((REPLAY / name / "state.json").read_text())), result) == []
    assert player.wrong == []
    assert player.undying is not None
    assert player.undying.kills >= 1
    plain = [text for text in texts if not text.startswith(MARKS)]
    assert len(plain) == len(set(plain))
