"""The command line: commands, options and progress bars."""

from .app import main

__all__ = ["main"]
