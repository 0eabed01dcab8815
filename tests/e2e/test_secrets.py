"""The secrets appear nowhere: complete runs of every outcome at debug level, then a search of everything they left.

The proxies' addresses belong to the user. Template and runner receive them, so `request.json` contains them, with mode 0600.
Their password is searched for everywhere else.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import REPLAY
from tests.support.controller import RUNNER, TEMPLATE, Controller
from tests.support.mattermost_server import (
    Behaviour,
    drop_after_accept,
    error,
    ok,
    page,
    posted_500,
    redirect,
    slow,
)
from tests.support.project import BUILD
from tests.support.secret_search import files, leaks, malformed, processes
from tests.support.waiting import DEADLINE_S, wait_for

WEBHOOK = "qzkwhq0secret1hookq2id3xy4"
CHANNEL = "qzk-channel-never-shown"
PASSWORD = "qzkPassword0of1proxy"
SECRETS = {"webhook": WEBHOOK, "channel": CHANNEL, "password": PASSWORD}
DEBUG = """
import faulthandler, http.client, logging, os, sys
logging.basicConfig(level=logging.DEBUG, filename=os.environ["DEBUG_LOG"])
for name in ("urllib3", "urllib3.connectionpool", "http.client", "asyncio"):
    logging.getLogger(name).setLevel(logging.DEBUG)
logging.getLogger("debug").debug("%s starts", sys.orig_argv)
"""


class Shown(NamedTuple):
    """The output of one command."""

    command: str
    code: int
    text: str


class Kept:
    """A controller that records every output, with all debugging switched on in every Python process of the run."""

    def __init__(self, host: Controller, folder: Path) -> None:
        self.host = host
        self.shown: list[Shown] = []
        self.debug_log = folder / "debug.log"
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(DEBUG)
        host.webhook.secret = WEBHOOK
        proxy = f"http://proxyuser:{PASSWORD}@127.0.0.1:9"
        host.environ |= {
            "MATTERMOST_ATVM_WEBHOOK": host.webhook.url,
            "MATTERMOST_ATVM_CHANNEL": CHANNEL,
            "PYTHONPATH": str(site),
            "PYTHONDEVMODE": "1",
            # Without its fill of all allocated memory, which is large where a file with a high limit is read.
            "PYTHONMALLOC": "pymalloc",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONWARNINGS": "default",
            "ATVM_DEBUG": "1",
            "DEBUG_LOG": str(self.debug_log),
            "http_proxy": proxy,
            "https_proxy": proxy,
        }

    def call(self, program: str, *args: str, **environ: str) -> Shown:
        done = self.host.call(program, *args, environ=environ)
        self.shown.append(
            Shown(" ".join((program, *args)), done.returncode, f"{args}\n{done.stdout}\n{done.stderr}")
        )
        return self.shown[-1]

    def start(self, *more: str, categorize: bool = False, stand_in: bool = True, **environ: str) -> Shown:
        """Start a run of the stand-in, or of a runner that prints the log of a recorded one."""
        command = RUNNER if stand_in else f"cat {REPLAY / 'completed-whole' / 'runner.log'}"
        # The runner and the template print the environment that they received.
        runner = f"env > runner-environment.txt; ps axww > runner-processes.txt; {command}"
        runner += " --categorize" if categorize else ""
        template = f"env; {TEMPLATE}" if stand_in else "env"
        done = self.host.start(
            *more, runner=runner, template=template, categorize=categorize, environ=environ
        )
        self.shown.append(Shown("start", done.returncode, done.stdout + done.stderr))
        return self.shown[-1]

    def ask_everything(self) -> None:
        """Run every read-only command, and those that act on a run that has ended."""
        log = self.host.state_root / BUILD / "runner.log"
        for words in (
            ("status",),
            ("status", BUILD, "--json"),
            ("status", BUILD),
            ("status", "--all"),
            ("logs", BUILD),
            ("logs", BUILD, "--watcher"),
            ("explain", BUILD),
            ("wait", BUILD, "--timeout", "1"),
            ("replay", str(self.host.state_root / BUILD), "--json"),
            ("inspect", str(log), "--build-name", BUILD, "--lines"),
            ("inspect", str(log), "--build-name", BUILD, "--json"),
            ("doctor",),
            ("resend", BUILD),
            ("cancel", BUILD),
            ("sweep", "--supervisor", "local"),
            ("watch", BUILD),
        ):
            self.call("atvm-pipeline", *words)
        self.call("atvm-pipeline", "alert", BUILD, "--timeout", "1", ATVM_WATCHER_ALERT_CHANNEL="ops")
        self.start("--check")

    def assert_clean(self) -> None:
        """Assert that no written file and no output contains a secret."""
        folder = self.host.folder
        found = [
            f"{shown.command}: {leak}" for shown in self.shown for leak in leaks(shown.text.encode(), SECRETS)
        ]
        for path, content in files(folder):
            given = path.name in (
                "request.json",
                "runner-environment.txt",
                "sitecustomize.py",
                f"{BUILD}.launch.log",
                "template.log",
            )
            secrets = {**SECRETS, "password": "-" * 20} if given else SECRETS
            found += [f"{path}: {leak}" for leak in leaks(content, secrets)]
        for post in self.host.webhook.posts:
            payload = {key: value for key, value in post.payload.items() if key != "channel"}
            found += [f"a message: {leak}" for leak in leaks(json.dumps(payload).encode(), SECRETS)]

        assert found == []

    def assert_debugged(self) -> None:
        """Assert that the text to search through exists."""
        text = self.debug_log.read_text()
        for command in ("watch", "runner", "status"):
            assert f"'{command}'" in text
        assert "PATH=" in (self.host.workdir / "runner-environment.txt").read_text()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with Controller(tmp_path, speed=100) as host:
        yield Kept(host, tmp_path)


class Outcome(NamedTuple):
    """How a message ends."""

    behaviours: tuple[Behaviour, ...]
    outcome: str
    webhook: Callable[[str], str] = str


OUTCOMES: dict[str, Outcome] = {
    "sent": Outcome((ok(),), "sent"),
    "rejected, the webhook echoed": Outcome((error(400),), "rejected"),
    "redirected": Outcome((redirect(307),), "rejected"),
    "uncertain, the webhook echoed": Outcome((posted_500(),), "pending"),
    "dropped": Outcome((drop_after_accept(),), "pending"),
    "a portal's page": Outcome((page(200),), "pending"),
    "no TLS": Outcome((), "pending", lambda url: url.replace("http://", "https://")),
    "through a proxy that is not there": Outcome(
        (), "pending", lambda url: url.replace("127.0.0.1", "chat.invalid")
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_run_leaves_its_secrets_nowhere(name: str, kept: Kept) -> None:
    case = OUTCOMES[name]
    kept.host.webhook.script(*case.behaviours)
    url = case.webhook(kept.host.webhook.url)
    assert kept.start(stand_in=name == "sent", MATTERMOST_ATVM_WEBHOOK=url).code == 0

    def tried() -> bool:
        post = kept.host.state()["subruns"][0]["post"] if kept.host.state()["subruns"] else None
        return post is not None and bool(post["detail"])

    wait_for(tried, "an attempt")
    assert kept.host.state()["subruns"][0]["post"]["outcome"] == case.outcome
    kept.call("atvm-pipeline", "status", BUILD, "--json", MATTERMOST_ATVM_WEBHOOK=url)
    kept.call("atvm-pipeline", "explain", BUILD, MATTERMOST_ATVM_WEBHOOK=url)
    kept.call("atvm-pipeline", "cancel", BUILD)

    kept.assert_clean()
    kept.assert_debugged()


def test_no_command_shows_a_secret_and_no_archive_keeps_one(kept: Kept) -> None:
    kept.host.webhook.script(error(404))
    for _ in range(2):
        assert kept.start().code == 0
        kept.call("atvm-pipeline", "wait", BUILD, "--timeout", f"{DEADLINE_S:.0f}")
    kept.ask_everything()

    assert list((kept.host.state_root / ".archive").glob("*/*/state.json"))
    assert {shown.code for shown in kept.shown} - {0, 1, 69, 75} == set()
    kept.assert_clean()
    kept.assert_debugged()


def test_a_watcher_that_dies_with_a_message_under_way_shows_nothing_and_no_process_ever_did(
    kept: Kept,
) -> None:
    """SIGABRT prints every thread's frames (faulthandler) into the watcher's log, while the runner is alive."""
    kept.host.webhook.script(slow(60))
    kept.host.hold("ubuntu24.04")
    assert kept.start(categorize=True).code == 0
    wait_for(lambda: kept.host.webhook.requests, "a message under way")
    pid = kept.host.record("watcher.json")["pid"]
    everyone = list(processes())
    os.kill(pid, signal.SIGABRT)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the watcher's end")
    log = (kept.host.state_root / BUILD / "watcher.log").read_text()
    kept.call("atvm-pipeline", "status", BUILD, "--json")
    kept.call("atvm-pipeline", "doctor")
    kept.call("atvm-pipeline", "cancel", BUILD, "--runner")

    # Other tests have watchers of the same kind. Those of this test refer to its directory.
    folder = str(kept.host.folder)
    ours = [one for one in everyone if folder.encode() in one.environ or one.folder.startswith(folder)]
    assert [one.shown for one in everyone if leaks(one.shown, SECRETS)] == []
    assert {
        one.pid for one in ours if b"MATTERMOST" in one.environ or leaks(one.environ, {"w": WEBHOOK})
    } == {pid}
    assert any(b"run-sorry-cypress" in one.shown for one in ours)
    assert kept.host.record("runner.json")["pid"] in {one.pid for one in ours}
    assert "shell/delivery/http.py" in log
    kept.assert_clean()


@pytest.mark.host
def test_neither_template_nor_runner_is_given_anything_of_the_webhook(kept: Kept) -> None:
    assert (
        kept.start(
            ATVM_RUNNER_PASS="ATVM_STAND_IN_SCENARIO MATTERMOST_ATVM_WEBHOOK MATTERMOST_ATVM_CHANNEL"
        ).code
        == 0
    )
    kept.call("atvm-pipeline", "wait", BUILD, "--timeout", f"{DEADLINE_S:.0f}")
    given = (kept.host.workdir / "runner-environment.txt").read_text()

    assert "MATTERMOST" not in given
    assert PASSWORD in given
    assert "MATTERMOST" not in (kept.host.state_root / BUILD / "request.json").read_text()
    kept.assert_clean()


@pytest.mark.parametrize("text", malformed(WEBHOOK)[:5], ids=range(5))
def test_a_malformed_webhook_is_refused_and_nothing_of_it_is_repeated(text: str, kept: Kept) -> None:
    assert kept.start("--check", MATTERMOST_ATVM_WEBHOOK=text).code == 78
    kept.call("atvm-pipeline", "doctor", "--post-test", MATTERMOST_ATVM_WEBHOOK=text)
    kept.call("atvm-pipeline", "alert", BUILD, ATVM_WATCHER_ALERT_CHANNEL="ops", MATTERMOST_ATVM_WEBHOOK=text)

    assert [shown.code for shown in kept.shown] == [78, 1, 78]
    kept.assert_clean()


@pytest.mark.parametrize("line", ["MATTERMOST_ATVM_WEBHOOK='{}", "MATTERMOST_ATVM_WEBHOOK {}", "{}", "{}=1"])
def test_a_malformed_environment_file_is_refused_and_nothing_of_it_is_repeated(line: str, kept: Kept) -> None:
    file = kept.host.folder.parent / f"{kept.host.folder.name}.env"
    file.write_text(line.format(f"https://chat.invalid/hooks/{WEBHOOK}") + "\n")
    file.chmod(0o600)
    for words in (("status",), ("doctor",)):
        kept.call("atvm-pipeline", *words, ATVM_WATCHER_ENV_FILE=str(file), MATTERMOST_ATVM_WEBHOOK="")
    kept.start("--check", ATVM_WATCHER_ENV_FILE=str(file), MATTERMOST_ATVM_WEBHOOK="")

    assert 78 in {shown.code for shown in kept.shown}
    kept.assert_clean()
