"""Installing the project on a controller.  Runs before any environment exists: the standard library only, and nothing of the rest."""
