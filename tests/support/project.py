"""The project directory, and the build names that most tests use."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

BUILD = "e2e-redhat9.6-ubuntu24.04-w2k25-fc"
"""The build of the one-shot example, with three hosts."""
TWO_HOSTS_BUILD = "e2e-redhat9.6-ubuntu24.04-fc"
ONE_HOST_BUILD = "e2e-redhat9.6-fc"
