"""The installer. It runs before any package is installed, so it imports the standard library and `shell.system` only."""
