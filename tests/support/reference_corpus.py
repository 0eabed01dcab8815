"""The place of the reference corpus, which is not part of the project; `ATVM_CORPUS` names another directory.

A test that reads it has the mark `corpus` and is skipped where the corpus is missing (conftest.py).
"""

import os
from pathlib import Path

REFERENCE = Path(
    os.environ.get("ATVM_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "reference"
)
CONSOLE = REFERENCE / "cypress-console"
"""Outputs of Cypress."""
JUNIT = REFERENCE / "junit"
"""Reports."""
