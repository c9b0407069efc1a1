"""Trains, sweeps and reports multi-task rankers."""

from .__about__ import __version__

__all__ = ["__version__"]
