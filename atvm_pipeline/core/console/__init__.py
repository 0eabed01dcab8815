"""What a log, a report or a name means.  Pure: bytes in, facts out."""
