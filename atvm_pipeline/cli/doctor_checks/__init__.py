"""Checks of `doctor`, by subject. A check only reads; it returns its findings and does not raise for them."""
