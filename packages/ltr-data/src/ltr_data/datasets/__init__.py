"""Where data come from: folders in LETOR's layout, MSLR's columns, a synthetic generator."""

from . import letor, mslr, synthetic
from ._tasks import resolve_inputs, resolve_tasks

__all__ = ["letor", "mslr", "resolve_inputs", "resolve_tasks", "synthetic"]
