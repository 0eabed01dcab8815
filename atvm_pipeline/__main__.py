"""Entry point of `python -m atvm_pipeline`."""

import sys

from .cli.main import script

sys.exit(script())
