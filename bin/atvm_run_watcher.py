#!/usr/bin/env python3
"""Watch one run: run `atvm-pipeline watch` under the name of the earlier watcher script."""

import os
import sys
from pathlib import Path

program = Path(__file__).resolve().with_name("atvm-pipeline")
os.environ["ATVM_PROG"] = "atvm_run_watcher.py"
os.execv(program, ["atvm-pipeline", "watch", *sys.argv[1:]])  # noqa: S606 - without a shell on purpose
