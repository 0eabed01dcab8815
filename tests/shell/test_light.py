"""Code paths that must stay light: a command that only reads, and a watcher that has nothing to report yet."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.messages.undelivered import LOST_OUTCOMES
from atvm_pipeline.shell.delivery import sender
from atvm_pipeline.shell.state_dir import reader
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import STATE, read_state, shape_error
from atvm_pipeline.shell.system import files
from atvm_pipeline.shell.system.files import replace_files
from tests.support.project import PROJECT
from tests.support.shown_runs import ShownRuns
from tests.support.waiting import wait_for

HEAVY = (
    "msgspec",
    "psutil",
    "urllib3",
    "watchdog",
    "wcmatch",
    "ssl",
    "subprocess",
    "atvm_pipeline.core.events",
)


def loaded(code: str, *arguments: str) -> set[str]:
    """Return the names of the modules that a process has imported after `code`."""
    script = f"import sys; sys.argv[1:] = {list(arguments)!r}\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "ATVM_WATCHER_ENV_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


CALL = "from atvm_pipeline.cli.main import script\nassert script() == 0"


def test_help_imports_nothing_but_the_list_of_commands() -> None:
    modules = loaded(CALL, "--help")

    assert not modules & {*HEAVY, "argparse", "pathlib", "json", "typing", "re"}


@pytest.mark.parametrize("words", [(), ("--all", "--since", "1d"), ("ended",)])
def test_status_imports_no_package_and_no_core(words: tuple[str, ...], tmp_path: Path) -> None:
    with ShownRuns(tmp_path) as runs:
        runs.add("ended", "failed-demo")
        runs.add("living", "failed-demo", events=15, live=("watcher",))
        runs.add("ended", "failed-demo", archived="2026-11-24T10:00:00Z")
        modules = loaded(CALL, "status", *words, "--state-root", str(tmp_path))

    assert "json" in modules
    assert not modules & set(HEAVY)


def test_status_of_no_run_imports_no_package_and_no_core(tmp_path: Path) -> None:
    assert not loaded(CALL, "status", "--state-root", str(tmp_path)) & set(HEAVY)


def test_a_watcher_has_no_network_packages_before_it_needs_them() -> None:
    modules = loaded("import atvm_pipeline.cli.commands.watch")

    assert "watchdog" in modules
    assert not modules & {"urllib3", "ssl", "http.client", "psutil", "wcmatch", "bracex", "email.utils"}


def test_a_warm_up_loads_them() -> None:
    code = (
        "import time\nfrom atvm_pipeline.shell.delivery import sender as delivery\ndelivery.warm_up()\nend = time.monotonic() + 20\n"
        "while 'http.client' not in sys.modules or 'urllib3' not in sys.modules: assert time.monotonic() < end"
    )

    assert sender.TRANSPORT in loaded(code)


def test_the_complete_of_a_state_is_read_and_the_first_misfit_is_named() -> None:
    good = {
        "phase": "RUNNING",
        "reason": {"code": "x", "text": "x", "evidence": [{"kind": "log"}]},
        "ledger": {"planned": 1},
        "post": None,
        "build_name": None,
        "run_id": "r",
        "subruns": [],
        "more": [1, 2],
    }

    assert shape_error(good, STATE) == ""
    assert shape_error({**good, "post": {"outcome": "sent"}, "attention": "look"}, STATE) == ""
    for part, why in (
        ({"phase": None}, "$.phase is not of type str"),
        ({"ledger": {"planned": True}}, "$.ledger.planned is not of type int"),
        ({"ledger": {}}, "$.ledger has no planned"),
        ({"ledger": []}, "$.ledger is not an object"),
        ({"subruns": {}}, "$.subruns is not a list"),
        ({"subruns": [{}]}, "$.subruns[0] has no phase"),
        ({"post": 1}, "$.post is not an object"),
        ({"notes": [1]}, "$.notes[0] is not of type str"),
        ({"attention": 1}, "$.attention is not of type str"),
    ):
        assert shape_error({**good, **part}, STATE) == why
    assert shape_error([], STATE) == "$ is not an object"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff{}",
        b"[" * 200_000,
        b"[]",
        b'{"phase": NaN}',
        json.dumps({"more": "\ud800"}).encode(),
        b'{"more": ' + b"9" * 5000 + b"}",
    ],
    ids=["empty", "torn", "not UTF-8", "deep", "a list", "NaN", "half a character", "a huge number"],
)
def test_what_is_no_state_is_reported_in_one_line(tmp_path: Path, data: bytes) -> None:
    paths = Paths(tmp_path, "b")
    paths.folder.mkdir()
    paths.state.write_bytes(data)

    with pytest.raises(DataError, match="is not the state of a run") as failure:
        read_state(paths)

    assert "\n" not in str(failure.value)


def test_files_that_are_replaced_together_are_replaced_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda one, other: (names.append(Path(other).name), real(one, other)))
    replace_files([(tmp_path / "b", b"1"), (tmp_path / "a", b"2")], made_in=tmp_path)

    assert names == ["b", "a"]
    assert ((tmp_path / "b").read_bytes(), (tmp_path / "a").read_bytes()) == (b"1", b"2")


def test_no_file_is_replaced_before_all_are_on_disk_and_nothing_is_left_of_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").write_bytes(b"old")
    real, asked = os.fsync, []

    def second_fails(descriptor: int) -> None:
        asked.append(descriptor)
        if len(asked) == 2:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", second_fails)
    with pytest.raises(OSError, match="No space"):
        replace_files([(tmp_path / "a", b"new"), (tmp_path / "b", b"new")], made_in=tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old", "b": b"old"}
    for descriptor in asked:
        with pytest.raises(OSError):
            os.fstat(descriptor)


def test_the_watchers_own_files_wake_nothing_and_a_marker_does(tmp_path: Path) -> None:
    from atvm_pipeline.shell.sources.fs_events import FileWatcher
    from atvm_pipeline.shell.system.files import write_whole

    state, subruns = tmp_path / "state", tmp_path / "state" / "subruns"
    subruns.mkdir(parents=True)
    hints: list[Path | None] = []
    watch = FileWatcher(state, state / "runner.log", tmp_path / "work" / "cmcReporter", hints.append)
    passed: list[str] = []
    changed = watch.changed
    watch.changed = lambda path, **more: (passed.append(path.name), changed(path, **more))  # type: ignore[method-assign]
    watch.start()
    try:
        hints.clear()
        passed.clear()
        (state / "journal.jsonl").write_bytes(b"x")
        replace_files([(state / "state.json", b"{}")], made_in=subruns)
        write_whole(state / "stop.json", b"{}")
        wait_for(lambda: state / "stop.json" in hints, "the hint of a marker")

        assert set(hints) == {state / "stop.json"}
        assert set(passed) <= {"stop.json"} | {name for name in passed if name.startswith(".stop.json.")}
        assert "state.json" not in passed
        assert "journal.jsonl" not in passed
    finally:
        watch.stop()


def test_a_renaming_holds_up_no_line_that_comes_after_it(tmp_path: Path) -> None:
    """watchdog would wait half a second for the other half of each; here another event is always pending."""
    from atvm_pipeline.shell.sources.fs_events import PAIRING, FileWatcher

    watch = FileWatcher(tmp_path, tmp_path / "runner.log", tmp_path / "cmcReporter", lambda _path: None)
    watch.start()
    watch.stop()
    delays = []
    for module, name in PAIRING:
        found = sys.modules.get(f"watchdog.observers.{module}")
        delays += [getattr(found, name).delay] if hasattr(found, name) else []

    assert delays
    assert set(delays) == {0.0}


def test_the_outcomes_that_a_reader_counts_as_lost_are_those_of_the_core() -> None:
    assert set(reader.LOST) == set(LOST_OUTCOMES)


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (["sent", "pending", "dropped"], ""),
        (["rejected", "rejected", "sent"], "2 messages were rejected"),
        (
            ["expired", "uncertain"],
            "1 message may not have arrived, 1 message was not delivered within 72 hours",
        ),
    ],
)
def test_lost_messages_are_counted_by_their_outcome(outcomes: list[str], words: str) -> None:
    state = {"subruns": [{"index": at, "post": {"outcome": one}} for at, one in enumerate(outcomes, 1)]}

    assert reader.count_words(reader.undelivered(state)) == words
