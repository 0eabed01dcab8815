"""Checks of `doctor`, by subject.  A check reads, and never raises for what it finds."""
