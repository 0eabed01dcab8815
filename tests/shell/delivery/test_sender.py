"""From an effect to one attempt: an outcome is always returned, even if something hangs or fails, and watching continues."""

import json
import os
import re
import socket
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.core.effects import PostMessage
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import DeliverySettled, Settings
from atvm_pipeline.shell.delivery import sender
from atvm_pipeline.shell.delivery.deadline import CONNECT_TIMEOUT, NO_ANSWER, Deadline, DeadlinePassedError
from atvm_pipeline.shell.delivery.mattermost import NOT_LOADED
from atvm_pipeline.shell.delivery.sender import make_sender, performer, send_once, with_channel
from atvm_pipeline.shell.delivery.webhook import Webhook
from atvm_pipeline.shell.state_dir.records import Request
from tests.support.controller import Controller
from tests.support.mattermost_server import MattermostModel, away, drip, error, healthy, held, ok, slow
from tests.support.project import BUILD
from tests.support.waiting import wait_for

PERFORM = performer(Webhook.parse("http://127.0.0.1:9/hooks/s3cr3ts3cr3t"), {"main": None}, None)
EFFECT = PostMessage(key="r1/001", attempt=2, kind="main", payload='{"text": "sent"}')


def request(**fields: object) -> Request:
    return Request(  # type: ignore[arg-type]
        build_name="b",
        run_id="r1",
        requested_at=datetime.now(UTC),
        workdir="/",
        log_path="/l",
        artifacts_dir="/a",
        **fields,
    )


def test_an_effect_comes_back_as_the_outcome_of_its_attempt(server: MattermostModel) -> None:
    environ = {"MATTERMOST_ATVM_WEBHOOK": server.url, "MATTERMOST_ATVM_CHANNEL": "atvm"}
    settled = send_once(EFFECT, make_sender(request(), environ))

    assert (settled.key, settled.attempt, settled.outcome, settled.status) == ("r1/001", 2, "sent", 200)
    assert server.posts[0].payload == {"channel": "atvm", "text": "sent"}


def test_an_alert_goes_to_its_own_channel(server: MattermostModel) -> None:
    environ = {"MATTERMOST_ATVM_WEBHOOK": server.url, "MATTERMOST_ATVM_CHANNEL": "atvm"}
    alert = PostMessage(key="r1/alert/x", attempt=1, kind="alert", payload='{"text": "sent"}')
    send_once(alert, make_sender(request(alert_channel="ops"), environ))

    assert server.posts[0].payload["channel"] == "ops"


@pytest.mark.parametrize("channel", ["", None])
def test_without_a_channel_the_hooks_own_is_meant(channel: str | None) -> None:
    assert with_channel('{"text": "sent"}', channel or None) == b'{"text": "sent"}'


@pytest.mark.parametrize("text", ["", "  ", None])
def test_a_missing_webhook_is_refused_where_one_is_needed(text: str | None) -> None:
    environ = {} if text is None else {"MATTERMOST_ATVM_WEBHOOK": text}
    with pytest.raises(ConfigError, match="MATTERMOST_ATVM_WEBHOOK"):
        make_sender(request(), environ)

    settled = send_once(EFFECT, make_sender(request(settings=Settings(post_phases=())), environ))
    assert (settled.outcome, settled.detail) == ("rejected", "no webhook is set")


def test_a_certificate_file_that_is_never_written_does_not_hold_an_attempt_indefinitely(
    tmp_path: Path, server: MattermostModel
) -> None:
    """Opening a FIFO blocks until it has a writer. OpenSSL does this, outside every socket timeout."""
    os.mkfifo(tmp_path / "ca.pem")
    perform = performer(Webhook.parse(server.url), {"main": None}, str(tmp_path / "ca.pem"))
    settled = send_once(EFFECT, perform, Deadline(0.3))
    # Release the thread that was left behind. It no longer sends anything.
    (tmp_path / "ca.pem").write_bytes(b"")
    wait_for(lambda: not workers(), "the end of the worker")

    assert (settled.outcome, settled.detail) == ("not-arrived", CONNECT_TIMEOUT)
    assert server.requests == 0


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "delivery"]


def test_a_worker_that_connects_after_its_deadline_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, server: MattermostModel
) -> None:
    """Its message counts as not arrived and is sent again, without a mark."""
    late, resolve = threading.Event(), socket.getaddrinfo

    def slow_resolver(*args: Any, **more: Any) -> Any:
        late.wait(60)
        return resolve(*args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow_resolver)
    settled = send_once(EFFECT, performer(Webhook.parse(server.url), {"main": None}, None), Deadline(0.2))
    late.set()
    wait_for(lambda: not workers(), "the end of the worker")

    assert (settled.outcome, settled.detail) == ("not-arrived", CONNECT_TIMEOUT)
    assert server.requests == 0


@pytest.mark.parametrize("headers", [True, False])
def test_a_worker_ends_when_its_deadline_passes_though_the_answer_comes_byte_by_byte(
    server: MattermostModel, headers: bool
) -> None:
    server.script(drip(0.02, headers=headers))
    settled = send_once(EFFECT, performer(Webhook.parse(server.url), {"main": None}, None), Deadline(2))
    wait_for(lambda: not workers(), "the end of the worker")

    assert (settled.outcome, settled.detail) == ("uncertain", NO_ANSWER)
    assert server.requests == 1


def test_an_attempt_has_one_thread(server: MattermostModel) -> None:
    server.script(slow(60))
    perform = performer(Webhook.parse(server.url), {"main": None}, None)
    before = set(threading.enumerate())
    caller = threading.Thread(target=lambda: send_once(EFFECT, perform, Deadline(2)), name="caller")
    caller.start()
    wait_for(lambda: server.requests, "the request")
    names = {thread.name for thread in set(threading.enumerate()) - before}
    caller.join()

    assert {name for name in names if "process_request" not in name} == {"caller", "delivery"}


def test_a_deadline_is_decided_once() -> None:
    finished, enforced = Deadline(60), Deadline(60)
    aborted: list[str] = []
    enforced.connecting(lambda: aborted.append("connecting"))
    enforced.sending(lambda: aborted.append("sending"))

    assert (finished.finish(), finished.enforce(), finished.finish()) == (True, None, False)
    assert (enforced.enforce(), enforced.enforce(), enforced.finish()) == (True, None, False)
    assert aborted == ["sending"]
    for step in (enforced.connecting, enforced.sending):
        with pytest.raises(DeadlinePassedError):
            step(lambda: None)
    assert Deadline(60).enforce() is False
    assert Deadline(-1).left_s() == 0


def test_a_bug_within_an_attempt_is_an_outcome_and_reveals_nothing_of_the_secret(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_effect: PostMessage, webhook: Webhook, *_: object, **__: object) -> DeliverySettled:
        raise RuntimeError(webhook.path)

    monkeypatch.setattr(sender, "deliver", broken)
    environ = {"MATTERMOST_ATVM_WEBHOOK": "http://127.0.0.1:9/hooks/s3cr3t"}
    settled = send_once(EFFECT, make_sender(request(), environ))

    assert (settled.outcome, settled.detail) == ("uncertain", sender.CRASHED)
    assert "s3cr3t" not in "".join(capfd.readouterr()) + repr(settled)


def test_an_attempt_that_never_returns_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(sender, "deliver", lambda *_, **__: gate.wait(60))
    send_once(EFFECT, PERFORM, Deadline(0.05))
    left = workers()
    gate.set()

    assert left
    assert all(thread.daemon for thread in left)


def test_a_receiver_that_hangs_does_not_hold_up_the_watching_of_the_groups_after_it(tmp_path: Path) -> None:
    with Controller(tmp_path, speed=50) as host:
        host.webhook.script(slow(60))
        assert host.start().returncode == 0
        wait_for(lambda: host.webhook.requests, "the first message at the receiver")
        wait_for(lambda: host.state()["phase"] == "COMPLETED", "the verdict of the run")
        state = host.state()

        assert host.webhook.posts == []
        assert [subrun["phase"] for subrun in state["subruns"]] == ["COMPLETED"] * 3
        assert [subrun["post"]["outcome"] for subrun in state["subruns"]] == ["pending"] * 3
        assert [subrun["post"]["attempts"] for subrun in state["subruns"]] == [1, 0, 0]


def test_a_rejected_message_is_in_attention_alert_log_status_and_exit_codes(tmp_path: Path) -> None:
    with Controller(tmp_path, ATVM_WATCHER_ALERT_CHANNEL="ops") as host:
        host.webhook.script(error(404), ok())
        assert host.start(categorize=False).returncode == 0
        wait_for(lambda: host.webhook.posts, "the alert")
        waited = host.call("atvm-pipeline", "wait", BUILD, "--timeout", "60")
        state = host.state()
        again = host.call("atvm-pipeline", "watch", BUILD)
        status = host.call("atvm-pipeline", "status", BUILD)
        logged = (host.state_root / BUILD / "watcher.log").read_text()
        resent = host.call("atvm-pipeline", "resend", BUILD)
        after = host.call("atvm-pipeline", "wait", BUILD, "--timeout", "60")

    assert state["subruns"][0]["post"]["outcome"] == "rejected"
    assert "404" in state["attention"]
    assert [post.payload["channel"] for post in host.webhook.posts[:1]] == ["ops"]
    assert host.webhook.secret not in json.dumps(state)
    assert (waited.returncode, again.returncode) == (69, 69)
    assert waited.stderr.splitlines()[-1].count("sub-run 1: rejected") == 1
    assert [line for line in logged.splitlines() if "message of sub-run 1 rejected (status 404)" in line]
    assert re.search(r"attention: +The message of sub-run 1 was rejected", status.stdout)
    assert (resent.returncode, after.returncode) == (0, 1 if state["phase"] == "FAILED" else 0), after.stderr


def test_a_gateway_in_front_of_a_server_that_restarts_loses_no_message(tmp_path: Path) -> None:
    with Controller(tmp_path, speed=50) as host:
        host.webhook.script(away(502), away(503), away(502), ok())
        host.webhook.script_pings(away(503), healthy())
        assert host.start().returncode == 0
        assert host.wait() in (0, 1)
        texts, pings = host.texts(), len(host.webhook.pings)

    assert len(texts) == 3
    assert ["Possible duplicate" in text for text in texts] == [True] * 3
    assert pings >= 3


def test_a_watcher_that_is_killed_during_a_ping_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    with Controller(tmp_path, speed=50) as host:
        host.webhook.script(away(502), ok())
        host.webhook.script_pings(lambda call: call.hang(60))
        assert host.start(categorize=False).returncode == 0
        wait_for(lambda: host.webhook.pings, "the ping at the server")
        os.kill(host.record("watcher.json")["pid"], 9)
        host.webhook.script_pings(healthy())
        joined = host.call("start-atvm-run-watcher.sh", "--attach", "--build-name", BUILD)
        assert host.wait() in (0, 1), joined.stderr
        texts, requests = host.texts(), host.webhook.requests

    assert ["Possible duplicate" in text for text in texts] == [True]
    assert requests == 2


def test_a_stop_while_a_message_hangs_leaves_it_to_the_next_watcher_which_marks_it(tmp_path: Path) -> None:
    with Controller(tmp_path, speed=50) as host:
        answer = threading.Event()
        host.webhook.script(held(answer), ok())
        assert host.start(categorize=False).returncode == 0
        wait_for(lambda: host.webhook.requests, "the message at the receiver")
        os.kill(host.record("watcher.json")["pid"], 9)
        answer.set()
        wait_for(lambda: host.webhook.posts, "the answer that no watcher reads")
        joined = host.call("start-atvm-run-watcher.sh", "--attach", "--build-name", BUILD)
        assert host.wait() == 0, joined.stderr
        texts = host.texts()

    assert ["Possible duplicate" in text for text in texts] == [False, True]


def test_an_attempt_that_the_system_has_no_thread_for_has_not_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    sender.warm_up()
    settled = send_once(EFFECT, PERFORM)

    assert (settled.outcome, settled.detail) == ("not-arrived", sender.NO_THREAD)


def test_an_attempt_whose_packages_cannot_be_loaded_has_not_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, sender.TRANSPORT, None)

    settled = send_once(EFFECT, PERFORM)

    assert (settled.outcome, settled.detail) == ("not-arrived", NOT_LOADED)
