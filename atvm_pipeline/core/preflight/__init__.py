"""Comparing request, config file and commands before anything is started."""
