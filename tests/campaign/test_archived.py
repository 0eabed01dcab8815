"""One round of two runs in short: the sender of the first run's messages is killed while the second run continues."""

from pathlib import Path

import pytest

from tests.campaign.archived import ArchiveRound, SenderKill, play, table

KILLS = (
    SenderKill("operation", "sync", 4, 0.0),
    SenderKill("stage", "stored", 1, 0.0),
    SenderKill("operation", "half", 3, 0.0),
)


@pytest.mark.timeout(600)
def test_messages_of_an_archived_run_are_neither_lost_nor_doubled_by_kills_of_their_sender(
    tmp_path: Path,
) -> None:
    outcome = play(ArchiveRound("short", ("ok",), KILLS), tmp_path / "round")

    assert outcome.wrong == [], table(outcome)
    assert (outcome.told.lost, outcome.told.doubled, outcome.told.left) == (0, 0, 0)
    assert outcome.told.due == 6
    assert outcome.counts["kills"] >= len(KILLS)
