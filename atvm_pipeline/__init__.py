"""Say how an hours-long automation run ended, with proof."""

__version__ = "0.1.0"
