"""From evidence to phase and reason: of a sub-run and of the run."""
