"""The command line: commands, options, progress. Nothing below knows of a terminal."""

from .app import main

__all__ = ["main"]
