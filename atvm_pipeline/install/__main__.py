"""`python3 -I <project>/atvm_pipeline/install`: what bin/install-atvm-watcher-service.sh runs."""

import sys
from pathlib import Path

# The folder itself was put there; the project takes its place, so that the package has its own name.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from atvm_pipeline.install.cli import main  # noqa: E402 - only importable now

sys.exit(main(sys.argv[1:]))
