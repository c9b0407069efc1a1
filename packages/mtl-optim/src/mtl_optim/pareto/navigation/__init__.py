"""Interactive navigation along a Pareto front."""

from .navigator import ParetoNavigator
from .points import Cost, Local, Metrics, NavigationError, Point, Preview, Settings

__all__ = [
    "Cost",
    "Local",
    "Metrics",
    "NavigationError",
    "ParetoNavigator",
    "Point",
    "Preview",
    "Settings",
]
