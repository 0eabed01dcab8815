#!/usr/bin/env python3
"""Watch one run: the entry under the name that it always had.  Becomes `atvm-pipeline watch`."""

import os
import sys
from pathlib import Path

program = Path(__file__).resolve().with_name("atvm-pipeline")
os.execv(program, ["atvm-pipeline", "watch", *sys.argv[1:]])  # noqa: S606 - no shell is what is wanted
