"""The pure core: facts in, state and effects out.  No clock, no I/O, no randomness."""
