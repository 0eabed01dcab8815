"""The entry point of bin/install-atvm-watcher-service.sh, which runs `python3 -I <project>/atvm_pipeline/install`."""

import sys
from pathlib import Path

# Python puts this directory there. The project replaces it, so that the package is imported by its full name.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from atvm_pipeline.install.cli import main  # noqa: E402 - only importable now

sys.exit(main(sys.argv[1:]))
