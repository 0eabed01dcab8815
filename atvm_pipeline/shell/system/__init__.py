"""The operating system: clock, files, programs. Imports the standard library and `core.text` only."""
