"""Messages: their text, and their delivery as a state machine."""
