"""Show one run or all runs, and whether their processes are running."""

import argparse
from pathlib import Path
from typing import Any

from atvm_pipeline.cli.options import add_state_root, checked_build_name, environment, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import archived_line, concerns, headline, known_state
from atvm_pipeline.cli.views import page, print_json
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.exit_codes import DONE
from atvm_pipeline.shell.state_dir.archived_messages import archived_messages
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import builds, liveness, posts_pending, read_state

HELP = CommandHelp(
    examples=("atvm-pipeline status", "atvm-pipeline status BUILD --json"),
    exit_codes="0 if the state was printed, 65 if the build is not known or its state cannot be read",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", nargs="?", metavar="BUILD", help="build to show (default: all)")
    parser.add_argument(
        "--json", action="store_true", help="print the object of state.json, with the key live"
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Print the state. Raises CommandError (65) for an unknown build."""
    root = state_root(args, environment())
    if args.build is not None:
        paths = Paths(root, checked_build_name(args.build))
        state = known_state(paths)
        print_json({**state, "live": liveness(paths)}) if args.json else print(_page(paths, state))
        return DONE
    _all(root, as_json=args.json)
    return DONE


def _all(root: Path, *, as_json: bool) -> None:
    """Print every build; an unreadable state is one line, or one object with `error`, among the others."""
    objects: list[dict[str, Any]] = []
    lines: list[str] = []
    for name in builds(root):
        paths = Paths(root, name)
        try:
            state = read_state(paths)
        except (DataError, OSError) as error:
            objects.append({"build_name": name, "phase": None, "error": str(error), "live": liveness(paths)})
            lines.append(f"{'CORRUPT':<10} {name}  {error}")
            continue
        if state is not None:
            objects.append({**state, "live": liveness(paths)})
            lines.append(f"{state['phase']:<10} {name}  {headline(paths, state)}")
    if as_json:
        print_json(objects)
        return
    lines += [archived_line(found) for found in archived_messages(root) if found.waiting]
    for line in lines or [f"no runs in {root}"]:
        print(printable(line))


def _page(paths: Paths, state: dict[str, Any]) -> str:
    alive = liveness(paths)
    # The page itself contains the reason and the attention.
    problems = [text for text in concerns(paths, state) if not text.startswith("attention: ")]
    lines = [page(state, title=paths.build_name), *(f"  {text}" for text in problems)]
    done = state["phase"] in TERMINAL_PHASES and not posts_pending(state)
    absent = "finished" if done else "not running"
    processes = (f"{name}: {'running' if alive[name] else absent}" for name in ("watcher", "runner"))
    lines.append(f"  {', '.join(processes)}, run id: {state['run_id']}")
    lines.append(f"  state: {paths.folder}")
    return "\n".join([lines[0], *(printable(line) for line in lines[1:])])
