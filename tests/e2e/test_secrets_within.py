"""Within the process: exceptions, output and records show no secret, and the search for a secret finds one."""

import base64
import contextlib
import dataclasses
import os
import pickle
import subprocess
import traceback
from pathlib import Path

import pytest

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.delivery import http
from atvm_pipeline.shell.delivery.deadline import Deadline
from atvm_pipeline.shell.delivery.webhook import Webhook
from tests.support.http_peers import attempt
from tests.support.mattermost_server import MattermostModel, error
from tests.support.secret_search import files, forms, leaks, malformed, processes

WEBHOOK = "qzkwhq0secret1hookq2id3xy4"
CHANNEL = "qzk-channel-never-shown"
PASSWORD = "qzkPassword0of1proxy"
SECRETS = {"webhook": WEBHOOK, "channel": CHANNEL, "password": PASSWORD}
MALFORMED = malformed(WEBHOOK)


def test_a_webhook_shows_its_place_in_whatever_prints_it() -> None:
    webhook = Webhook.parse(f"https://chat.invalid/hooks/{WEBHOOK}")
    shown = [repr(webhook), str(webhook), f"{webhook} {webhook!r}", "%s %r" % (webhook, webhook)]  # noqa: UP031
    shown += [repr([webhook]), repr({"webhook": webhook}), ascii(webhook)]

    assert leaks("".join(shown).encode(), SECRETS) == []
    assert "chat.invalid" in shown[0]


def test_a_traceback_with_the_values_of_its_frames_shows_no_webhook() -> None:
    def deliver_it(webhook: Webhook) -> None:
        raise RuntimeError(webhook)

    try:
        deliver_it(Webhook.parse(f"https://chat.invalid/hooks/{WEBHOOK}"))
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert "webhook = " in shown
    # The frame of this test contains no secret except the module's constants, which are not locals.
    assert leaks(shown.replace(f"hooks/{{{'WEBHOOK'}}}", "").encode(), {"webhook": WEBHOOK}) == []


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_a_refused_address_is_in_no_part_of_its_exception(text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Webhook.parse(text)
    error = refusal.value
    shown = repr(error) + str(error.args) + repr(error.__cause__) + repr(vars(error))
    shown += "".join(traceback.format_exception(error, chain=False))

    assert leaks((shown + "".join(traceback.format_exception(error))).encode(), SECRETS) == []
    assert leaks(pickle.dumps(error), SECRETS) == []


def test_what_leaves_the_transport_bears_nothing_of_the_address() -> None:
    for url in (f"http://127.0.0.1:9/hooks/{WEBHOOK}", f"https://127.0.0.1:9/hooks/{WEBHOOK}"):
        with pytest.raises(http.NotArrivedError) as failure:
            http.send(Webhook.parse(url), b"{}", ca_file=None, connect_s=2, read_s=2, deadline=Deadline(2))
        error = failure.value

        assert leaks(repr(error).encode() + repr(vars(error)).encode(), SECRETS) == []
        assert error.__suppress_context__
        assert leaks("".join(traceback.format_exception(error)).encode(), SECRETS) == []


def test_every_part_of_an_attempt_can_be_recorded() -> None:
    fields = dataclasses.fields(Webhook)
    hidden = {field.name for field in fields if not field.repr}
    with MattermostModel(error(400)) as server:
        server.secret = WEBHOOK
        settled = attempt(server.url)

    assert "path" in hidden
    assert settled.outcome == "rejected"
    assert leaks(repr(settled).encode(), SECRETS) == []


def test_each_form_of_a_secret_is_found() -> None:
    authorization = base64.b64encode(f"proxyuser:{PASSWORD}".encode())
    for form, text in forms(WEBHOOK).items():
        assert leaks(b"\0 before " + text + b" after", SECRETS) == [f"webhook {form}"]
        assert leaks(text.upper(), SECRETS) == [f"webhook {form}"]
    assert leaks(authorization, SECRETS) != []
    for prefix in (b"", b"x", b"xy"):
        assert leaks(base64.b64encode(prefix + f"/hooks/{WEBHOOK} HTTP/1.1".encode()), SECRETS) != []
    assert leaks(b"https://chat.invalid/hooks/" + WEBHOOK[:-1].encode(), SECRETS) == []


def test_a_secret_in_a_file_a_name_or_a_process_is_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / WEBHOOK).write_bytes(b"")
    (tmp_path / "file").write_bytes(b"x" + CHANNEL.encode())
    found = {path.name: leaks(content, SECRETS) for path, content in files(tmp_path)}
    sleeper = subprocess.Popen(["sleep", "60"], env={"A": WEBHOOK, "PATH": os.environ["PATH"]})
    try:
        seen = {one.pid: one.environ for one in processes()}
    finally:
        with contextlib.suppress(OSError):
            sleeper.kill()
        sleeper.wait()

    assert found == {WEBHOOK: ["webhook as it is"], "file": ["channel as it is"]}
    assert WEBHOOK.encode() in seen[sleeper.pid]
