"""Cypress processes and sub-runs as the log shows them: facts in, changed children and specs out."""
