"""Report how an hours-long automation run ended, with evidence."""

__version__ = "0.1.0"
