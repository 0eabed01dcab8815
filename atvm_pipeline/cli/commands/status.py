"""What is known about one run, or about all runs of the state root, and who lives."""

import argparse
from pathlib import Path
from typing import Any

from atvm_pipeline.cli.options import add_state_root, checked_build_name, environment, state_root
from atvm_pipeline.cli.run_state import concerns, headline, known_state
from atvm_pipeline.cli.views import page, print_json
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.exit_codes import DONE
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import builds, liveness, read_state


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", nargs="?", metavar="BUILD", help="default: every build")
    parser.add_argument("--json", action="store_true", help="the object of state.json, with who lives")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Print it.  65 for a build that is not known."""
    root = state_root(args, environment())
    if args.build is not None:
        paths = Paths(root, checked_build_name(args.build))
        state = known_state(paths)
        print_json({**state, "live": liveness(paths)}) if args.json else print(_page(paths, state))
        return DONE
    _all(root, as_json=args.json)
    return DONE


def _all(root: Path, *, as_json: bool) -> None:
    """Every build; one whose state cannot be read is one line, or one object with its `error`, among the others."""
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
    for line in lines or [f"no runs in {root}"]:
        print(printable(line))


def _page(paths: Paths, state: dict[str, Any]) -> str:
    alive = liveness(paths)
    # The page itself has the reason and the attention.
    told = [text for text in concerns(paths, state) if not text.startswith("attention: ")]
    lines = [page(state, title=paths.build_name), *(f"  {text}" for text in told)]
    lines.append(
        f"  watcher {'watching' if alive['watcher'] else 'gone'}, runner {'running' if alive['runner'] else 'gone'}, "
        f"run {state['run_id']}"
    )
    lines.append(f"  state: {paths.folder}")
    return "\n".join([lines[0], *(printable(line) for line in lines[1:])])
