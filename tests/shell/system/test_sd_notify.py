"""sd_notify, received by a real datagram socket."""

import socket

import pytest

from atvm_pipeline.shell.system import sd_notify


@pytest.fixture
def receiver(monkeypatch):
    # As in a process that has just started.
    monkeypatch.setattr(sd_notify, "_last_ping_s", float("-inf"))
    monkeypatch.setattr(sd_notify, "_is_ready", False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        yield listening


def test_a_notification_arrives_at_a_path(receiver, tmp_path, monkeypatch):
    receiver.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    sd_notify.ready()
    sd_notify.status("RUNNING: 2 of\n3  specs")
    sd_notify.watchdog()
    sd_notify.stopping()

    told = [receiver.recv(4096) for _ in range(4)]
    assert told == [b"READY=1", b"STATUS=RUNNING: 2 of 3 specs", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_notification_arrives_in_the_abstract_namespace(receiver, tmp_path, monkeypatch):
    name = f"atvm-test-{tmp_path.name}-{id(receiver)}"
    receiver.bind("\0" + name)
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)

    sd_notify.ready()

    assert receiver.recv(4096) == b"READY=1"


def test_an_untrusted_text_cannot_smuggle_in_another_field(receiver, tmp_path, monkeypatch):
    receiver.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    sd_notify.status("x\nMAINPID=1\n" + "y" * 5000)

    told = receiver.recv(65536)
    assert b"\n" not in told
    assert len(told) < 500


@pytest.mark.parametrize(
    "address", [None, "", "relative", "/no/such/socket", "@nobody-listens", "/" + "x" * 300]
)
def test_without_any_process_who_listens_nothing_happens(monkeypatch, address):
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)

    sd_notify.ready()
    sd_notify.status("text")


def test_a_receiver_that_does_not_read_is_not_waited_for(receiver, tmp_path, monkeypatch):
    receiver.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    for _ in range(2000):
        sd_notify.status("RUNNING")

    assert receiver.recv(4096) == b"STATUS=RUNNING"


def test_a_loop_that_turns_fast_pings_its_watchdog_once_in_a_while(receiver, tmp_path, monkeypatch):
    receiver.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    for _ in range(100):
        sd_notify.watchdog()
    sd_notify.ready()

    assert receiver.recv(4096).startswith(b"WATCHDOG=1")
    assert receiver.recv(4096) == b"READY=1"


def test_a_watcher_that_is_not_ready_yet_requests_more_time_with_each_status(receiver, tmp_path, monkeypatch):
    receiver.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    sd_notify.watchdog()

    assert receiver.recv(4096) == b"WATCHDOG=1\nEXTEND_TIMEOUT_USEC=120000000"
