"""Alerts, which are separate from the outbox, and the two commands that systemd runs when a watcher died and at boot."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from atvm_pipeline.core.messages.attempts import REPEAT_DELAYS_S
from atvm_pipeline.shell.delivery import alerts as alerting
from atvm_pipeline.shell.processes.process_table import self_identity
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.system.clock import boot_id
from atvm_pipeline.shell.system.files import locked
from tests.support.calls import completed
from tests.support.controller import Controller
from tests.support.mattermost_server import (
    MattermostModel,
    away,
    drop_after_accept,
    healthy,
    ok,
    passed_on,
    rate_limited,
)
from tests.support.processes import RUN_ID, make_request
from tests.support.project import ONE_HOST_BUILD as BUILD, PROJECT
from tests.support.waiting import SOON_S, wait_for

PROGRAM = PROJECT / "bin" / "atvm-pipeline"
"""The program is not on the PATH of these tests, so a command to type has its full path."""


def run(
    paths: Paths, server: MattermostModel, *words: str, **environ: str
) -> "subprocess.CompletedProcess[str]":
    """Run `atvm-pipeline alert` as the handler's unit would."""
    given = {
        "PATH": os.environ["PATH"],
        "ATVM_WATCHER_ENV_FILE": os.devnull,
        "ATVM_WATCHER_STATE_ROOT": str(paths.state_root),
        "MATTERMOST_ATVM_WEBHOOK": server.url,
        "MONITOR_SERVICE_RESULT": "watchdog",
        "MONITOR_EXIT_STATUS": "KILL",
        **environ,
    }
    command = [sys.executable, "-m", "atvm_pipeline", "alert", *(words or (BUILD,))]
    return completed(command, cwd=PROJECT, env=given)


def test_a_watcher_that_died_is_reported_with_what_is_known_and_what_helps(tmp_path, server):
    paths = make_request(tmp_path, "true", alert_channel="atvm-alerts")
    done = run(paths, server)
    (post,) = server.posts

    assert done.returncode == 0, done.stderr
    assert post.payload["channel"] == "atvm-alerts"
    assert "the watcher died (it did not respond for two minutes, SIGKILL) and is not restarted" in post.text
    assert "its runner is not running" in post.text
    assert f"{PROGRAM} logs {BUILD} --watcher" in post.text
    assert f"--attach --build-name {BUILD}" in post.text
    assert server.secret not in done.stderr + done.stdout + post.text


@pytest.mark.parametrize(
    ("result", "status", "words"),
    [
        ("exit-code", "78", "(it ended with an error, a setting is missing or wrong)"),
        ("exit-code", "3", "(it ended with an error, status 3)"),
        ("odd\x1b", "", "(odd )"),
    ],
)
def test_the_end_of_a_watcher_is_in_words(tmp_path, server, result, status, words):
    paths = make_request(tmp_path, "true")
    done = run(paths, server, MONITOR_SERVICE_RESULT=result, MONITOR_EXIT_STATUS=status)

    assert f"the watcher died {words} and is not restarted" in done.stderr


def test_a_runner_that_was_started_by_hand_is_seen_as_running(tmp_path, server):
    paths = make_request(tmp_path, None)
    state = json.loads(LOST_STATE)
    pid, create_time = self_identity()
    state["run_id"], state["phase"] = RUN_ID, "RUNNING"
    state["facts"] = {"runner": {"pid": pid, "create_time": create_time, "boot_id": boot_id()}}
    state["subruns"][0]["post"] = {"outcome": "pending"}
    paths.state.write_text(json.dumps(state))
    done = run(paths, server)

    assert (
        "last state: RUNNING, 5 of 6 specs passed, 1 message not delivered yet; the runner is still running"
        in (done.stderr)
    )


def test_without_an_alert_channel_only_the_log_is_reported(tmp_path, server):
    done = run(make_request(tmp_path, "true"), server)

    assert (done.returncode, server.requests) == (0, 0)
    assert "the watcher died" in done.stderr


def test_a_build_that_is_watched_again_is_not_reported(tmp_path, server):
    paths = make_request(tmp_path, "true", alert_channel="atvm-alerts")
    with locked(paths.watcher_lock):
        done = run(paths, server)

    assert (done.returncode, server.requests) == (0, 0)


def test_a_state_that_is_gone_is_reported_to_the_channel_of_the_setting(tmp_path, server):
    paths = Paths(tmp_path / "state", BUILD)
    done = run(paths, server, ATVM_WATCHER_ALERT_CHANNEL="atvm-alerts")

    assert done.returncode == 0, done.stderr
    assert "is missing; the end of the run will not be reported" in server.posts[0].text


@pytest.mark.parametrize("state", ["[]", "{}", '{"phase": 1}', "\0"])
def test_a_state_that_cannot_be_read_does_not_keep_the_alert_back(tmp_path, server, state):
    paths = make_request(tmp_path, "true", alert_channel="atvm-alerts")
    paths.state.write_text(state)
    done = run(paths, server)

    assert done.returncode == 0, done.stderr
    assert "no state was saved yet" in server.posts[0].text


def told(server, tmp_path, monkeypatch, uncertain="repeat-marked"):
    """Call `alerts.send_alert`; return its result and the seconds that it waited between its attempts."""
    request = read_record(make_request(tmp_path, "true", alert_channel="a").request, Request)
    settings = replace(request.settings, post_uncertain=uncertain)
    return told_of(replace(request, settings=settings), {}, server, monkeypatch)


def told_of(request, environ, server, monkeypatch):
    """Do the same as `told`, for this request and environment."""
    waits = []
    monkeypatch.setattr(alerting.clock, "sleep", waits.append)
    environ = {"MATTERMOST_ATVM_WEBHOOK": server.url, **environ}
    outcome = alerting.send_alert(BUILD, request, environ, "text", key=f"{RUN_ID}/alert/x")
    return outcome, waits


def test_an_alert_that_may_have_arrived_is_repeated_once_and_marked(tmp_path, server, monkeypatch):
    server.script(drop_after_accept(), drop_after_accept(), ok())

    assert told(server, tmp_path, monkeypatch) == ("uncertain", [30.0])
    assert ["Possible duplicate" in post.text for post in server.posts] == [False, True]


def test_an_alert_that_meets_a_gateway_waits_for_its_server_and_comes_marked(tmp_path, server, monkeypatch):
    server.script(away(), ok())
    server.script_pings(away(), away(503, "7"), healthy())

    assert told(server, tmp_path, monkeypatch) == ("sent", [5.0, 5.0, 7.0])
    assert (server.requests, len(server.pings)) == (2, 3)
    assert ["Possible duplicate" in post.text for post in server.posts] == [True]


def test_an_alert_is_repeated_six_times_at_most_if_the_ping_is_wrong(tmp_path, server, monkeypatch):
    server.script(passed_on(502))

    assert told(server, tmp_path, monkeypatch) == ("uncertain", list(REPEAT_DELAYS_S))
    assert ["Possible duplicate" in post.text for post in server.posts] == [False] + [True] * 6


def test_the_sixth_repeat_of_an_alert_is_the_last_whatever_its_end(tmp_path, server, monkeypatch):
    server.script(*[away()] * 6, drop_after_accept())

    assert told(server, tmp_path, monkeypatch) == ("uncertain", list(REPEAT_DELAYS_S))
    assert server.requests == 7


def test_an_alert_whose_repeat_is_refused_for_now_is_tried_again(tmp_path, server, monkeypatch):
    server.script(away(), rate_limited("9"), ok())

    assert told(server, tmp_path, monkeypatch) == ("sent", [5.0, 9.0])


@pytest.mark.parametrize("behaviour", [drop_after_accept(), away(), passed_on(502)])
def test_hold_repeats_no_alert_that_may_have_arrived(tmp_path, server, monkeypatch, behaviour):
    server.script(behaviour, ok())

    assert told(server, tmp_path, monkeypatch, "hold") == ("uncertain", [])
    assert (server.requests, server.pings) == (1, [])


def test_hold_repeats_an_alert_that_certainly_did_not_arrive(tmp_path, server, monkeypatch):
    server.script(rate_limited("9"), ok())

    assert told(server, tmp_path, monkeypatch, "hold") == ("sent", [9.0])


def test_hold_is_taken_from_the_setting_where_the_request_is_gone(server, monkeypatch):
    server.script(drop_after_accept(), ok())
    environ = {"ATVM_WATCHER_ALERT_CHANNEL": "a", "ATVM_WATCHER_POST_UNCERTAIN": "hold"}

    assert told_of(None, environ, server, monkeypatch) == ("uncertain", [])


def test_an_alert_gives_up_after_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(alerting, "ALERT_FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(alerting, "ALERT_LAST_DELAY_S", 0.05)
    request = read_record(make_request(tmp_path, "true", alert_channel="a").request, Request)
    environ = {"MATTERMOST_ATVM_WEBHOOK": "http://127.0.0.1:9/hooks/abc"}
    began = time.monotonic()
    outcome = alerting.send_alert(BUILD, request, environ, "text", key="k", patience_s=0.3)

    assert outcome == "expired"
    assert time.monotonic() - began < SOON_S


LOST_STATE = (PROJECT / "fixtures" / "replay" / "failed-256" / "state.json").read_text()


def ended(paths: Paths, *outcomes: str, alerts: tuple[str, ...] = (), resent: bool = False) -> None:
    """Write the state of a run that has ended, with messages that have these outcomes."""
    state = json.loads(LOST_STATE)
    state.pop("facts", None)
    state["run_id"], state["post"], state["alerts"] = RUN_ID, None, []
    for subrun, outcome in zip(state["subruns"], outcomes, strict=True):
        key = f"{RUN_ID}/{subrun['index']:03}"
        subrun["post"] = {"outcome": outcome, "key": f"{key}/resend-1" if resent else key}
    for alert in alerts:
        code, _, outcome = alert.partition(" ")
        state["alerts"].append({"outcome": outcome, "key": f"{RUN_ID}/alert/attention-message-{code}"})
    paths.state.write_text(json.dumps(state))


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (("rejected",) * 3, "3 messages were rejected."),
        (("sent", "rejected", "sent"), "1 message was rejected."),
        (
            ("rejected", "uncertain", "expired"),
            "1 message was rejected, 1 message may not have arrived, 1 message was not delivered within 72 hours.",
        ),
    ],
)
def test_an_ended_run_whose_messages_were_lost_is_reported_as_such(tmp_path, server, outcomes, words):
    paths = make_request(tmp_path, "true", alert_channel="atvm-alerts")
    ended(paths, *outcomes)
    done = run(paths, server)

    assert done.returncode == 0, done.stderr
    check = f"Check webhook and channel with: {PROGRAM} doctor --post-test; to send again"
    again = check if "rejected" in outcomes else "To send again"
    assert f"{BUILD} has ended (FAILED); {words} {again}: {PROGRAM} resend {BUILD}" in done.stderr
    assert words in server.posts[0].text
    assert "died" not in done.stderr + server.posts[0].text


@pytest.mark.parametrize(
    ("outcomes", "alerts", "words"),
    [
        (("sent", "rejected", "sent"), ("rejected sent",), "1 message was rejected."),
        (
            ("sent", "rejected", "expired"),
            ("rejected sent", "expired sent"),
            "1 message was rejected, 1 message was not delivered within 72 hours.",
        ),
    ],
)
def test_an_ended_run_whose_watcher_has_reported_all_that_was_lost_is_only_logged(
    tmp_path, server, outcomes, alerts, words
):
    paths = make_request(tmp_path, "true", alert_channel="atvm-alerts")
    ended(paths, *outcomes, alerts=alerts)
    done = run(paths, server)

    assert (done.returncode, server.requests) == (0, 0)
    assert words in done.stderr


@pytest.mark.parametrize(
    ("outcomes", "laid", "words"),
    [
        pytest.param(
            ("rejected",) * 3,
            {"alerts": ("rejected sent",)},
            "3 messages were rejected.",
            id="the first only",
        ),
        pytest.param(
            ("rejected", "uncertain", "sent"),
            {"alerts": ("rejected sent",)},
            "1 message was rejected, 1 message may not have arrived.",
            id="one outcome only",
        ),
        pytest.param(
            ("sent", "rejected", "sent"),
            {"alerts": ("rejected rejected",)},
            "2 messages were rejected.",
            id="an alert that was lost as well",
        ),
        pytest.param(
            ("sent", "rejected", "sent"),
            {"alerts": ("rejected sent",), "resent": True},
            "1 message was rejected.",
            id="perhaps one that was repeated by hand",
        ),
        pytest.param(
            ("sent",) * 3,
            {"alerts": ("rejected sent", "late rejected")},
            "1 message was rejected.",
            id="an alert about something else",
        ),
    ],
)
def test_lost_messages_that_no_alert_of_the_watcher_named_are_reported(
    tmp_path, server, outcomes, laid, words
):
    paths = make_request(tmp_path, "true", alert_channel="atvm-alerts")
    ended(paths, *outcomes, **laid)
    done = run(paths, server)

    assert done.returncode == 0, done.stderr
    (post,) = server.posts
    assert words in post.text


def test_an_ended_run_without_lost_messages_is_only_logged(tmp_path, server):
    paths = make_request(tmp_path, "true", alert_channel="atvm-alerts")
    ended(paths, "sent", "dropped", "sent")
    done = run(paths, server)

    assert (done.returncode, server.requests) == (0, 0)
    assert f"{BUILD} has ended (FAILED); all messages are settled." in done.stderr


def test_the_sweep_starts_a_watcher_for_an_unwatched_run_and_leaves_an_ended_one(tmp_path: Path) -> None:
    with Controller(tmp_path, scenario="all-green") as host:
        host.run(build="ended-e2e-redhat9.6-fc", runner="true", template=None, categorize=False)
        ended = (host.state_root / "ended-e2e-redhat9.6-fc" / "state.json").read_bytes()
        host.hold("w2k25")
        assert host.start().returncode == 0
        folder = host.state_root / "e2e-redhat9.6-ubuntu24.04-w2k25-fc"
        wait_for(lambda: host.webhook.posts[2:], "the messages of two groups, after the ended run's")
        os.kill(json.loads((folder / "watcher.json").read_text())["pid"], 9)
        done = host.call("atvm-pipeline", "sweep", "--supervisor", "local")
        host.let_go("w2k25")
        code = host.wait()
        again = host.call("atvm-pipeline", "sweep", "--supervisor", "local")
        texts = host.texts()

    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [folder.name]
    assert code == 0
    assert (again.returncode, again.stdout) == (0, "")
    assert (host.state_root / "ended-e2e-redhat9.6-fc" / "state.json").read_bytes() == ended
    # The kill may come between a message's arrival and its record. The repeat is then marked, never plain.
    told = [text for text in texts if "**COMPLETED**" in text and "Possible duplicate" not in text]
    marked = [text for text in texts if "Possible duplicate" in text]
    assert len(told) <= 3 <= len(told) + len(marked)
