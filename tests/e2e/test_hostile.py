"""A run with hostile text in every name that it prints: none of it mentions, links, formats, or controls a terminal.

One real run through the wrappers. Its log, reports, inventory and options contain values that a test author or a
broken host could put there.  Then the test checks all text that a person or a chat reads about the run.
"""

import json
import os
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from tests.support import cypress_output as prints
from tests.support.controller import Controller
from tests.support.message_parts import shown_texts
from tests.support.project import ONE_HOST_BUILD as BUILD

CONTROLS = "\x1b]0;owned\x07\x1b[31m\x1b[2J\x9b31m\r\b\x7f\u202egnp\u2066\u200f\u200e\u2028\ufeff\x00"
CHAT = (
    "@all @channel @here @admin <!channel> <https://evil.test|click> [x](https://evil.test) ![i](https://evil.test/i) "
    "`code` ```block``` **bold** ~~gone~~ ||spoiler|| :smile: www.evil.test https://evil.test #town-square ~town"
)
OWNED = Path(f"/tmp/atvm-owned-{os.getpid()}")
"""Created only if a command is executed. No file of another user can have the name."""
EVIL = f"{CHAT} {CONTROLS} $(touch {OWNED}) '; touch {OWNED}; ' %n %s {{0}} ../../etc/passwd --help"
HUGE = "x" * 1_000_000

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Characters that a terminal may obey: controls except tab and line feed, C1, bidi, the byte order mark, lone surrogates."""
SPAN = re.compile(r"`[^`\n]*`")


def hostile_log() -> bytes:
    """Return the log of two groups; every name that Cypress or the runner prints is hostile."""
    spec = f"../../etc/redhat9.6{CHAT[:24]}\u202e\x9b.cy.ts"
    name = f"-rf {CHAT[:30]}\u2066redhat9.6.cy.ts"
    plain = "cypress/e2e/redhat9.6.cy.ts"
    title = f"{EVIL} {HUGE}"
    lines = [
        f"cypress run --ci-build-id '{CHAT[:60]}\x1b[31m\u202e' --group x",
        *prints.starting(spec, name, plain, params=f"Tag: false, Group: {CHAT[:40]}\u202e, Parallel: false"),
        *prints.running(spec, 1, 3),
        f"  {EVIL}",
        HUGE,
        *prints.epilogue(1, [(title, title, f"AssertionError: {title}"), (EVIL, EVIL, EVIL)]),
        *prints.results(spec, 1, 2),
        *prints.whole_spec(name, 2, 3),
        *prints.running(plain, 3, 3),
        *prints.results(plain, 1, 1),
        f"The runner prints: {EVIL}",
        *prints.finished(
            [
                prints.row(spec, (3, 1, 2, 0, 0), "✖"),
                prints.row(name, (1, 1, 0, 0, 0)),
                prints.row(plain, (2, 1, 1, 0, 0), "✖"),
            ],
            "2 of 3 failed (67%)",
            (6, 3, 3, 0, 0),
            "✖",
        ),
        *prints.recorded(f"https://evil.test/{CHAT}"),
    ]
    return prints.encoded(lines).replace(b"Searched", b"Searc\xff\xfehed")


def hostile_report(spec: str) -> str:
    """Return a report with hostile attributes, as far as XML can contain them."""
    text = "".join(char for char in f"{EVIL} {HUGE}" if char >= " ")
    name = quoteattr(text)
    return (
        f'<testsuites name="Mocha Tests" tests="2" failures="1"><testsuite name="Root Suite" file={quoteattr(spec)} '
        f'tests="0" failures="0"></testsuite><testsuite name={name} tests="2" failures="1">'
        f'<testcase name={name} classname={name}><failure message={name} type="E">x</failure></testcase>'
        f'<testcase name="fine"/></testsuite></testsuites>'
    )


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """A controller on which that run has ended."""
    settings = {
        "ATVM_WATCHER_ALERT_CHANNEL": f"alerts{CHAT}",
        "ATVM_WATCHER_SCOPE_DESCRIPTION": f"{EVIL}\n{HUGE[:100_000]}".replace("\x00", ""),
        "CYPRESS_EVIL": EVIL.replace("\x00", ""),
    }
    with Controller(tmp_path_factory.mktemp("hostile"), **settings) as controller:
        folder = controller.workdir
        (folder / "hostile.log").write_bytes(hostile_log())
        (folder / "hostile.xml").write_text(hostile_report("cypress/e2e/redhat9.6.cy.ts"), errors="replace")
        inventory = folder / "atvm" / "inventory" / "vm-inventory.md"
        evil_cell = "".join(char for char in CHAT if char != "|")
        inventory.write_text(
            f"| Host | Kernel |\n| --- | --- |\n| redhat9.6 | {evil_cell}\x1b[31m\u202e |\n| ../../x | k |\n",
            encoding="utf-8",
        )
        names = [
            "$'a\\x1b[31m\\n.xml'",
            "$'\\xff\\xfe.xml'",
            "$'\\u202egnp.xml'",
            "'-rf.xml'",
            "redhat9.6.xml",
        ]
        copies = "; ".join(f"cp hostile.xml cmcReporter/{name}" for name in names)
        runner = f"mkdir -p cmcReporter; cat hostile.log; {copies}; : {shlex.quote(CHAT)}; exit 1"
        started = controller.start(
            "--no-preflight",
            "--template",
            CHAT,
            build=BUILD,
            runner=runner,
            template=None,
            environ={"LC_ALL": "C.UTF-8"},
        )
        assert started.returncode == 0, started.stderr
        controller.wait(BUILD)
        yield controller


def strings(value: Any) -> Iterator[str]:
    """Yield every text within a decoded JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


# --- the message ---


def test_the_run_was_understood_and_reported(host: Controller) -> None:
    state = host.state(BUILD)
    assert state["phase"] == "FAILED"
    assert state["reason"]["code"] == "tests-failed"
    assert state["subruns"][0]["ledger"]["failed"] == 2
    assert any("Failing tests" in text for text in host.texts())
    assert sum(artifact["report"] is not None for artifact in state["facts"]["artifacts"]) >= 4


def test_a_message_holds_no_control_character_and_stays_small(host: Controller) -> None:
    for post in host.webhook.posts:
        assert len(json.dumps(post.payload).encode()) < 16_000
        assert len(post.payload["text"]) < 4000
        for text in strings(post.payload):
            assert not OBEYED.search(text), text


def test_a_message_mentions_links_and_formats_nothing_untrusted(host: Controller) -> None:
    for post in host.webhook.posts:
        for text in shown_texts(post.payload):
            assert not re.search(r"@\w", text), text
            assert "<" not in text
            assert all(line.count("`") % 2 == 0 for line in text.splitlines())
            outside = SPAN.sub("", re.sub(r"\\`", "", text))
            assert "://" not in outside
            assert not re.search(r":smile:|www\.evil|(?<!\\)\]\(|(?<!\\)~~|(?<!\\)\|\|", outside), outside


# --- the terminal ---

COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "status-build": ("status", BUILD),
    "status-json": ("status", BUILD, "--json"),
    "status-all-json": ("status", "--json"),
    "explain": ("explain", BUILD),
    "explain-json": ("explain", BUILD, "--json"),
    "wait": ("wait", BUILD),
    "doctor": ("doctor",),
    "replay": ("replay", "{state}"),
    "replay-json": ("replay", "{state}", "--json"),
    "inspect": ("inspect", "hostile.log", "--artifacts", "cmcReporter", "--build-name", BUILD),
    "inspect-lines": ("inspect", "hostile.log", "--lines"),
    "inspect-json": ("inspect", "hostile.log", "--lines", "--json", "--categorize"),
    "resend": ("resend", BUILD),
    "cancel": ("cancel", BUILD, "--why", CHAT + "\x1b[31m\u202e"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_lets_a_terminal_obey(name: str, host: Controller) -> None:
    words = [
        word.format(state=host.state_root / BUILD) if word == "{state}" else word for word in COMMANDS[name]
    ]
    answer = host.call("atvm-pipeline", *words)

    assert "Traceback" not in answer.stderr
    assert "bug:" not in answer.stderr
    assert answer.stdout + answer.stderr
    found = OBEYED.search(answer.stdout + answer.stderr)
    assert found is None, repr((answer.stdout + answer.stderr)[max(0, found.start() - 80) : found.end() + 20])
    if "--json" not in words:
        assert max(map(len, (answer.stdout + answer.stderr).splitlines())) < 20_000


def test_the_watchers_own_log_and_status_line_are_sanitised(host: Controller, tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(20)
        host.call("atvm-pipeline", "watch", BUILD, environ={"NOTIFY_SOCKET": str(address)})
        told = []
        listener.setblocking(False)
        while True:
            try:
                told.append(listener.recv(65536).decode())
            except BlockingIOError:
                break

    statuses = [text.removeprefix("STATUS=") for text in told if text.startswith("STATUS=")]
    assert statuses
    for text in [*statuses, *(host.state_root / BUILD / "watcher.log").read_text().splitlines()]:
        assert not OBEYED.search(text), repr(text)


def test_nothing_of_it_was_executed_or_written_elsewhere(host: Controller) -> None:
    assert not OWNED.exists()
    below = {path.name for path in host.state_root.iterdir()}
    assert below <= {BUILD, ".locks", ".archive"}
    for path in (host.state_root / BUILD).rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9._-]+", path.name), path
