"""The pure core: facts in, state and effects out. It has no clock, no I/O and no randomness."""
