"""`logs`: the right file of a run, unchanged in a pipe, safe on a terminal, followed until the run has ended."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from atvm_pipeline.cli.log_output import TerminalFilter
from atvm_pipeline.cli.main import main
from atvm_pipeline.shell.exit_codes import DATA, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.system.file_tail import CHUNK_BYTES, FileTail
from tests.support.project import PROJECT
from tests.support.shown_runs import ShownRuns
from tests.support.waiting import DEADLINE_S, wait_for

BOTH = ("watcher", "runner")
RAW = b"one\n\x1b[31mtwo\x1b[0m \x1b]0;title\x07 \xff\r\nthree\x00"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShownRuns]:
    monkeypatch.setenv("ATVM_WATCHER_ENV_FILE", os.devnull)
    monkeypatch.setenv("ATVM_WATCHER_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setenv("ATVM_WATCHER_LAUNCH_LOG_DIR", str(tmp_path))
    with ShownRuns(tmp_path / "state") as made:
        yield made


def shown(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the output of a call that succeeds."""
    assert main(["logs", *words]) == 0
    return capfd.readouterr().out


def refused(*words: str) -> CommandError:
    with pytest.raises(CommandError) as error:
        main(["logs", *words])
    assert "\n" not in str(error.value)
    return error.value


def started(*words: str) -> "subprocess.Popen[bytes]":
    """Start the command as a program with pipes."""
    call = [sys.executable, "-m", "atvm_pipeline", "logs", *words]
    return subprocess.Popen(call, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


# --- which file ---


def test_a_pipe_gets_the_unchanged_bytes_of_the_runners_log(runs: ShownRuns) -> None:
    runs.add("b", "completed").runner_log.write_bytes(RAW)
    process = started("b")
    out, err = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, out, err) == (0, RAW, b"")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("-n", "2"), "3\n4\n"),
        (("-n", "0"), ""),
        (("-n", "99"), "1\n2\n3\n4\n"),
        (("--lines", "all"), "1\n2\n3\n4\n"),
        ((), "1\n2\n3\n4\n"),
    ],
)
def test_only_the_last_lines(
    words: tuple[str, ...], text: str, runs: ShownRuns, capfd: pytest.CaptureFixture[str]
) -> None:
    runs.add("b", "completed").runner_log.write_text("1\n2\n3\n4\n")

    assert shown(capfd, "b", *words) == text


@pytest.mark.parametrize("given", ["-1", "x", "", "1" * 20, "٣"])
def test_a_wrong_number_of_lines_is_refused(given: str, runs: ShownRuns) -> None:
    runs.add("b", "completed").runner_log.write_text("1\n")

    assert refused("b", f"-n={given}").code == USAGE


def test_a_log_that_an_earlier_run_started_is_shown_from_this_run_on(
    runs: ShownRuns, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "shared.log"
    path.write_text("earlier\nmine\n")
    runs.add("b", "completed", log_path=str(path), log_start=8)

    assert shown(capfd, "b") == "mine\n"
    path.write_text("new\n")
    assert shown(capfd, "b") == "new\n"


def test_each_kind_of_log_is_a_file_of_the_run(runs: ShownRuns, capfd: pytest.CaptureFixture[str]) -> None:
    paths = runs.add("b", "completed", archived="2026-11-24T10:00:00Z", run_id="deadbeef00000001")
    paths.runner_log.write_text("runner\n")
    paths.watcher_log.write_text("watcher\n")
    paths.template_log.write_text("template\n")

    for address in ("b@2026-11-24T10:00:00Z", "deadbeef", str(paths.folder)):
        assert shown(capfd, address) == "runner\n"
        assert shown(capfd, address, "--runner") == "runner\n"
        assert shown(capfd, address, "--watcher") == "watcher\n"
        assert shown(capfd, address, "--template") == "template\n"


def test_a_log_outside_of_an_archived_run_comes_with_a_notice(
    runs: ShownRuns, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "shared.log").write_text("text\n")
    runs.add("b", "completed", archived="2026-11-24T10:00:00Z", log_path=str(tmp_path / "shared.log"))

    assert main(["logs", "b@2026"]) == 0
    out, err = capfd.readouterr()
    assert out == "text\n"
    assert "it is outside of the state directory: a later run may have changed it" in err


def test_the_output_of_the_newest_template_command_is_shown(
    runs: ShownRuns, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    launch = tmp_path / "b.launch.log"
    launch.write_text("first start, which failed\n")
    assert shown(capfd, "b", "--template") == "first start, which failed\n"
    paths = runs.add("b", "completed", took_s=10)
    os.utime(launch, (runs.now.timestamp() - 20,) * 2)
    assert "the run of b has no template command" in str(refused("b", "--template"))
    paths.template_log.write_text("of this run\n")
    os.utime(launch, (1, 1))
    assert shown(capfd, "b", "--template") == "of this run\n"
    launch.write_text("of a later start\n")
    os.utime(paths.template_log, (1, 1))

    assert main(["logs", "b", "--template"]) == 0
    out, err = capfd.readouterr()
    assert out == "of a later start\n"
    assert "it is that of a later start" in err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ("b",),
            "the runner of b has no log: {directory}/runner.log does not exist; it was deleted or moved",
        ),
        (("b", "--watcher"), "the watcher of b has written no log: {directory}/watcher.log does not exist"),
        (("b", "--template"), "the run of b has no template command"),
        (("t", "--template"), "the output of the template command of t was not kept: "),
        (("waits",), "wait for it with: atvm-pipeline logs waits -f"),
        (("blocked",), "{root}/blocked/runner.log is not a regular file, so it is not the log of blocked"),
        (("none",), "build none not found in {root}; list the runs with: atvm-pipeline status --all"),
        (("bare",), "{root}/bare/request.json is missing or not readable"),
    ],
)
def test_a_log_that_does_not_exist_is_an_error_with_the_way_out(
    words: tuple[str, ...], text: str, runs: ShownRuns
) -> None:
    runs.add("b", "completed")
    runs.add("t", "completed", template_command="true")
    runs.add("waits", "completed", events=4)
    runs.add("blocked", "completed").runner_log.mkdir()
    (runs.root / "bare").mkdir()
    error = refused(*words)

    assert error.code == DATA
    assert text.format(directory=runs.root / "b", root=runs.root) in str(error)


def test_a_log_that_cannot_be_read_is_an_error(runs: ShownRuns) -> None:
    paths = runs.add("b", "completed")
    paths.runner_log.symlink_to(paths.runner_log)

    assert "cannot read" in str(refused("b"))


def test_the_watchers_log_under_systemd_is_the_journal_of_its_units(
    runs: ShownRuns, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "journalctl"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    old = runs.add("b", "completed", archived="2026-11-24T10:00:00Z", ended_s_ago=7200, supervisor="systemd")
    new = runs.add("b", "completed", supervisor="systemd")
    old_at, new_at = (json.loads(paths.request.read_text())["requested_at"] for paths in (old, new))
    current = shown(capfd, "b", "--watcher", "-n", "7").splitlines()
    archived = shown(capfd, "b@2026", "--watcher").splitlines()

    assert "--unit=atvm-run-watcher@b.service" in current
    assert "--unit=atvm-run-watcher-failed@b.service" in current
    assert current[-1] == "--lines=7"
    assert not [word for word in current if word.startswith("--until")]
    assert "--unit=atvm-run-deliver@b@2026-11-24T10:00:00Z.service" in archived
    assert "--lines=all" in archived
    since, until = (datetime.fromisoformat(at).timestamp() for at in (old_at, new_at))
    assert f"--since=@{since:.0f}" in archived
    assert f"--until=@{until:.0f}" in archived
    monkeypatch.setenv("PATH", f"{PROJECT}/bin")
    error = refused("b", "--watcher")
    assert (error.code, "journalctl is not on the PATH" in str(error)) == (UNAVAILABLE, True)


# --- a terminal ---


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\x1b[1;31mb\x1b[0m\n", "a\x1b[1;31mb\x1b[0m\n"),
        (b"a\x1b[2J\x1b[5;5Hb\x1b]0;t\x07c\x1b]8;;http://x\x1b\\d\n", "abcd\n"),
        (b"\xc2\x9b31mx\x07\x08\x7f\xe2\x80\xae\n", " 31mx    \n"),
        (b"10%\r20%\r\n\tend\n", "10%\n20%\n\tend\n"),
        ("grün ✓ 移行\n".encode(), "grün ✓ 移行\n"),
        (b"\xff\xfe\n", "��\n"),
    ],
)
def test_a_terminal_gets_nothing_that_it_could_obey_but_colours(data: bytes, text: str) -> None:
    whole, parts = TerminalFilter(colour=True), TerminalFilter(colour=True)

    assert whole.feed(data) + whole.flush() == text
    assert "".join(parts.feed(data[at : at + 1]) for at in range(len(data))) + parts.flush() == text


def test_an_unfinished_line_is_shown_without_an_unfinished_escape_sequence() -> None:
    shown_ = TerminalFilter(colour=True)

    assert shown_.feed(b"waiting\x1b[3") == ""
    assert shown_.flush() == "waiting"
    assert shown_.feed(b"1m for it") == ""
    assert shown_.flush() == "\x1b[31m for it"
    assert shown_.coloured


def test_colours_are_removed_where_they_are_not_wanted() -> None:
    plain = TerminalFilter(colour=False)

    assert plain.feed(b"\x1b[31mred\x1b[0m\n") == "red\n"
    assert not plain.coloured


def test_a_line_without_an_end_is_shown_in_parts() -> None:
    plain = TerminalFilter(colour=False)

    assert len(plain.feed(b"x" * 70_000)) == 70_000
    assert plain.feed(b"y") == ""


def test_a_terminal_gets_the_last_hundred_lines_and_the_way_to_all(runs: ShownRuns) -> None:
    runs.add("b", "completed").runner_log.write_bytes(
        b"".join(b"line %d \x1b[31mx\x1b[2J\n" % at for at in range(300))
    )
    master, slave = pty.openpty()
    call = [sys.executable, "-m", "atvm_pipeline", "logs", "b"]
    with subprocess.Popen(call, cwd=PROJECT, stdout=slave, stderr=slave) as process:
        os.close(slave)
        output = b""
        try:
            while data := os.read(master, 65536):
                output += data
        except OSError:
            pass  # the end of a terminal whose last program has ended
        finally:
            os.close(master)
    lines = output.decode().splitlines()

    assert process.returncode == 0
    assert f"the last 100 lines of {runs.root}/b/runner.log; all of them: -n all" in lines[0]
    assert [line.split()[1] for line in lines[1:101]] == [str(at) for at in range(200, 300)]
    assert b"\x1b[2J" not in output
    assert output.endswith(b"\x1b[0m")


# --- following ---


class Followed:
    """A call with `-f` and everything that it has printed."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._out, self._err = folder / "out", folder / "err"
        call = [sys.executable, "-m", "atvm_pipeline", "logs", "-f", *words]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(call, cwd=PROJECT, stdout=out, stderr=err)

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def prints(self, text: str) -> None:
        wait_for(lambda: text in self.out, f"{text!r} in the output")

    def ended(self) -> int:
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[object]:
    calls: list[Followed] = []

    def start(*words: str) -> Followed:
        calls.append(Followed(tmp_path, *words))
        return calls[-1]

    yield start
    for call in calls:
        if call.process.poll() is None:
            call.process.kill()
            call.process.wait()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_a_log_is_followed_over_a_rotation_until_the_run_has_ended(
    runs: ShownRuns, follow: type[Followed]
) -> None:
    paths = runs.add("b", "completed", events=12, live=BOTH)
    paths.runner_log.write_text("early\nfirst\n")
    call = follow("b", "-n", "1")
    call.prints("first\n")
    append(paths.runner_log, "second\nunfinished")
    call.prints("unfinished")
    paths.runner_log.rename(paths.folder / "runner.log.1")
    paths.runner_log.write_text("after the rotation\n")
    call.prints("after the rotation\n")
    paths.runner_log.write_text("cut\n")
    call.prints("cut\n")
    runs.add("b", "completed")
    append(paths.runner_log, "last\n")
    runs.let_go()

    assert call.ended() == 0
    assert call.out == "first\nsecond\nunfinishedafter the rotation\ncut\nlast\n"
    assert call.err == "--- b has ended: COMPLETED: All 6 planned specs passed on every requested host.\n"


def test_a_log_is_followed_into_a_new_start(runs: ShownRuns, follow: type[Followed]) -> None:
    paths = runs.add("b", "completed", events=12, live=BOTH)
    paths.runner_log.write_text("first run\n")
    call = follow("b")
    call.prints("first run\n")
    (runs.root / ".archive" / "b").mkdir(parents=True)
    paths.folder.rename(runs.root / ".archive" / "b" / "2026-11-24T10:00:00Z")
    runs.add("b", "completed", events=12, run_id="0123456789abcdef")
    wait_for(lambda: "--- a new run of b was started at " in call.err, "the line about the new run")
    paths.runner_log.write_text("second run\n")
    call.prints("second run\n")
    runs.add("b", "completed", run_id="0123456789abcdef")
    runs.let_go()

    assert call.ended() == 0
    assert call.out == "first run\nsecond run\n"


def test_a_log_that_does_not_exist_yet_is_waited_for(runs: ShownRuns, follow: type[Followed]) -> None:
    paths = runs.add("b", "completed", events=4, live=BOTH)
    call = follow("b")
    paths.runner_log.write_text("now\n")
    call.prints("now\n")
    call.process.send_signal(signal.SIGINT)

    assert call.ended() == 130
    assert call.err == ""


def test_the_log_of_a_run_whose_processes_died_is_not_followed_indefinitely(
    runs: ShownRuns, follow: type[Followed]
) -> None:
    runs.add("b", "completed", events=12).runner_log.write_text("x\n")
    call = follow("b")

    assert call.ended() == 0
    assert call.err == "--- neither watcher nor runner of b is running (RUNNING)\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("b@2026",), "--- b@2026-11-24T10:00:00Z is archived\n"),
        (
            ("b", "--watcher"),
            "--- b has ended: COMPLETED: All 6 planned specs passed on every requested host.\n",
        ),
        (("b", "--template"), "--- no start of b is in progress\n"),
    ],
)
def test_a_log_that_cannot_grow_any_more_is_shown_once(
    words: tuple[str, ...], text: str, runs: ShownRuns, follow: type[Followed]
) -> None:
    for paths in (runs.add("b", "completed"), runs.add("b", "completed", archived="2026-11-24T10:00:00Z")):
        for path in (paths.runner_log, paths.watcher_log, paths.template_log):
            path.write_text("x\n")
    call = follow(*words)

    assert call.ended() == 0
    assert (call.out, call.err) == ("x\n", text)


def test_the_journal_is_followed_until_the_watcher_has_finished(
    runs: ShownRuns, follow: type[Followed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "journalctl"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\necho line\nfor last; do :; done\ntest "$last" = --follow || exit 0\nexec sleep 99\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    runs.add("b", "completed", live=("watcher",), supervisor="systemd")
    call = follow("b", "--watcher")
    call.prints("line\n")
    runs.let_go()

    assert call.ended() == 0
    assert "--- b has ended: COMPLETED" in call.err
    again = follow("b", "--watcher")
    assert again.ended() == 0
    assert again.out == "line\n"


# --- the end of a file ---


@pytest.mark.parametrize("lines", [1, 2, 5, 10_000])
def test_the_last_lines_of_a_long_file_are_found_from_its_end(lines: int, tmp_path: Path) -> None:
    path = tmp_path / "log"
    text = [f"{at} {'x' * (at % 997)}\n" for at in range(1000)]
    path.write_text("".join(text))
    with FileTail(path) as tail:
        left_out = tail.start_at(0, lines)
        data = b"".join(iter(tail.read, b""))

    assert data.decode() == "".join(text[-lines:])
    assert left_out is (lines < 1000)
    assert path.stat().st_size > 2 * CHUNK_BYTES


def test_an_unfinished_last_line_counts(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a\nb\nc")
    with FileTail(tmp_path / "log") as tail:
        tail.start_at(0, 2)

        assert tail.read() == b"b\nc"


def test_the_lines_before_a_run_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a\nb\nc\n")
    with FileTail(tmp_path / "log") as tail:
        assert not tail.start_at(2, 9)
        assert tail.read() == b"b\nc\n"


def test_a_file_that_is_no_file_has_no_content(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with FileTail(tmp_path / "log") as tail:
        assert not tail.start_at(0, None)
        assert tail.read() == b""
