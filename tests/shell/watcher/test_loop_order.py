"""The order of the loop's steps: the cause of an effect is synced, and no effect waits for the snapshots."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atvm_pipeline.core.effects import PostMessage
from atvm_pipeline.core.events import (
    DeliverySettled,
    Event,
    RunnerExited,
    RunnerStarted,
    RunRequested,
    Settings,
)
from atvm_pipeline.core.reducer import begin_run
from atvm_pipeline.core.snapshot import StateFile
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.delivery import sender
from atvm_pipeline.shell.delivery.deadline import CONNECT_TIMEOUT, NO_ANSWER, Deadline
from atvm_pipeline.shell.delivery.sender import NO_THREAD
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.store import Store
from atvm_pipeline.shell.watcher.loop import Loop, Story


class Noted(Store):
    """A real store that records its steps."""

    def __init__(self, paths: Paths, steps: list[str]) -> None:
        super().__init__(paths, 0)
        self._steps = steps

    def sync(self) -> None:
        super().sync()
        self._steps.append("synced")

    def save(self, run: Run) -> StateFile:
        saved = super().save(run)
        self._steps.append("saved")
        return saved


def sent(effect: PostMessage, _deadline: object) -> DeliverySettled:
    return DeliverySettled(at=datetime.now(UTC), key=effect.key, attempt=effect.attempt, outcome="sent")


class Nothing:
    """Sources that have nothing to report."""

    def gather(self, _hinted: set[Path] | None, /) -> Iterable[Event]:
        return ()


@contextmanager
def started(
    tmp_path: Path,
    steps: list[str],
    spawn: Callable[[Callable[[], None]], None],
    deliver: Callable[[PostMessage, Deadline], DeliverySettled] = sent,
    story: Story | None = None,
) -> Iterator[Loop]:
    """Return the loop of a run whose runner is alive."""
    at = datetime.now(UTC)
    paths = Paths(tmp_path, "e2e")
    paths.folder.mkdir()
    request = RunRequested(
        seq=1,
        at=at,
        build_name="e2e",
        run_id="r",
        categorized=False,
        settings=Settings(settle_s=0, post_phases=("COMPLETED", "FAILED", "TERMINATED", "UNKNOWN")),
        log_path="/l",
    )
    with Noted(paths, steps) as store:
        store.append([request])
        loop = Loop(
            begin_run(request).run, store, deliver, on_save=lambda _snapshot: None, spawn=spawn, story=story
        )
        loop.feed([RunnerStarted(at=at, pid=1, create_time=1.0)])
        steps.clear()
        yield loop


def test_a_message_goes_out_after_the_journal_is_synced_and_before_the_snapshots_are_written(
    tmp_path: Path,
) -> None:
    steps: list[str] = []
    with started(tmp_path, steps, lambda _work: steps.append("performed")) as loop:
        loop.feed([RunnerExited(at=datetime.now(UTC), exit_code=1)])

    assert steps == ["synced", "performed", "saved"]


def test_a_message_waits_where_no_thread_is_left_to_send_it(tmp_path: Path) -> None:
    def spawn(_work: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    with started(tmp_path, [], spawn) as loop:
        loop.feed([RunnerExited(at=datetime.now(UTC), exit_code=1)])
        loop.follow(Nothing(), on_ready=lambda: None, until=lambda run: not run.outbox[0].in_flight)

    (post,) = loop.run.outbox
    assert (post.outcome, post.attempts, post.detail) == ("pending", 1, NO_THREAD)
    assert not post.marked


@pytest.mark.parametrize(
    ("sending", "detail", "marked"), [(False, CONNECT_TIMEOUT, False), (True, NO_ANSWER, True)]
)
def test_the_loop_ends_an_attempt_at_its_deadline_and_ignores_its_later_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sending: bool, detail: str, marked: bool
) -> None:
    monkeypatch.setattr(sender, "POST_LIMIT_S", 0.2)
    attempting, ended = threading.Event(), threading.Event()
    aborted: list[bool] = []
    workers: list[threading.Thread] = []

    def deliver(effect: PostMessage, deadline: Deadline) -> DeliverySettled:
        if sending:
            deadline.sending(lambda: aborted.append(True))
        attempting.set()
        ended.wait(60)
        return sent(effect, deadline)

    def spawn(work: Callable[[], None]) -> None:
        workers.append(threading.Thread(target=work))
        workers[0].start()
        attempting.wait(60)

    with started(tmp_path, [], spawn, deliver) as loop:
        loop.feed([RunnerExited(at=datetime.now(UTC), exit_code=1)])
        loop.follow(Nothing(), on_ready=lambda: None, until=lambda run: not run.outbox[0].in_flight)
        (post,) = loop.run.outbox
        ended.set()
        workers[0].join()
        hinted, outcomes = loop._wait()

    assert (post.outcome, post.attempts, post.detail, post.marked) == ("pending", 1, detail, marked)
    assert aborted == [True] * sending
    assert (hinted, outcomes) == (set(), [])
