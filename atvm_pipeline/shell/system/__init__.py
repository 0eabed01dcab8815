"""The operating system: clock, files, programs. Imports only the standard library and `core.text`."""
