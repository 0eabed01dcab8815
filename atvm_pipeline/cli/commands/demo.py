"""Show a complete categorized run with a stand-in for Cypress, using the same code as on a controller."""

import argparse
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

import msgspec

from atvm_pipeline.cli import terminal
from atvm_pipeline.cli.demo_receiver import Receiver
from atvm_pipeline.cli.explanation import explain, summary
from atvm_pipeline.cli.message_preview import render_message
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import Call, known_run
from atvm_pipeline.cli.views import ledger_line, outcome
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import plural, printable
from atvm_pipeline.shell.exit_codes import DONE, NO, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.state_dir.reader import liveness, posts_pending, read_state
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.subprocesses import run_shown
from atvm_pipeline.shell.system.typed_command import PROGRAM, typed_command

BUILD = "demo-redhat9.6-ubuntu24.04-w2k25-fc"
"""A name of its own: a real run of the documented example may be alive on this machine."""
CONFIG = "cypress.atvm-config-gold.ts"
PROJECT = Path(__file__).resolve().parents[3]
DEMO_POLL_S = 0.1
GIVE_UP_S = 180.0
WATCHER_END_S = 20.0
SETTLE_S = "1"
HANG = "hang-"
"""Prefix of the scenarios whose run hangs."""
HANG_LIMITS = {"ATVM_WATCHER_QUIET_LIMIT_S": "4", "ATVM_WATCHER_STALL_LIMIT_S": "8"}
"""A demo of a hang must not take an hour. Other scenarios keep the real limits, because a busy machine may be silent for
some seconds."""


HELP = CommandHelp(
    examples=("atvm-pipeline demo", "atvm-pipeline demo --scenario hang-with-cause --speed 5"),
    exit_codes="0 if the demo run ended and its messages are settled, whatever its phase; 1 if not; 69 outside a clone of "
    "the project",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--scenario", default="demo", metavar="NAME", help="scenario to run (default: demo)")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="N", help="speed factor; 2 is twice as fast (default: 1)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the files, to examine the run with the other commands"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo. Returns 0 if the run ended and its messages are settled, whatever its phase."""
    root = PROJECT / "fixtures" / "automation-root"
    if not root.is_dir():
        raise CommandError(
            UNAVAILABLE,
            "the stand-in automation root is not installed: run the demo from a clone of the project",
        )
    scenarios = read_scenarios(root)
    if args.list:
        for name, about in scenarios.items():
            print(f"{name:<24} {about}")
        return DONE
    if args.scenario not in scenarios:
        raise CommandError(
            USAGE, f"unknown scenario {args.scenario[:40]!r}; list them with: atvm-pipeline demo --list"
        )
    if not 0.1 <= args.speed <= 1000:  # noqa: PLR2004 - the resolution of the clock allows no more
        raise CommandError(USAGE, "--speed is out of range: use 0.1 to 1000")
    # Without this, the files and processes of the demo would stay.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with Demo(root, args.scenario, scenarios[args.scenario], args.speed, keep=args.keep) as demo:
        return demo.run()


def read_scenarios(root: Path) -> dict[str, str]:
    """Return name -> description of every scenario."""
    files = sorted((root / "scenarios").glob("*.json"))
    return {file.stem: str(msgspec.json.decode(file.read_bytes()).get("about", "")) for file in files}


class Demo:
    """`with Demo(...) as demo:` one demo run in a temporary directory, which is deleted at the end."""

    def __init__(self, root: Path, scenario: str, about: str, speed: float, *, keep: bool) -> None:
        """Create the temporary directory; `keep` keeps it at the end."""
        self._folder = Path(tempfile.mkdtemp(prefix="atvm-demo-"))
        self._workdir = self._folder / "automation-root"
        shutil.copytree(root, self._workdir, ignore=shutil.ignore_patterns("__pycache__", "cmcReporter"))
        self._paths = Paths(self._folder / "state", BUILD)
        self._scenario, self._about, self._speed, self._keep = scenario, about, speed, keep
        self._begin = clock.monotonic()
        self._printing = threading.Lock()
        self._printed: set[str] = set()
        self._starts = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop the processes that are left, and delete the files."""
        if self._alive("watcher"):
            self._call("cancel-atvm-run-watcher.sh")
        if self._alive("runner"):
            self._call("cancel-atvm-runner.sh")
        clock.wait_until(lambda: not self._alive("watcher"), WATCHER_END_S, DEMO_POLL_S)
        if not self._keep:
            shutil.rmtree(self._folder, ignore_errors=True)

    def run(self) -> int:
        """Start the run as on a controller, print its progress and its explanation, and commands to type next."""
        self._print(f"scenario {self._scenario}: {self._about}")
        with Receiver(self._show) as receiver:
            environ = self._environment(receiver.url)
            code = self._start(environ)
            ended = code == DONE and self._follow()
            if self._alive("runner"):
                self._print("the runner is still running: stopping it")
                self._call("cancel-atvm-runner.sh")
            count = len(receiver.messages)
        return self._close(code, ended=ended, messages=count)

    def _alive(self, part: str) -> bool:
        return self._paths.folder.is_dir() and liveness(self._paths)[part]

    def _call(self, wrapper: str) -> None:
        environ = self._environment("")
        run_shown([self._bin(wrapper), "--build-name", BUILD], self._workdir, environ, self._program)

    def _environment(self, url: str) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ATVM_", "MATTERMOST_"))
        }
        return {
            **kept,
            **(HANG_LIMITS if self._scenario.startswith(HANG) else {}),
            "ATVM_WATCHER_SETTLE_S": SETTLE_S,
            "ATVM_WATCHER_ENV_FILE": os.devnull,
            "MATTERMOST_ATVM_WEBHOOK": url,
            "MATTERMOST_ATVM_CHANNEL": "atvm-demo",
            "ATVM_WATCHER_ALERT_CHANNEL": "atvm-demo-alerts",
            "ATVM_WATCHER_STATE_ROOT": str(self._paths.state_root),
            # Its output is deleted with the demo.
            "ATVM_WATCHER_LAUNCH_LOG_DIR": str(self._folder),
            "ATVM_STAND_IN_SCENARIO": self._scenario,
            "ATVM_STAND_IN_SPEED": str(self._speed),
        }

    @staticmethod
    def _bin(name: str) -> str:
        return str(PROJECT / "bin" / name)

    def _start(self, environ: dict[str, str]) -> int:
        options = {
            "--build-name": BUILD,
            "--template": "cmc-e2e",
            "--template-command": f"python3 ./cmc-templates.py --template_name cmc-e2e --config_file {CONFIG}",
            "--runner-command": f"python3 ./run-sorry-cypress.py --config_file {CONFIG} --build_name {BUILD} --categorize",
            "--config-family": "gold",
            "--config-file": CONFIG,
            "--migration-style": "ATVM end-to-end migration validation",
            "--integration-plugin": "pure with fc",
            "--supervisor": "local",
            "--workdir": str(self._workdir),
        }
        call = [word for option in options.items() for word in option]
        self._print(f"$ start-atvm-run.sh --build-name {BUILD} --categorize ...")
        return run_shown(
            [self._bin("start-atvm-run.sh"), *call, "--categorize"], self._workdir, environ, self._start_line
        )

    def _follow(self) -> bool:
        """Print every change of the state until the run has ended; return False if it does not end."""

        def ended() -> bool:
            state = read_state(self._paths)
            if state is None:
                return False
            self._print_changes(state)
            return state["phase"] in TERMINAL_PHASES and not posts_pending(state)

        left_s = self._begin + GIVE_UP_S - clock.monotonic()
        if clock.wait_until(ended, left_s, DEMO_POLL_S):
            return True
        self._print(f"the run did not end within {GIVE_UP_S:.0f} s; giving up")
        return False

    def _print_changes(self, state: dict[str, Any]) -> None:
        for subrun in state["subruns"]:
            name = f"group {subrun['index']}"
            if subrun["phase"] != "PENDING":
                self._once(f"{name}: {subrun['name']} {subrun['phase']}", subrun["phase"])
            for spec in subrun["specs"]:
                if spec["tests"] or spec["detail"] not in ("no_report", "not_run"):
                    tests = plural(spec["tests"], "test")
                    self._once(
                        f"{name}: {spec['spec']}: {outcome(spec)}, {spec['passing']} of {tests} passed"
                    )
            if subrun["post"] is not None:
                self._once(f"{name}: message {subrun['post']['outcome']}")
        if state["attention"]:
            self._once(f"attention: {state['attention']}", "warning")
        if state["phase"] in TERMINAL_PHASES:
            self._once(f"run: {state['phase']}: {state['reason']['text']}", state["phase"])
            self._once(f"run: {ledger_line(state)}")

    def _once(self, text: str, style: str = "") -> None:
        if text not in self._printed:
            self._printed.add(text)
            self._print(text, style)

    def _start_line(self, line: str) -> None:
        """Print a line of the start, up to its commands: they would need the state root of the demo."""
        self._starts = self._starts and line != "next:"
        if self._starts:
            self._program(line)

    def _program(self, line: str) -> None:
        self._print(f"  {line}", "muted")

    def _show(self, message: dict[str, Any]) -> None:
        with self._printing:
            print(f"\n    message to ~{message.get('channel', 'the webhook')}:", flush=True)
            print(f"{render_message(message)}\n", flush=True)

    def _print(self, text: str, style: str = "") -> None:
        time = f"{clock.monotonic() - self._begin:6.1f} s"
        shown = printable(text)
        margin = len(shown) - len(shown.lstrip()) + 2
        rest = " " * (len(time) + margin)
        first, *more = terminal.wrapped(shown, terminal.width() - len(rest))
        lines = [f"{time}{' ' * margin}{terminal.style(first, style)}"]
        with self._printing:
            print("\n".join([*lines, *(rest + terminal.style(line, style) for line in more)]), flush=True)

    def _close(self, code: int, *, ended: bool, messages: int) -> int:
        print(f"\n{plural(messages, 'message')} received.")
        expected = self._scenario in ("template-fails", "stale-spec-pattern")
        if code != DONE:
            print(f"The start failed with exit code {code}{', as this scenario shows' if expected else ''}.")
        elif ended:
            print(f"\n$ atvm-pipeline explain {BUILD}")
            print("\n".join(self._explanation()))
        self._print_next_steps(has_state=code == DONE)
        if code != DONE:
            return DONE if expected else code
        return DONE if ended else NO

    def _explanation(self) -> list[str]:
        call = Call(clock.now())
        found = explain(known_run(self._paths, call), call)
        # Without --keep, the commands of its last lines would find nothing.
        return summary(found, terminal.width(), with_steps=False)

    def _print_next_steps(self, *, has_state: bool) -> None:
        program = typed_command(PROGRAM)
        steps = {
            f"{program} demo --list": "other scenarios: a hang, a killed runner",
            typed_command("start-atvm-run.sh", "--help"): "a real run",
        }
        print("\nType next:")
        if self._keep and has_state:
            prefix = f"ATVM_WATCHER_STATE_ROOT={self._paths.state_root} {program}"
            print(f"  {prefix} status {BUILD}\n  {prefix} explain {BUILD} -v")
            reports = f"--artifacts {self._workdir}/cmcReporter --build-name {BUILD} --categorize"
            print(f"  {program} inspect {self._paths.runner_log} {reports}")
        elif has_state:
            steps = {f"{program} demo --keep": "keep the files, to try status and explain", **steps}
        if self._keep:
            steps[f"rm -r {self._folder}"] = "delete the files of this demo"
        columns = max(map(len, steps))
        print("\n".join(f"  {command:<{columns}}  {about}" for command, about in steps.items()))
