"""Earlier runs of the same scenario, as the start of a run read them, and how this run differs from them. Pure.

The start reads history once and records the part that this run needs as one fact, the baseline. Everything that is shown
of other runs comes from that fact, so that a replay of the journal produces the same bytes.
"""
