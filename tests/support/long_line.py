"""One endless line and its follower, in a process whose memory is bounded by the kernel.

Usage: python -m tests.support.long_line [--megabytes 1024] [--limit 400]

Writes a log that is one line of that many megabytes, every other part of it a hole. Follows it with a limited
address space, and prints the maximum memory of the process.
"""

import argparse
import resource
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from atvm_pipeline.core.console.scanner import Scanner
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.facts import ChildLaunched
from atvm_pipeline.shell.sources.log_follower import LogFollower
from tests.bench.fold_log import peak_kib

MEGABYTE = 1024 * 1024
AT_ONCE = 16
AFTER = b"\ncypress run --record --ci-build-id after\n"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--limit", type=int, default=400, help="of the address space, in megabytes")
    args = parser.parse_args(argv)
    resource.setrlimit(resource.RLIMIT_AS, (args.limit * MEGABYTE, args.limit * MEGABYTE))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as files:
        log = Path(folder) / "runner.log"
        log.write_bytes(b"cypress run --record --ci-build-id before\n")
        tail = files.enter_context(closing(LogFollower(log, Scanner(Dialect()), progress_every_s=0)))
        found = [fact for event in tail.read() for fact in event.facts]  # type: ignore[union-attr]
        before, began, size = peak_kib(), time.perf_counter(), 0
        kept = []
        for part in range(args.megabytes // AT_ONCE):
            with log.open("ab") as file:
                if part % 2:
                    file.truncate(log.stat().st_size + AT_ONCE * MEGABYTE)
                else:
                    file.writelines([b"%07d " % part * (MEGABYTE // 8)] * AT_ONCE)
            size += AT_ONCE * MEGABYTE
            for event in tail.read():
                found += event.facts  # type: ignore[union-attr]
                kept.append(len(event.scanner.tail))  # type: ignore[union-attr]
        with log.open("ab") as file:
            file.write(AFTER)
        for event in tail.read(final=True):
            found += event.facts  # type: ignore[union-attr]
        labels = [fact.label for fact in found if isinstance(fact, ChildLaunched)]
        seconds = time.perf_counter() - began
        print(
            f"one line of {size // MEGABYTE} MB: {peak_kib() // 1024} MB at most ({(peak_kib() - before) // 1024} MB for it), "
            f"at most {max(kept, default=0)} bytes of it remembered, {size / MEGABYTE / seconds:.0f} MB/s, then {labels}"
        )
    return 0 if labels == ["before", "after"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
