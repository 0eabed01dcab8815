"""A log line that repeats is logged at growing intervals."""

from atvm_pipeline.shell.system.repeat_limit import RepeatLimit


def test_the_first_each_change_and_growing_intervals_are_logged() -> None:
    limit = RepeatLimit()
    refused = [number for number in range(1, 300) if limit.allows("message 1", "refused")]

    assert refused == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert limit.allows("message 1", "no name")
    assert limit.allows("message 2", "refused")
    assert not limit.allows("message 1", "refused")
    limit.forget("message 1")
    assert limit.allows("message 1", "refused")
    limit.forget("unknown")
