"""Fuzz one target, or all of them one after the other, guided by coverage.

    python -m tests.fuzz console --minutes 30 --jobs 2
    python -m tests.fuzz all --runs 20000

The corpus stays below .venv/fuzz and grows from run to run.  Each finding becomes a fixture below fixtures/fuzz,
reduced in size: fix the program, name the file after its content, and commit both.  Exit code 1: something was found.
"""

import argparse
from importlib.util import find_spec

from tests.fuzz.minimising import keep
from tests.fuzz.registry import NAMES
from tests.fuzz.running import session
from tests.support.project import PROJECT


def main() -> int:
    """Run the sessions; print one line per target."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=(*NAMES, "all"))
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--runs", type=int, help="executions of each process")
    limit.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the corpus (default: 1)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if find_spec("atheris") is None:
        parser.error("atheris is not installed: pip install -e .[fuzz] (it has no wheel for every Python)")
    found = False
    for name in NAMES if args.target == "all" else (args.target,):
        folder = PROJECT / ".venv" / "fuzz" / name
        outcome = session(name, folder, runs=args.runs, minutes=args.minutes, jobs=args.jobs, seed=args.seed)
        print(outcome.line(), flush=True)
        for failure in outcome.failures:
            print(failure)
        for path in outcome.findings:
            fixture, wrong = keep(name, path.read_bytes())
            path.unlink()
            print(f"  {wrong}: {fixture}")
        found = found or bool(outcome.findings or outcome.failures)
    return int(found)


if __name__ == "__main__":
    raise SystemExit(main())
