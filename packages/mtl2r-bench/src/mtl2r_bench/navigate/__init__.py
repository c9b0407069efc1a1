"""Interactive navigation of the Pareto front from a finished run: `mtl2r-bench navigate`."""

from .problem import Problem, open_run
from .session import Session
from .wishes import Wish, parse_wish

__all__ = ["Problem", "Session", "Wish", "open_run", "parse_wish"]
